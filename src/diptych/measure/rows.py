"""Rows of numbers, dense or sparse, as the measures see them.

Legend: n rows, m other rows, d columns.
"""

from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import sparse
from torch import Tensor

Rows = Any  # [n, d]: a tensor, an array, or a sparse matrix of scipy


def unit(x: Rows) -> Rows:
    """Every row scaled to length one. A row of zeros stays what it is."""
    if sparse.issparse(x):
        return sparse.diags_array(1 / np.sqrt(_positive(squares(x).numpy()))).tocsr() @ x
    x = torch.as_tensor(x)
    norm = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return x / torch.where(norm > 0, norm, 1)


def _positive(squares: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    return np.where(squares > 0, squares, 1)


def squares(x: Rows) -> Float[Tensor, " n"]:
    """The squared length of every row."""
    if sparse.issparse(x):
        return torch.from_numpy(np.asarray(x.multiply(x).sum(axis=1)).ravel())
    return torch.as_tensor(x).square().sum(-1)


def products(x: Rows, y: Rows) -> Float[Tensor, "n m"]:
    """The dot product of every row of `x` with every row of `y`."""
    if sparse.issparse(x):
        return torch.from_numpy((x @ y.T).toarray())
    return torch.as_tensor(x) @ torch.as_tensor(y).T


def spaced(n: int, most: int, device: torch.device | None = None) -> Int[Tensor, " m"]:
    """The numbers of all of n rows, or of `most` of them, evenly spaced."""
    many = min(n, most)
    return torch.arange(many, device=device) * n // max(1, many)


def blocks(rows: int, width: int, numbers: int = 1 << 24) -> list[slice]:
    """Cuts `rows` rows of `width` numbers each into parts of at most `numbers` numbers (or one row)."""
    size = max(1, numbers // max(1, width))
    return [slice(i, min(i + size, rows)) for i in range(0, rows, size)]
