"""`knn`: do neighbours share a label? Every table of a folder (or one table), with `text`, `label` and perhaps `split`.

The bank is the training rows of a given split, else the nine tenths of the project's random split. Rows without a
label are left out. Euclidean (main) is the protocol of arXiv:2508.03453, embeddings as they are; cosine is by it.
"""

from dataclasses import dataclass
from pathlib import Path

from diptych.core import DataError
from diptych.evaluate.columns import tables
from diptych.evaluate.knn import K, knn
from diptych.evaluate.labelled import OfParts, read
from diptych.evaluate.lines import of_accuracy
from diptych.evaluate.task import Look, Result, Task
from diptych.plural import counted


def tasks(folder: Path) -> list[Task]:
    """A task for each table. Raises DataError if there is none, one cannot be used, or has fewer than k neighbours."""
    return [_task(path) for path in tables(folder)]


def _task(path: Path) -> Task:
    data = read(path, sparing=True)
    parts = data.parts()
    if len(parts.train) < K:
        raise DataError(f"{path}: {counted(len(parts.train), 'training row')} for k = {K} neighbours that vote")
    return Knn(data, parts)


@dataclass(frozen=True)
class Knn(OfParts):
    def score(self, look: Look) -> list[Result]:
        rows, classes, (train, test) = look(self.texts), self.data.classes, (self.parts.train, self.parts.test)
        over = f"{self.parts.of_test}, {K} neighbours of {len(train):,}"
        return [
            of_accuracy(self.name, knn(rows, classes, train, test, cosine=cosine), over, metric, main=not cosine)
            for metric, cosine in {"knn": False, "knn_cosine": True}.items()
        ]
