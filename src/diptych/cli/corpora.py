"""The corpus that a command names: of documents or of pictures, by what the encoder is for."""

from diptych.core import Encoder
from diptych.data.docstrings import corpus_of
from diptych.data.documents import Documents
from diptych.data.images.corpus import pictures
from diptych.data.images.store import Pictures
from diptych.encoders.image.vision import Vision

STORED = 256  # short side of larger pictures in the cache, at most


def corpus_for(
    encoder: Encoder, path: str, column: str | None = None, label_column: str | None = None
) -> Documents | Pictures:
    """Pictures for an encoder of pictures, with more pixels than it sees; else documents.

    `column` is that of the text or the picture. Raises what the readers raise.
    """
    if isinstance(encoder, Vision):
        return pictures(path, max(encoder.side, min(STORED, 2 * encoder.side)), column, label_column)
    return corpus_of(path, column, label_column)
