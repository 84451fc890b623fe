"""Where embeddings lie on the sphere: alignment of positives, uniformity of all.

Every measure looks at directions: rows are scaled to length one first.
Source: Wang & Isola, arXiv:2005.10242. Legend: n rows, d columns; rows are tensors, arrays or sparse.
"""

import torch
from jaxtyping import Float
from scipy import sparse
from torch import Tensor

from diptych.measure.rows import Rows, blocks, products, squares, unit


def cosines(x: Rows, y: Rows) -> Float[Tensor, " n"]:
    """The cosine of row i of `x` and row i of `y`."""
    _same_shape(x, y)
    x, y = unit(x), unit(y)
    if sparse.issparse(x):
        return torch.from_numpy(x.multiply(y).sum(axis=1)).flatten()
    return (x * y).sum(-1)


def distances(x: Rows, y: Rows) -> Float[Tensor, " n"]:
    """The Euclidean distance between the directions of row i of `x` and row i of `y`, in [0, 2]."""
    _same_shape(x, y)
    difference = unit(x) - unit(y)
    return squares(difference).sqrt()


def alignment(x: Rows, y: Rows, alpha: float = 2) -> Float[Tensor, ""]:
    """E ||x - y||^alpha over positive pairs (row i of both), in [0, 2^alpha]; at alpha 2 it is 2 - 2 E[cos].

    Lower is better. Raises ValueError if the shapes differ or there are no rows.
    """
    return (distances(x, y) ** alpha).mean()


def uniformity(x: Rows, t: float = 2) -> Float[Tensor, ""]:
    """log E exp(-t ||x_i - x_j||^2) over distinct pairs, in [-4t, 0].

    Lower is more uniform; a uniform sphere of many dimensions has -2t. Raises ValueError below two rows.
    """
    return potentials(x, t).mean().log()


def potentials(x: Rows, t: float = 2) -> Float[Tensor, " n"]:
    """For every row, the mean of exp(-t ||x_i - x_j||^2) over the other rows j.

    Exact, float64, in blocks: memory grows with n, not with n^2. Raises ValueError below two rows.
    """
    n = x.shape[0]
    if n < 2:
        raise ValueError(f"uniformity compares distinct rows, so it needs at least 2; got {n}")
    x = unit(x)
    square, parts = squares(x).double(), []
    for block in blocks(n, n):
        distance = square[block, None] + square - 2 * products(x[block], x).double()
        potential = torch.exp(-t * distance.clamp(min=0))
        itself = torch.arange(n, device=distance.device)[block]
        potential = potential.index_put((itself - block.start, itself), potential.new_zeros(()))
        parts.append(potential.sum(1) / (n - 1))
    return torch.cat(parts)


def mean_cosine(x: Rows) -> Float[Tensor, ""]:
    """The mean cosine of distinct rows: 0 for directions that cancel out, 1 for a collapse.

    Source: "anisotropy" in Ethayarajh, arXiv:1909.00512, over all pairs in place of a sample.
    """
    n = x.shape[0]
    if n < 2:
        raise ValueError(f"the mean cosine compares distinct rows, so it needs at least 2; got {n}")
    x = unit(x)
    total = torch.as_tensor(x.sum(0)).double().square().sum()
    return (total - squares(x).double().sum()) / (n * (n - 1))


def _same_shape(x: Rows, y: Rows) -> None:
    if tuple(x.shape) != tuple(y.shape):
        raise ValueError(f"pairs are row i of both, so the shapes agree; got {tuple(x.shape)}, {tuple(y.shape)}")
    if x.shape[0] == 0:
        raise ValueError("there are no pairs to compare: both sides have 0 rows")
