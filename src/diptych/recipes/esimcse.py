"""A sentence, and the same with some words twice; a queue of negatives (ESimCSE, arXiv:2109.04380)."""

from typing import TYPE_CHECKING, Unpack

from diptych.core import Recipe, recipe
from diptych.recipes import sentences as of_sentences
from diptych.recipes.sentences import LENGTH
from diptych.recipes.settings import Settings
from diptych.recipes.text import Method

if TYPE_CHECKING:
    from collections.abc import Sequence

    from diptych.core import View
    from diptych.data.documents import Documents
    from diptych.encoders.static import Static
    from diptych.encoders.transformer import Transformer

QUEUE = 2.5  # batches


@recipe
def esimcse(
    corpus: "str | Documents",
    *,
    repeat: float = 0.32,
    most: int = 10,
    queue: int | None = None,
    momentum: float = 0.995,
    sentences: int = 1,
    length: int = LENGTH,
    **settings: Unpack[Settings],
) -> Recipe:
    """As simcse, with tokens of the second view repeated, and a queue of what a teacher made of earlier batches.

    Head and defaults are those of `simcse` (layer L is the embedding, L + 1 what the head makes of it). The teacher
    follows the model, encodes the first view without dropout, and has the model's own head. Tokens are drawn anew at
    every step, where the authors draw once.
    Source: ESimCSE, arXiv:2109.04380.

    Parameters
    ----------
    corpus
        A folder of .txt or .md files, one text file, .jsonl, .csv, .tsv, .parquet (each also .gz), a
        folder, pattern or URL of these, a Hugging Face dataset folder, or a hub id.
    repeat
        Fewer tokens than this part are repeated.
    most
        Fewer tokens than this are repeated.
    queue
        Rows of the queue (two and a half batches).
    momentum
        How much of the teacher stays at a step.
    sentences
        Sentences per view; 0 is the whole document.
    length
        Tokens of a view before some are repeated, special ones among them; longer ones are cut. The saved model reads
        on.
    """
    from diptych.core import Teacher
    from diptych.objectives.queue import MomentumQueue
    from diptych.views.input.text.repeat import RepeatWords
    from diptych.views.input.text.sentence import Sentence

    if queue is not None and queue < 1:
        raise ValueError(f"--queue has at least one row; got {queue}")
    RepeatWords(repeat, most)  # what cannot be is said before a corpus is read
    method = Method(
        Sentence(sentences),
        lambda encoder: _views(encoder, sentences, length, repeat, most),
        lambda encoder, temperature: MomentumQueue(encoder.dim, temperature, queue or _rows(encoder, settings)),
        lambda encoder: of_sentences.with_head(encoder, settings),
        Teacher(momentum, head="shared", dropout=False),
    )
    return of_sentences.read(corpus, method, settings)


def _rows(encoder: "Static | Transformer", settings: Settings) -> int:
    """Rows of a queue of QUEUE batches."""
    from diptych.encoders.static import Static

    usual = of_sentences.OWN["static" if isinstance(encoder, Static) else "pretrained"].batch
    return round(QUEUE * (settings.get("batch") or usual))


def _views(encoder: "Static | Transformer", sentences: int, length: int, repeat: float, most: int) -> "Sequence[View]":
    from diptych.core import View
    from diptych.views.input.text.repeat import RepeatWords
    from diptych.views.input.then import Then

    window = of_sentences.sentence(encoder, sentences, length)
    repeated = Then(window, RepeatWords(repeat, most, of_sentences.special(encoder)))
    return [View(transform=window, by="both"), View(transform=repeated)]
