"""Two crops of a document are a positive pair (arXiv:2508.03453)."""

from typing import TYPE_CHECKING, Unpack

from diptych.core import Recipe, recipe
from diptych.recipes.settings import Settings
from diptych.recipes.text import Rule, build, contrastive, window
from diptych.recipes.usual import KINDS

if TYPE_CHECKING:
    from diptych.data.documents import Documents


@recipe
def crop(
    corpus: "str | Documents",
    *,
    sentences: int = 2,
    rule: Rule = "sentences",
    **settings: Unpack[Settings],
) -> Recipe:
    """Two different crops of a document are a positive pair; the batch's other documents are negatives.

    Source: Gonzalez-Marquez, Berens & Kobak, arXiv:2508.03453.

    Parameters
    ----------
    corpus
        A folder of .txt or .md files, one text file, .jsonl, .csv, .tsv, .parquet (each also .gz), a
        folder, pattern or URL of these, a Hugging Face dataset folder, or a hub id.
    sentences
        Sentences per crop.
    rule
        "sentences" segments by language and crops short documents by words; "halves" cuts a document
        in two; "paper" is the authors' rule (pieces of 100 to 250 characters between full stops,
        shorter documents left out).
    """
    return build(corpus, contrastive(window(rule, sentences)), settings, KINDS)
