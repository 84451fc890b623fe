"""A probe with one hidden layer: what frozen embeddings tell, but not linearly.

Softmax regression on 64 rectified units, by Adam, on rows as the linear probe sees them. The L2 penalty and the
epoch at which training stops are those of the best accuracy on held-out rows.
Source: SentEval probing, arXiv:1805.01070 (there: sigmoid units, their number and dropout tuned).
"""

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Int
from scipy import sparse
from torch import Tensor, nn

from diptych.evaluate.linear import numbered, scaled
from diptych.evaluate.score import Score, accuracy
from diptych.measure.rows import Rows, blocks

HIDDEN, BATCH, RATE = 64, 64, 1e-3
GRID = (1e-2, 1e-3, 1e-4, 1e-5)
STEPS, PATIENCE = 5000, 500  # at most, and without a better accuracy


def mlp(
    rows: Rows,
    classes: Int[np.ndarray, " n"],
    train: Int[np.ndarray, " train"],
    test: Int[np.ndarray, " test"],
    seed: int = 0,
    dev: Int[np.ndarray, " dev"] | None = None,
) -> Score:
    """Accuracy on `test` of a network fitted on `train` and chosen on `dev`; without it, on a fifth of `train`."""
    if dev is None:
        dev, train = np.split(np.random.default_rng(seed).permutation(train), [max(1, len(train) // 5)])
    known, y = np.unique(classes[train], return_inverse=True)
    parts = scaled(rows[train], rows[dev], rows[test])
    # columns of spread about one, which is what the rate is for
    x, held, asked = (part * np.float32(np.sqrt(_filled(parts[0]))) for part in parts)
    truth, best, found = numbered(known, classes[dev]), -1.0, np.zeros(len(test), np.int64)
    for penalty in GRID:
        right, guess = _fitted(x, y, held, truth, asked, penalty, seed)
        if right > best:
            best, found = right, guess
    return accuracy(known[found] == classes[test])


def _filled(x: Rows) -> float:
    """Numbers other than zero of a row, on average."""
    return float(max(1, x.nnz / x.shape[0])) if sparse.issparse(x) else float(x.shape[1])


def _fitted(
    x: Rows,
    y: Int[np.ndarray, " n"],
    held: Rows,
    truth: Int[np.ndarray, " m"],
    asked: Rows,
    penalty: float,
    seed: int,
) -> tuple[float, Int[np.ndarray, " q"]]:
    """The best accuracy on `held` of any epoch, and what was predicted of `asked` then."""
    order = np.random.default_rng(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(nn.Linear(x.shape[1], HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, int(y.max()) + 1))
    adam = torch.optim.Adam(network.parameters(), RATE, weight_decay=penalty)
    best, found, step, better, target = -1.0, np.empty(0, np.int64), 0, 0, torch.from_numpy(y)
    while step < STEPS and step < better + PATIENCE:
        for batch in np.array_split(order.permutation(len(y)), max(1, len(y) // BATCH)):
            adam.zero_grad()
            F.cross_entropy(network(_dense(x[batch])), target[batch]).backward()
            adam.step()
            step += 1
        if (right := float(np.mean(_predicted(network, held) == truth))) > best:
            best, found, better = right, _predicted(network, asked), step
    return best, found


def _dense(x: Rows) -> Tensor:
    return torch.from_numpy(x.toarray() if sparse.issparse(x) else x)


@torch.no_grad()
def _predicted(network: nn.Module, x: Rows) -> Int[np.ndarray, " n"]:
    return np.concatenate([network(_dense(x[part])).argmax(1).numpy() for part in blocks(x.shape[0], x.shape[1])])
