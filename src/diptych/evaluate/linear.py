"""A linear probe: softmax regression on frozen embeddings.

Columns are standardised with the mean and spread of the training rows (sparse rows are left as they
are, less the words of a single training row), then all rows are scaled by one number so that their mean
squared length is one: one grid of penalties then serves every width. The penalty is chosen on a validation
part of the training rows.
Source: arXiv:2508.03453 uses no penalty and a loose tolerance, where the score depends on the solver.
"""

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from scipy import sparse
from torch import Tensor

from diptych.evaluate.score import Score, accuracy
from diptych.measure.rows import Rows, squares

GRID = (1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
"""Penalties, of mean cross-entropy + penalty / 2 * |W|^2, strongest first."""

CHOOSE_ON = 5000  # training rows that the penalty is chosen on, at most, a fifth of them for validation
ITERATIONS = 20
TOLERANCE = 1e-5  # of the loss, from one iteration to the next


def linear(
    rows: Rows,
    classes: Int[np.ndarray, " n"],
    train: Int[np.ndarray, " train"],
    test: Int[np.ndarray, " test"],
    seed: int = 0,
    dev: Int[np.ndarray, " dev"] | None = None,
    rounds: int = 1,
) -> Score:
    """Accuracy on `test` of softmax regression fitted on `train`.

    The penalty is the best on `dev`, if given; else on `rounds` fifths of the training rows, each held out in turn.
    """
    known, y = np.unique(classes[train], return_inverse=True)
    x, asked, *held = scaled(rows[train], rows[test], *([] if dev is None else [rows[dev]]))
    if dev is None:
        penalty = choose(x, y, len(known), seed, rounds)
    else:
        penalty = _best(_rights(x, y, held[0], numbered(known, classes[dev]), len(known)))
    found = fit(x, y, len(known), penalty)
    return accuracy(known[_predicted(asked, *found)] == classes[test])


def numbered(known: Int[np.ndarray, " c"], classes: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """The places of classes among the known ones, which are sorted; -1 for one that is not there."""
    return np.where(np.isin(classes, known), np.searchsorted(known, classes), -1)


def scaled(train: Rows, *others: Rows) -> list[Rows]:
    """Rows as the probe sees them; what is done to all of them is decided by the training rows."""
    parts = [train, *others]
    if sparse.issparse(train):
        shared = _shared(train)
        parts = [sparse.csr_matrix(x[:, shared], dtype=np.float32) for x in parts]
    else:
        parts = [np.asarray(x, np.float64) for x in parts]
        mean, spread = parts[0].mean(0), parts[0].std(0)
        spread = np.where(spread > 1e-6 * np.abs(mean), spread, np.inf)  # a constant column says nothing
        parts = [((x - mean) / spread).astype(np.float32) for x in parts]
        _, axes = np.linalg.eigh(parts[0].T @ parts[0])
        parts = [x @ axes for x in parts]  # changes no penalised solution; L-BFGS needs far fewer steps
    size = np.float32(float(squares(parts[0]).mean()) ** 0.5 or 1.0)
    return [x * (1 / size) for x in parts]


def _shared(x: sparse.csr_matrix) -> Int[np.ndarray, " d"]:
    """The columns that at least two rows have."""
    return np.flatnonzero(np.bincount(x.indices, minlength=x.shape[1]) > 1)


def choose(x: Rows, y: Int[np.ndarray, " n"], classes: int, seed: int = 0, rounds: int = 1) -> float:
    """The penalty with the best accuracy on held-out training rows; of equal ones, the strongest."""
    order, rights = np.random.default_rng(seed).permutation(len(y))[:CHOOSE_ON], np.zeros(len(GRID))
    fifth = len(order) // 5
    if fifth == 0:
        return GRID[0]
    for turn in range(rounds):
        held, kept = np.split(np.roll(order, -turn * fifth), [fifth])
        mine, asked = x[kept], x[held]
        if sparse.issparse(x):
            shared = _shared(mine)
            mine, asked = mine[:, shared], asked[:, shared]
        rights += _rights(mine, y[kept], asked, y[held], classes)
    return _best(rights)


def _best(rights: Float[np.ndarray, " penalties"]) -> float:
    return GRID[int(np.argmax(rights))]


def _rights(
    x: Rows, y: Int[np.ndarray, " n"], held: Rows, truth: Int[np.ndarray, " m"], classes: int
) -> Float[np.ndarray, " penalties"]:
    """How many held-out rows are right by each penalty."""
    rights, start = [], None
    for penalty in GRID:
        start = fit(x, y, classes, penalty, start)
        rights.append(np.sum(_predicted(held, *start) == truth))
    return np.array(rights)


def fit(
    x: Rows,
    y: Int[np.ndarray, " n"],
    classes: int,
    penalty: float,
    start: tuple[Tensor, Tensor] | None = None,
) -> tuple[Float[Tensor, "d c"], Float[Tensor, " c"]]:
    """Weights and bias of least mean cross-entropy + penalty / 2 |W|^2, by L-BFGS.

    Column j of W is searched in units of (E[x_j^2] / c + penalty)^(-1/2), about one over the root of its
    curvature: frequent and rare words then need the same number of steps.
    """
    forward, backward = _products(x)
    units = (_second_moments(x) / classes + penalty).rsqrt()[:, None]
    weights, bias = start or (torch.zeros(x.shape[1], classes), torch.zeros(classes))
    scaled, bias = weights / units, bias.clone()
    target = torch.from_numpy(y)
    optimiser = torch.optim.LBFGS(
        [scaled, bias],
        max_iter=ITERATIONS,
        history_size=5,
        tolerance_change=TOLERANCE,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        weights = units * scaled
        log_p = F.log_softmax(forward(weights) + bias, 1)
        wrong = (log_p.exp() - F.one_hot(target, classes)) / len(target)
        scaled.grad, bias.grad = units * (backward(wrong) + penalty * weights), wrong.sum(0)
        return F.nll_loss(log_p, target) + penalty / 2 * weights.square().sum()

    with torch.no_grad():
        optimiser.step(loss)
    return units * scaled, bias


def _second_moments(x: Rows) -> Float[Tensor, " d"]:
    square = x.multiply(x) if sparse.issparse(x) else x * x
    return torch.from_numpy(np.asarray(square.mean(0), np.float32).ravel())


def _products(x: Rows) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """w -> x w and r -> x^T r."""
    if sparse.issparse(x):
        across = x.T.tocsr()
        return (lambda w: torch.from_numpy(x @ w.numpy())), (lambda r: torch.from_numpy(across @ r.numpy()))
    dense = torch.from_numpy(x)
    return (lambda w: dense @ w), (lambda r: dense.T @ r)


def _predicted(x: Rows, weights: Float[Tensor, "d c"], bias: Float[Tensor, " c"]) -> Int[np.ndarray, " n"]:
    return (_products(x)[0](weights) + bias).argmax(1).numpy()
