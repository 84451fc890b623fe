"""`linear`: softmax regression on frozen embeddings. Every table of a folder, as for `knn`.

The penalty is chosen on the given dev rows, else on a fifth of the training rows.
"""

from dataclasses import dataclass
from pathlib import Path

from diptych.evaluate.columns import tables
from diptych.evaluate.labelled import OfParts, read
from diptych.evaluate.linear import linear
from diptych.evaluate.lines import of_accuracy
from diptych.evaluate.task import Look, Result, Task


def tasks(folder: Path) -> list[Task]:
    """A task for each table. Raises DataError if there is none, or one cannot be used."""
    return [Linear(data, data.parts()) for data in (read(path, sparing=True) for path in tables(folder))]


@dataclass(frozen=True)
class Linear(OfParts):
    def score(self, look: Look) -> list[Result]:
        parts = self.parts
        score = linear(look(self.texts), self.data.classes, parts.train, parts.test, dev=parts.dev)
        return [of_accuracy(self.name, score, parts.of_test, "linear")]
