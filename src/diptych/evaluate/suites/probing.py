"""`probing`: what can be read off frozen embeddings, by a linear probe and by one with a hidden layer.

Every table of a folder (or one table), with columns `text`, `label` and `split`: train, test and, if there is one,
dev, on which penalties are chosen. Without `split`, a random tenth is the test. `majority` is the part of the test
rows that are of the class that most training rows have: what a probe reaches that reads nothing.
Source: Conneau et al., arXiv:1805.01070.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diptych.evaluate.columns import tables
from diptych.evaluate.labelled import OfParts, read
from diptych.evaluate.linear import linear
from diptych.evaluate.lines import of_accuracy
from diptych.evaluate.mlp import mlp
from diptych.evaluate.score import accuracy
from diptych.evaluate.task import Look, Result, Task

SEED = 1111  # of SentEval


def tasks(folder: Path) -> list[Task]:
    """A task for each table. Raises DataError if there is none, or one cannot be used."""
    return [Probing(data, data.parts()) for data in map(read, tables(folder))]


@dataclass(frozen=True)
class Probing(OfParts):
    def score(self, look: Look) -> list[Result]:
        rows, classes = look(self.texts), self.data.classes
        train, test, dev = self.parts.train, self.parts.test, self.parts.dev
        scores = {probe.__name__: probe(rows, classes, train, test, SEED, dev) for probe in (linear, mlp)}
        scores["majority"] = accuracy(classes[test] == np.bincount(classes[train]).argmax())
        return [
            of_accuracy(self.name, x, self.parts.of_test, metric, metric == "linear") for metric, x in scores.items()
        ]
