"""The two published protocols for embeddings of graphs. They are not comparable with one another.

    graphcl    an RBF support vector machine in ten stratified folds; its C is chosen in five folds within those that
               it learns from. Accuracy, mean over folds: every graph is asked once.
    pygcl      a linear one on a random 80 % of graphs; C is chosen on another 10 %, with which it learns again; the
               last 10 % are asked. Accuracy (micro F1) and macro F1.

Neither scales its columns unless that is asked: an RBF kernel of sums over nodes is then ruled by the size of graphs.
Nothing is chosen by a score of graphs that are asked, and folds are those of a seed, the same for every encoder.
Source: the code of GraphCL (arXiv:2010.13902; as that of InfoGraph, but there folds have no seed, and the best epoch
may be chosen on them) and of PyGCL (arXiv:2109.01116).
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from diptych.core import DataError
from diptych.measure.rows import Rows, products, squares

Protocol = Literal["graphcl", "pygcl"]
GRID = tuple(10.0**k for k in range(-3, 4))  # of C
FOLDS, INNER = 10, 5


@dataclass(frozen=True)
class Judged:
    """`right` says of each graph that was asked whether it was right; `asked` are their places.

    `folds` are accuracies, one for each fold (of `pygcl` one in all). `c` is what was chosen in each of them.
    """

    right: Bool[np.ndarray, " m"]
    asked: Int[np.ndarray, " m"]
    folds: Float[np.ndarray, " k"]
    c: list[float]
    macro_f1: float

    @property
    def accuracy(self) -> float:
        return float(self.folds.mean())


def judge(
    protocol: Protocol, rows: Rows, classes: Int[np.ndarray, " n"], seed: int = 0, scaled: bool = False
) -> Judged:
    """A protocol on embeddings of graphs with classes. Raises DataError for classes that cannot be parted."""
    if len(np.unique(classes)) < 2:
        raise DataError("all graphs are of one class; two are needed to tell them apart")
    return (graphcl if protocol == "graphcl" else pygcl)(rows, classes, seed, scaled)


def graphcl(rows: Rows, classes: Int[np.ndarray, " n"], seed: int = 0, scaled: bool = False) -> Judged:
    """As above; of a class with fewer than ten graphs there are fewer folds. Raises DataError for one of one graph."""
    from sklearn.metrics import f1_score
    from sklearn.model_selection import StratifiedKFold

    folds = min(FOLDS, fewest(classes))
    if folds < 2:
        raise DataError("a class has a single graph, which cannot be both learned from and asked")
    guesses, accuracies, chosen = np.empty_like(classes), [], []
    for train, test in StratifiedKFold(folds, shuffle=True, random_state=seed).split(classes, classes):
        c = _best(rows, classes, train, scaled)
        guesses[test] = next(_guesses(rows, classes, train, test, [c], scaled))
        accuracies.append(np.mean(guesses[test] == classes[test]))
        chosen.append(c)
    f1 = float(f1_score(classes, guesses, average="macro"))
    return Judged(guesses == classes, np.arange(len(classes)), np.array(accuracies), chosen, f1)


def _best(rows: Rows, classes: Int[np.ndarray, " n"], known: Int[np.ndarray, " m"], scaled: bool) -> float:
    """The C that is right most often in folds within the graphs that are known; the smallest of equals."""
    from sklearn.model_selection import StratifiedKFold

    inner = StratifiedKFold(max(2, min(INNER, fewest(classes[known]))))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The least populated class")  # of one graph, which is in one fold
        parts = [*inner.split(known, classes[known])]
    right = []
    for train, test in parts:
        guesses = _guesses(rows, classes, known[train], known[test], GRID, scaled)
        right.append([np.mean(guess == classes[known[test]]) for guess in guesses])
    return GRID[int(np.argmax(np.mean(right, axis=0)))]


def _guesses(
    rows: Rows,
    classes: Int[np.ndarray, " n"],
    train: Int[np.ndarray, " m"],
    test: Int[np.ndarray, " k"],
    grid: Sequence[float],
    scaled: bool,
) -> Iterator[Int[np.ndarray, " k"]]:
    """What a machine with each C guesses; the kernel, which is most of the work, is the same for all.

    Where all that it learns from is of one class, that class.
    """
    from sklearn.svm import SVC

    if len(there := np.unique(classes[train])) == 1:
        yield from (np.full(len(test), there[0]) for _ in grid)
        return
    known, asked = _kernels(rows, train, test, scaled)
    for c in grid:
        yield SVC(C=c, kernel="precomputed").fit(known, classes[train]).predict(asked)


def _kernels(
    rows: Rows, train: Int[np.ndarray, " m"], test: Int[np.ndarray, " k"], scaled: bool
) -> tuple[Float[np.ndarray, "m m"], Float[np.ndarray, "k m"]]:
    """exp(-g |x - y|²) of training rows, and of others with these.

    g is 1 / (d v), where v is the variance of all numbers of the training rows: scikit-learn's "scale".
    """
    x = rows if sparse.issparse(rows) else np.asarray(rows)
    x = x.astype(np.float64)
    if scaled:
        from sklearn.preprocessing import StandardScaler

        x = StandardScaler(with_mean=False).fit(x[train]).transform(x)
    known, m, d = x[train], len(train), x.shape[1]
    lengths = squares(known)
    variance = float(lengths.sum()) / (m * d) - (float(known.sum()) / (m * d)) ** 2
    g = 1 / (d * variance) if variance > 0 else 1.0

    def kernel(y: Rows) -> Float[np.ndarray, "k m"]:
        apart = squares(y)[:, None] + lengths - 2 * products(y, known)
        return apart.clamp_(min=0).mul_(-g).exp_().numpy()

    return kernel(known), kernel(x[test])


def pygcl(rows: Rows, classes: Int[np.ndarray, " n"], seed: int = 0, scaled: bool = False) -> Judged:
    """As above. Raises DataError for fewer than ten graphs, or training graphs of one class."""
    from sklearn.metrics import f1_score
    from sklearn.model_selection import GridSearchCV, PredefinedSplit

    n = len(classes)
    if n < FOLDS:
        raise DataError(f"of {n} graphs a tenth is none; ten are needed to ask one")
    train, validation, test = parts(n, seed)
    if len(np.unique(classes[train])) < 2:
        raise DataError("all graphs of a random 80 % are of one class; two are needed to tell them apart")
    known = np.concatenate([train, validation])
    held = np.where(np.arange(len(known)) < len(train), -1, 0)
    name = "machine__C" if scaled else "C"
    grid = GridSearchCV(_linear(scaled), {name: GRID}, cv=PredefinedSplit(held))
    with _converging():
        grid.fit(rows[known], classes[known])
    guesses = grid.predict(rows[test])
    right = guesses == classes[test]
    f1 = float(f1_score(classes[test], guesses, average="macro"))
    return Judged(right, test, np.array([right.mean()]), [float(grid.best_params_[name])], f1)


def parts(n: int, seed: int) -> list[Int[np.ndarray, " m"]]:
    """The places of the random 80, 10 and 10 % of n graphs that `pygcl` learns from, chooses by, and asks."""
    return np.split(np.random.default_rng(seed).permutation(n), [round(0.8 * n), round(0.9 * n)])


def fewest(classes: Int[np.ndarray, " n"]) -> int:
    """Graphs of the rarest class."""
    return int(np.unique(classes, return_counts=True)[1].min())


def _linear(scaled: bool) -> Any:
    from sklearn.pipeline import Pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import LinearSVC

    machine = LinearSVC(dual=False)
    return Pipeline([("scale", StandardScaler(with_mean=False)), ("machine", machine)]) if scaled else machine


@contextmanager
def _converging() -> Iterator[None]:
    """A linear machine on sums of hundreds may not converge at the largest C; its score says what it is worth."""
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield
