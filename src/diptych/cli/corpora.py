"""The corpus that a command names: of documents, pictures or graphs, by what the encoder is for."""

from typing import Annotated

from cyclopts import Parameter

from diptych.core import Encoder
from diptych.data.docstrings import corpus_of
from diptych.data.documents import Documents
from diptych.data.graphs.corpus import graphs
from diptych.data.graphs.store import Graphs
from diptych.data.images.corpus import pictures
from diptych.data.images.store import Pictures
from diptych.encoders.graph.network import GraphNetwork
from diptych.encoders.image.vision import Vision

STORED = 256  # short side of larger pictures in the cache, at most
Column = Annotated[str | None, Parameter(alias="--image-column")]  # of texts or of pictures


def things(encoder: Encoder) -> str:
    """What an encoder is for."""
    return "graphs" if isinstance(encoder, GraphNetwork) else "pictures" if isinstance(encoder, Vision) else "documents"


def corpus_for(
    encoder: Encoder, path: str, column: str | None = None, label_column: str | None = None
) -> Documents | Pictures | Graphs:
    """Graphs for a network for them, pictures (more pixels than are seen) for an encoder of these; else documents.

    Graphs are described as is usual for them, whatever the network knows. `column` is that of the text or the picture.
    Raises what the readers raise, and ValueError for a column of graphs.
    """
    if isinstance(encoder, GraphNetwork):
        if column or label_column:
            raise ValueError("the model is a network for graphs, which have no columns; leave --*-column out")
        return graphs(path)
    if isinstance(encoder, Vision):
        return pictures(path, max(encoder.side, min(STORED, 2 * encoder.side)), column, label_column)
    return corpus_of(path, column, label_column)
