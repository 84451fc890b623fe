"""`clustering`: do clusters found without labels agree with them? Every table of a folder, columns `text`, `label`.

`v_measure` (main) is that of mteb's AbsTaskClustering on all documents: the mean over ten resamples.
`v_measure_once` is that of its older AbsTaskClusteringLegacy: one k-means of all documents. Rows without a label
are left out.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diptych.evaluate.clustering import RESAMPLE, v_measure_once, v_measures
from diptych.evaluate.columns import tables
from diptych.evaluate.interval import repeated
from diptych.evaluate.labelled import OfLabelled, read
from diptych.evaluate.task import Look, Result, Task


def tasks(folder: Path) -> list[Task]:
    """A task for each table. Raises DataError if there is none, or one cannot be used."""
    return [Clustering(read(path, sparing=True)) for path in tables(folder)]


@dataclass(frozen=True)
class Clustering(OfLabelled):
    def score(self, look: Look) -> list[Result]:
        rows, classes = look(self.texts), self.data.classes
        n, values = len(classes), 100 * v_measures(rows, classes)
        how = f"t over {len(values)} k-means, each of {RESAMPLE:,} draws of {n:,} documents"
        return [
            Result(self.name, "v_measure", float(np.mean(values)), n, *repeated(values), how),
            Result(self.name, "v_measure_once", 100 * v_measure_once(rows, classes), n, how="one k-means", main=False),
        ]
