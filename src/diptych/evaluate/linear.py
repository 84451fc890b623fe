"""A linear probe: softmax regression on frozen embeddings.

Columns are standardised with the mean and spread of the training rows (sparse rows are left as they
are), then all rows are scaled by one number so that their mean squared length is one: one grid of
penalties then serves every width. The penalty is chosen on a validation part of the training rows.
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

CHOOSE_ON = 6000  # training rows that the penalty is chosen on, at most, a fifth of them for validation
ITERATIONS = 60


def linear(
    rows: Rows,
    classes: Int[np.ndarray, " n"],
    train: Int[np.ndarray, " train"],
    test: Int[np.ndarray, " test"],
    seed: int = 0,
) -> Score:
    """Accuracy on `test` of softmax regression fitted on `train`."""
    known, y = np.unique(classes[train], return_inverse=True)
    x, asked = _scaled(rows[train], rows[test])
    penalty = choose(x, y, len(known), seed)
    weights, bias = fit(x, y, len(known), penalty)
    return accuracy(known[_predicted(asked, weights, bias)] == classes[test])


def _scaled(train: Rows, test: Rows) -> tuple[Rows, Rows]:
    if sparse.issparse(train):
        train, test = (sparse.csr_matrix(x, dtype=np.float32) for x in (train, test))
    else:
        mean, spread = train.mean(0), train.std(0)
        spread = np.where(spread > 1e-6 * np.abs(mean), spread, np.inf)  # a constant column says nothing
        train, test = (np.asarray((x - mean) / spread, np.float32) for x in (train, test))
    size = np.float32(float(squares(train).mean()) ** 0.5 or 1.0)
    return train * (1 / size), test * (1 / size)


def choose(x: Rows, y: Int[np.ndarray, " n"], classes: int, seed: int = 0) -> float:
    """The penalty with the best accuracy on held-out training rows; of equal ones, the strongest."""
    order = np.random.default_rng(seed).permutation(len(y))[:CHOOSE_ON]
    cut = len(order) // 5
    if cut == 0:
        return GRID[0]
    held, kept = np.sort(order[:cut]), np.sort(order[cut:])
    best, best_penalty, start = -1.0, GRID[0], None
    for penalty in GRID:
        start = fit(x[kept], y[kept], classes, penalty, start)
        right = float(np.mean(_predicted(x[held], *start) == y[held]))
        if right > best:
            best, best_penalty = right, penalty
    return best_penalty


def fit(
    x: Rows,
    y: Int[np.ndarray, " n"],
    classes: int,
    penalty: float,
    start: tuple[Tensor, Tensor] | None = None,
) -> tuple[Float[Tensor, "d c"], Float[Tensor, " c"]]:
    """Weights and bias of least mean cross-entropy + penalty / 2 |W|^2, by L-BFGS."""
    if start is None:
        start = torch.zeros(x.shape[1], classes), torch.zeros(classes)
    weights, bias = (p.clone() for p in start)
    forward, backward = _products(x)
    target = torch.from_numpy(y)
    optimiser = torch.optim.LBFGS(
        [weights, bias],
        max_iter=ITERATIONS,
        history_size=10,
        tolerance_grad=1e-6,
        tolerance_change=1e-9,
        line_search_fn="strong_wolfe",
    )

    def loss() -> Tensor:
        log_p = F.log_softmax(forward(weights) + bias, 1)
        wrong = log_p.exp()
        wrong[torch.arange(len(target)), target] -= 1
        wrong /= len(target)
        weights.grad, bias.grad = backward(wrong) + penalty * weights, wrong.sum(0)
        return F.nll_loss(log_p, target) + penalty / 2 * weights.square().sum()

    with torch.no_grad():
        optimiser.step(loss)
    return weights, bias


def _products(x: Rows) -> tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]:
    """w -> x w and r -> x^T r."""
    if sparse.issparse(x):
        across = x.T.tocsr()
        return (lambda w: torch.from_numpy(x @ w.numpy())), (lambda r: torch.from_numpy(across @ r.numpy()))
    dense = torch.from_numpy(x)
    return (lambda w: dense @ w), (lambda r: dense.T @ r)


def _predicted(x: Rows, weights: Float[Tensor, "d c"], bias: Float[Tensor, " c"]) -> Int[np.ndarray, " n"]:
    return (_products(x)[0](weights) + bias).argmax(1).numpy()
