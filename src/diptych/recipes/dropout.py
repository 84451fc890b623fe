"""The same window twice, told apart by dropout alone (SimCSE, arXiv:2104.08821)."""

from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

from diptych.core import Recipe, View, recipe
from diptych.recipes.settings import KINDS, Settings
from diptych.recipes.text import Rule, build, window

if TYPE_CHECKING:
    from diptych.data.documents import Documents

STATIC_DROPOUT = 0.1
OWN = {**KINDS, "pretrained": replace(KINDS["pretrained"], lr=5e-5)}  # the best rate of the paper's dropout arm


@recipe
def dropout(
    corpus: "str | Documents",
    *,
    sentences: int = 2,
    rule: Rule = "sentences",
    **settings: Unpack[Settings],
) -> Recipe:
    """One crop of a document, encoded twice, is a positive pair: dropout alone tells the views apart.

    For comparison with `crop`: the same windows, filter and steps. A static encoder drops numbers of
    its token vectors (rate 0.1) in this recipe only; the paper has no such arm.
    Source: SimCSE, arXiv:2104.08821; with windows as in arXiv:2508.03453.

    Parameters
    ----------
    corpus
        A folder of .txt or .md files, one text file, .jsonl, .csv, .tsv, .parquet (each also .gz), a
        folder, pattern or URL of these, a Hugging Face dataset folder, or a hub id.
    sentences
        Sentences per crop.
    rule
        How documents are cut, as in `crop`.
    """
    cut = window(rule, sentences, same=True)
    made = build(corpus, cut, [View(transform=cut)] * 2, settings, OWN, STATIC_DROPOUT)
    if not made.model.encoder.noisy:
        raise ValueError(
            "the two views of `dropout` are identical: this encoder has no dropout, so there is nothing "
            "to learn from; crop the text instead (`diptych train crop`), or set a dropout in its config.json"
        )
    return made
