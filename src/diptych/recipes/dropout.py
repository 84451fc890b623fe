"""The same window twice, told apart by dropout alone (SimCSE, arXiv:2104.08821)."""

from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

from diptych.core import Perturb, Recipe, recipe
from diptych.recipes.settings import Settings
from diptych.recipes.text import Rule, build, contrastive, window
from diptych.recipes.usual import KINDS

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
    made = build(corpus, contrastive(window(rule, sentences, same=True)), settings, OWN, STATIC_DROPOUT)
    return noisy(made, "dropout")


def noisy(made: Recipe, name: str) -> Recipe:
    """A recipe whose views are told apart by dropout, or by a perturbed layer. Raises ValueError without either."""
    if not made.model.encoder.noisy and not any(view.perturb and _tells(view.perturb) for view in made.views):
        raise ValueError(
            f"the two views of `{name}` are identical: this encoder has no dropout, so there is nothing "
            "to learn from; crop the text instead (`diptych train crop`), perturb a layer (--perturb-layer, by rows or "
            "all of them), or raise --dropout"
        )
    return made


def _tells(perturb: Perturb) -> bool:
    """Whether a perturbation makes two views of every batch differ."""
    drops = getattr(perturb.noise, "rate", 0) > 0
    return drops and (perturb.unit == "row" or perturb.fraction == 1)
