"""`pairs`: do paraphrases have higher cosines than other pairs? Average precision x 100.

Every table of a folder that has the columns `sentence1`, `sentence2` and `label`: 1 for a paraphrase, 0 for none.
With a column `split` that knows of "test", those pairs count. As "cosine_ap" in MTEB, arXiv:2210.07316.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Int

from diptych.core import DataError
from diptych.evaluate.columns import columns, tables
from diptych.evaluate.pairs import SIDES, Pairs, read, without_cosine
from diptych.evaluate.task import Look, Result, Task
from diptych.measure.precision import average_precision, resampled_precision
from diptych.plural import counted

COLUMNS = (*SIDES, "label")


def tasks(folder: Path) -> list[Task]:
    """A task for each table of pairs. Raises DataError if there is none, or one cannot be used."""
    there = tables(folder)
    found = [path for path in there if len(columns(path, [], COLUMNS)[0]) == len(COLUMNS)]
    if not found:
        raise DataError(f"no table in {folder} has the columns {', '.join(COLUMNS)}")
    return [_task(path) for path in found]


def _task(path: Path) -> "Paraphrases":
    pairs = read(path, "label", 0, 1)
    if bad := sorted({*pairs.gold.tolist()} - {0.0, 1.0}):
        raise DataError(f"{path}: labels are 1 (a paraphrase) and 0; got {bad[0]:g}")
    test = pairs.of("test")
    rows = np.arange(len(pairs.gold)) if test is None else test
    ones = int(pairs.gold[rows].sum())
    if not 0 < ones < len(rows):
        raise DataError(
            f"{path}: {ones:,} of {counted(len(rows), 'pair')} with the label 1; some of each label are needed"
        )
    return Paraphrases(pairs, rows)


@dataclass(frozen=True)
class Paraphrases:
    """Pairs, and the places of those that are asked."""

    pairs: Pairs
    rows: Int[np.ndarray, " m"]

    @property
    def name(self) -> str:
        return self.pairs.name

    @property
    def notes(self) -> Sequence[str]:
        return self.pairs.notes

    @property
    def texts(self) -> Sequence[str]:
        return [texts[i] for texts in (self.pairs.first, self.pairs.second) for i in self.rows]

    def score(self, look: Look) -> list[Result]:
        cosine, none = self.pairs.cosines(look, self.rows)
        right, n = self.pairs.gold[self.rows] == 1, len(self.rows)
        value = 100 * average_precision(cosine, right)
        low, high = 100 * np.quantile(resampled_precision(cosine, right), [0.025, 0.975])
        note = without_cosine(none)
        return [
            Result(
                self.name,
                "average_precision",
                value,
                n,
                float(low),
                float(high),
                f"bootstrap over {n:,} pairs",
                note=note,
            )
        ]
