"""Exact nearest neighbours, in blocks, and what they vote for.

Order is by distance; equal distances, by the lower index. Nothing here is approximate: products in
float32 choose candidates, float64 decides, and a row whose candidates are not proven to be enough is
searched in full.

Legend: q queries, n rows of the bank, k neighbours, d columns, c classes.
"""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from scipy import sparse
from torch import Tensor

from diptych.measure.rows import Rows, blocks, products, squares, unit
from diptych.plural import counted

SPARE = 22  # candidates beyond k


def neighbours(
    queries: Rows, bank: Rows, k: int, cosine: bool = False
) -> tuple[Int[np.ndarray, "q k"], Float[np.ndarray, "q k"]]:
    """The k nearest rows of `bank` for each query, and their Euclidean distances, nearest first.

    With `cosine`, rows are scaled to length one first (a row of zeros stays one of zeros); order is then
    that of the cosine, which is 1 - distance^2 / 2. Raises ValueError if k is not in 1..n or widths differ.
    """
    if not 1 <= k <= bank.shape[0]:
        raise ValueError(f"k is one of 1..{bank.shape[0]}, the rows to choose from; got {k}")
    if queries.shape[1] != bank.shape[1]:
        raise ValueError(f"queries have {counted(queries.shape[1], 'column')} and the bank has {bank.shape[1]}")
    if cosine:
        queries, bank = unit(queries), unit(bank)
    search = _sparse if sparse.issparse(bank) else _dense
    return search(queries, bank, k)


def _sparse(queries: Rows, bank: Rows, k: int) -> tuple[Int[np.ndarray, "q k"], Float[np.ndarray, "q k"]]:
    """Squared distances are compared as float32, so that rounding does not order what is equal."""
    queries, bank = queries.astype(np.float64), bank.astype(np.float64)
    own, theirs = squares(queries), squares(bank)
    found, far = [], []
    for block in blocks(queries.shape[0], bank.shape[0]):
        square = own[block, None] + theirs - 2 * products(queries[block], bank)
        distance = square.clamp(min=0).float().numpy()
        index = lowest(distance, k)
        found.append(index)
        far.append(np.sqrt(np.take_along_axis(distance, index, 1), dtype=np.float64))
    return _stacked(found, k), _stacked(far, k)


def lowest(x: Float[np.ndarray, "q n"], k: int) -> Int[np.ndarray, "q k"]:
    """The places of the k smallest numbers of each row, smallest first, equal ones by the lower place."""
    bound = np.partition(x, k - 1, axis=1)[:, k - 1]
    rows = (np.flatnonzero(row <= b) for row, b in zip(x, bound, strict=True))
    return np.stack([places[np.argsort(row[places], kind="stable")[:k]] for row, places in zip(x, rows, strict=True)])


def _dense(queries: Rows, bank: Rows, k: int) -> tuple[Int[np.ndarray, "q k"], Float[np.ndarray, "q k"]]:
    queries, bank = torch.as_tensor(queries), torch.as_tensor(bank)
    centre = bank.double().mean(0)  # changes no distance, and the products lose fewer digits
    quick = (queries - centre).float(), (bank - centre).float()
    found, far = [], []
    for block in blocks(len(queries), max(len(bank), (k + SPARE) * bank.shape[1])):  # also of the candidates' columns
        index, distance = _block(queries[block], bank, quick[0][block], quick[1], k)
        found.append(index.numpy())
        far.append(distance.numpy())
    return _stacked(found, k), _stacked(far, k)


def _block(
    queries: Float[Tensor, "q d"],
    bank: Float[Tensor, "n d"],
    q: Float[Tensor, "q d"],
    b: Float[Tensor, "n d"],
    k: int,
) -> tuple[Int[Tensor, "q k"], Float[Tensor, "q k"]]:
    """Candidates are the rows whose squared distance has the lowest lower bound.

    A product of d terms is wrong by at most d u |q| |b| with u = 2^-24, so |q|^2 + |b|^2 - 2 q.b by at most
    (d + 8) u (|q|^2 + |b|^2), with room for the other operations.
    """
    slack = (q.shape[1] + 16) * 2.0**-24
    below = (1 - slack) * (squares(q)[:, None] + squares(b)) - 2 * (q @ b.T)
    many = min(k + SPARE, len(b))
    bound, candidates = below.topk(many, largest=False)
    candidates = candidates.sort(1).values
    distance = _exact(queries[:, None], bank[candidates])[:, 0]
    distance, order = (x[:, :k] for x in distance.sort(dim=1, stable=True))
    index = candidates.gather(1, order)
    if many < len(b):
        for row in (distance[:, -1].square() >= bound[:, -1]).nonzero().flatten().tolist():
            all_of_them = _exact(queries[row : row + 1], bank)[0].sort(stable=True)
            distance[row], index[row] = all_of_them.values[:k], all_of_them.indices[:k]
    return index, distance


def _exact(x: Float[Tensor, "... q d"], y: Float[Tensor, "... n d"]) -> Float[Tensor, "... q n"]:
    """Distances by differences: equal rows of `y` get equal bits."""
    return torch.cdist(x.double(), y.double(), compute_mode="donot_use_mm_for_euclid_dist")


def _stacked(parts: list[np.ndarray], k: int) -> np.ndarray:
    return np.concatenate(parts) if parts else np.empty((0, k))


def vote(labels: Int[np.ndarray, "q k"]) -> Int[np.ndarray, " q"]:
    """The most frequent class number of each row; of equally frequent ones, the smallest.

    The same rule as scikit-learn's `KNeighborsClassifier` with uniform weights.
    """
    counts = np.zeros((len(labels), int(labels.max(initial=0)) + 1), np.int32)
    np.add.at(counts, (np.arange(len(labels))[:, None], labels), 1)
    return counts.argmax(1)


def ranks(x: Rows, y: Rows) -> Int[np.ndarray, " n"]:
    """For each row i of `x`, how many rows of `y` come before row i of `y`, by cosine: 0 is found at once.

    Cosines that agree to ten decimals are equal, and the lower index comes first.
    """
    if x.shape[0] != y.shape[0]:
        raise ValueError(f"row i of one side belongs to row i of the other; got {x.shape[0]} and {y.shape[0]}")
    x, y = unit(x), unit(y)
    parts = []
    for block in blocks(x.shape[0], y.shape[0]):
        cosine = products(x[block], y).double().round(decimals=10)
        right = torch.arange(y.shape[0])[block, None]
        own = cosine.gather(1, right)
        before = (cosine > own) | ((cosine == own) & (torch.arange(y.shape[0]) < right))
        parts.append(before.sum(1).numpy())
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def found_at_once(x: Rows, y: Rows) -> Bool[np.ndarray, " n"]:
    """Whether the row of `y` nearest to row i of `x` is row i: retrieval of the matching row."""
    return ranks(x, y) == 0


def reciprocal_rank(x: Rows, y: Rows) -> float:
    """The mean of 1 / (1 + rank of the matching row)."""
    return float((1 / (1 + ranks(x, y))).mean())
