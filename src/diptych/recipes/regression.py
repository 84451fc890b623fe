"""Pairs of texts, and how alike people find them (Sentence-BERT, arXiv:1908.10084)."""

from pathlib import Path
from typing import TYPE_CHECKING, Literal, Unpack

from diptych.core import Recipe, View, recipe
from diptych.recipes.also import also
from diptych.recipes.rows import EVERY, Judged, of_rows
from diptych.recipes.settings import Settings
from diptych.recipes.start import encoder_of
from diptych.recipes.usual import KINDS, Defaults, batch_of, check_name, optimiser_of, options, steps_of

if TYPE_CHECKING:
    from diptych.core import Objective

Error = Literal["cosine", "cross-entropy", "squared"]
CLASSES = 5
OWN = {**KINDS, "pretrained": Defaults(lr=2e-5, batch=16, epochs=4, least=1, optimiser={"warmup": 0.4, "clip": 1.0})}


@recipe
def regression(
    corpus: str,
    *,
    columns: str | None = None,
    objective: Error = "cosine",
    least: float = 0.0,
    most: float = 5.0,
    split: str | None = None,
    evaluate: str | None = None,
    every: int = EVERY,
    **settings: Unpack[Settings],
) -> Recipe:
    """Pairs of sentences with a score, such as STS-B: with labels, where all other recipes do without.

    "cosine" is the squared error of cosines to scores, which become 0 to 1. For a pretrained encoder the defaults are
    those of Sentence-BERT: rate 2e-5, batch 16, 4 epochs, a tenth of them warm-up. "cross-entropy" and "squared" put a
    linear layer over |u - v| and u * v, and softmax over five classes that a score is shared between; with "squared"
    that is the supervised task of Deep Augmentation, arXiv:2303.14537 (rate 1e-4, batch 64). The layer is thrown
    away, and cosines are then not what was trained. Layers are 0 to L, the embedding is L + 1.
    Source: Sentence-BERT, arXiv:1908.10084.

    Parameters
    ----------
    corpus
        A table: .jsonl, .csv, .tsv or .parquet (each also .gz), a folder, pattern or URL of these, or a hub id.
    columns
        Columns of the two texts and the score, as sentence1,sentence2,score (found by their usual names, if not given).
    objective
        What the error is of.
    least
        The lowest score there can be.
    most
        The highest score there can be.
    split
        Learn from the rows whose column "split" says this ("train", where there are such rows).
    evaluate
        A folder of STS sets (sts12 ... sts16, stsb, sickr, sts17, biosses), to be judged on along the way and at the
        end.
    every
        Steps between judging along the way.
    """
    from diptych.core import Model
    from diptych.data import scored
    from diptych.tokens.damped import undamped

    given = options(settings)
    of_rows(given)
    if "temperature" in given:
        raise ValueError("--temperature is for contrastive learning; a regression has none")
    judged = Judged.of(evaluate, every)
    check_name(Path(corpus))
    rows = scored.read(corpus, [name.strip() for name in columns.split(",")] if columns else [], least, most, split)
    kind, encoder = encoder_of(rows.documents, given, OWN, dropout=0.0)
    notes = list(rows.notes)
    batch = batch_of(given, kind, len(rows), "rows to learn from", notes)
    steps = steps_of(given, kind, len(rows), batch)
    made = Recipe(
        model=Model(encoder),
        views=[View(column="first"), View(column="second"), View("target", "score", by="data")],
        objective=_objective(objective, encoder.dim, given.get("seed", 0)),
        data=rows.tokens(undamped(encoder.tokenizer)),
        optimiser=optimiser_of(given, kind, steps),
        batch=batch,
        steps=steps,
        seed=given.get("seed", 0),
        tasks=judged.tasks,
        instruments=judged.instruments,
        notes=[*notes, *judged.notes],
    )
    return also(made, given)


def _objective(error: Error, width: int, seed: int) -> "Objective":
    from diptych.encoders import heads
    from diptych.objectives.cross_entropy import CrossEntropy
    from diptych.objectives.regression import CosineRegression

    if error == "cosine":
        return CosineRegression()
    with heads.seeded(seed):
        return CrossEntropy(CLASSES, width, error="squared" if error == "squared" else "log")
