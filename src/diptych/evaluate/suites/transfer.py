"""`transfer`: classes of sentences by logistic regression on frozen embeddings, as in SentEval.

Files of a folder, each with columns `text` and `label`: mr, cr, subj, mpqa (asked in ten folds), sst2, sst5, trec
(with `split`: train, test and, if there is one, dev); and mrpc with `sentence1`, `sentence2`, `label`, `split`.
Source: SentEval, arXiv:1803.05449; its folds. The probe is the project's own (standardised columns, L2 chosen on dev
or in five folds of the training rows), so scores may differ from SentEval's by some tenths.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Int
from scipy import sparse

from diptych.core import DataError
from diptych.evaluate.columns import stem, tables
from diptych.evaluate.interval import DRAWS
from diptych.evaluate.labelled import OfLabelled, OfParts, read
from diptych.evaluate.linear import linear
from diptych.evaluate.lines import of_accuracy
from diptych.evaluate.score import Score, accuracy
from diptych.evaluate.task import Look, Result, Task
from diptych.measure.rows import Rows

IN_FOLDS = ("mr", "cr", "subj", "mpqa")
IN_PARTS = ("sst2", "sst5", "trec")
PAIRS = ("mrpc",)
NAMES = (*IN_FOLDS, *IN_PARTS, *PAIRS)
FOLDS, FOLD_SEED = 10, 1111  # of SentEval
NESTED = 5  # folds of the training rows that the penalty is chosen in, where there is no dev


def tasks(folder: Path) -> list[Task]:
    """A task for each of the eight files that is there, and a note of those that are not.

    Raises DataError if none is there, or one cannot be used.
    """
    there = {stem(path): path for path in tables(folder)}
    if not (found := [name for name in NAMES if name in there]):
        raise DataError(f"{folder} has none of the tables of transfer, which are {', '.join(NAMES)} (.jsonl, .csv ...)")
    return [*(_task(name, there[name]) for name in found), Absent([name for name in NAMES if name not in there])]


def _task(name: str, path: Path) -> Task:
    """Raises DataError for a file that its protocol cannot be followed on."""
    data = read(path, ("sentence1", "sentence2") if name in PAIRS else ("text",))
    if name in IN_FOLDS:
        sizes = np.bincount(data.classes)
        if sizes.min() < FOLDS:
            rare = data.names[int(sizes.argmin())]
            raise DataError(f"{path}: {FOLDS} folds need {FOLDS} rows of each class; {rare!r} has {sizes.min()}")
        return InFolds(data)
    if not data.split:
        raise DataError(f"{path}: {name} has a given split, and this file has no column 'split' of train and test")
    if name in PAIRS and data.names != ["0", "1"]:
        raise DataError(f"{path}: labels are 1 (a paraphrase) and 0; got {', '.join(data.names[:10])}")
    return (Paraphrase if name in PAIRS else InParts)(data, data.parts())


@dataclass(frozen=True)
class Absent:
    """The sets that are not there: no line, and a note where there are any."""

    sets: Sequence[str]
    name: str = "absent"
    texts: Sequence[str] = ()

    @property
    def notes(self) -> Sequence[str]:
        return [f"these sets of transfer are missing: {', '.join(self.sets)}"] if self.sets else []

    def score(self, look: Look) -> list[Result]:
        return []


@dataclass(frozen=True)
class InFolds(OfLabelled):
    """Each row is asked once, by a probe of the other nine folds."""

    def score(self, look: Look) -> list[Result]:
        rows, right = look(self.texts), np.zeros(len(self.texts), bool)
        for train, test in folds(self.data.classes):
            right[test] = linear(rows, self.data.classes, train, test, rounds=NESTED).right
        return [of_accuracy(self.name, accuracy(right), f"rows, each asked in one of {FOLDS} folds")]


def folds(classes: Int[np.ndarray, " n"]) -> Iterator[tuple[Int[np.ndarray, " train"], Int[np.ndarray, " test"]]]:
    from sklearn.model_selection import StratifiedKFold

    yield from StratifiedKFold(FOLDS, shuffle=True, random_state=FOLD_SEED).split(np.zeros(len(classes)), classes)


@dataclass(frozen=True)
class InParts(OfParts):
    """Test rows are asked, by a probe of the training rows."""

    def score(self, look: Look) -> list[Result]:
        score = _asked(look(self.texts), self)
        return [of_accuracy(self.name, score, "test rows")]


@dataclass(frozen=True)
class Paraphrase(OfParts):
    """Is one sentence a paraphrase of the other? Columns are |u - v| and u * v of the two embeddings."""

    def score(self, look: Look) -> list[Result]:
        u, v = (look(side) for side in self.data.texts)
        score = _asked(compared(u, v), self)
        assert score.right is not None
        positive = self.data.classes[self.parts.test] == 1
        return [of_accuracy(self.name, score, "test pairs"), _f1(self.name, positive, score.right)]


def _asked(rows: Rows, task: InParts | Paraphrase) -> Score:
    parts = task.parts
    return linear(rows, task.data.classes, parts.train, parts.test, dev=parts.dev, rounds=NESTED)


def compared(u: Rows, v: Rows) -> Rows:
    """[|u - v|, u * v], twice as wide."""
    if sparse.issparse(u):
        return sparse.hstack([abs(u - v), u.multiply(v)]).tocsr()
    return np.hstack([np.abs(u - v), u * v])


def _f1(task: str, positive: Bool[np.ndarray, " n"], right: Bool[np.ndarray, " n"]) -> Result:
    """F1 of the class 1, with a bootstrap over pairs: a resample of them is a draw of their four counts."""
    n = len(right)
    counts = [(positive & right).sum(), (positive & ~right).sum(), (~positive & ~right).sum()]  # tp, fn, fp
    parts = np.array([*counts, n - sum(counts)]) / n
    draws = f1(*np.random.default_rng(0).multinomial(n, parts, DRAWS).T[:3])
    low, high = 100 * np.quantile(draws, [0.025, 0.975])
    value = 100 * float(f1(*counts))
    return Result(task, "f1", value, n, float(low), float(high), f"bootstrap over {n:,} test pairs", main=False)


def f1(tp: np.ndarray, fn: np.ndarray, fp: np.ndarray) -> np.ndarray:
    """2 tp / (2 tp + fn + fp); 0 where all three are 0."""
    return 2 * tp / np.maximum(1, 2 * tp + fn + fp)
