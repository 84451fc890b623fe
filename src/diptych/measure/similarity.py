"""Are two representations of the same samples alike? CKA, with a linear or a Gaussian kernel.

CKA is the cosine of two centred Gram matrices, HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)): 1 for representations that
are alike up to rotation and scale. How a matrix is centred decides between two estimates. The biased one,
H K H with H = I - 11^T/n, tends to 1 where features outnumber samples, whatever they are. The debiased one sets the
diagonal aside (U-centring); it is 0 on average for independent representations, and may fall below.

Sources: CKA, arXiv:1905.00414; HSIC_1, Song et al., JMLR 13 (2012); minibatches, arXiv:2010.15327; the bandwidth,
arXiv:2303.14537. Legend: n samples, d and e columns, a and b layers. All in float64.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from diptych.plural import counted

Kernel = Literal["linear", "rbf"]
Dense = Any  # [n, d]: a tensor or an array
FEWEST = 4  # samples of which HSIC can be estimated without bias
ROUNDING = 16  # units in the last place of the numbers given: samples that differ by less are the same
NONE = 1e-24  # of a squared length: what is left below it after centring is none


def cka(x: Dense, y: Dense, kernel: Kernel = "linear", debiased: bool = True) -> float:
    """CKA of two representations whose rows i are of the same sample, (n d) and (n e).

    In [0, 1] if biased, in [-1, 1] if debiased. Raises ValueError for other shapes, fewer than 4 rows (2 if biased),
    rows that are no numbers, and a representation that does not vary.
    """
    return float(table([x], [y], kernel, debiased)[0, 0])


def table(
    xs: Sequence[Dense], ys: Sequence[Dense] | None = None, kernel: Kernel = "linear", debiased: bool = True
) -> Float[np.ndarray, "a b"]:
    """CKA of every one of `xs` with every one of `ys`, or with each other. Raises ValueError as `cka` does.

    Keeps an n x n matrix for each.
    """
    rows = _directions(xs, kernel, debiased)
    columns = rows if ys is None else _directions(ys, kernel, debiased)
    if rows.shape[1] != columns.shape[1]:
        raise ValueError(f"row i of both is of one sample; got {len(xs[0])} and {len((ys or xs)[0])}")
    return (rows @ columns.T).numpy()


def mean_off_diagonal(x: Float[np.ndarray, "a a"]) -> float | None:
    """The mean of a square table less its diagonal: how alike the layers of a network are. None for a single one."""
    a = len(x)
    return float((x.sum() - np.trace(x)) / (a * (a - 1))) if a > 1 else None


def minibatch_cka(batches: Iterable[tuple[Dense, Dense]], kernel: Kernel = "linear") -> float:
    """CKA of pairs of batches (n d), (n e): HSIC_1 is averaged for (K, L), (K, K) and (L, L), then divided.

    The average over batches of one size is free of bias for any size from 4. A bandwidth is that of its batch.
    Raises ValueError as `cka` does, and if there is no batch.
    """
    sums = torch.zeros(3, dtype=torch.float64)
    for x, y in batches:
        k, l = (centred(gram(z, kernel)) for z in (x, y))  # noqa: E741
        if k.shape != l.shape:
            raise ValueError(f"row i of both is of one sample; got {len(k)} and {len(l)}")
        sums += torch.stack([(k * l).sum(), (k * k).sum(), (l * l).sum()]) / (len(k) * (len(k) - 3))
    if not sums.any():
        raise ValueError("CKA is of one batch or more; got none")
    return float(sums[0] / (sums[1] * sums[2]).sqrt())


def hsic(x: Dense, y: Dense, kernel: Kernel = "linear", debiased: bool = True) -> float:
    """HSIC_1, the estimate without bias; or sum(HKH * HLH) / (n - 1)^2, the biased one."""
    k, l = (centred(gram(z, kernel), debiased) for z in (x, y))  # noqa: E741
    n = len(k)
    return float((k * l).sum() / (n * (n - 3) if debiased else (n - 1) ** 2))


def gram(x: Dense, kernel: Kernel = "linear") -> Float[Tensor, "n n"]:
    """x_i . x_j after the columns are centred; or exp(-d_ij^2 / (2 s^2)), s^2 the median of d^2 that are not 0.

    Raises ValueError if `x` is no table of numbers, or all its rows are the same.
    """
    x = torch.as_tensor(x)
    rounding = ROUNDING * torch.finfo(x.dtype if x.is_floating_point() else torch.float64).eps
    x = x.double()
    if x.ndim != 2:
        raise ValueError(f"CKA is of tables (n d); got shape {tuple(x.shape)}")
    if bad := int((~torch.isfinite(x)).any(1).sum()):
        raise ValueError(f"CKA is of numbers; NaN or infinity in {bad} of {counted(len(x), 'row')}")
    moved = x - x.mean(0)
    if moved.square().sum() <= rounding**2 * x.square().sum():
        raise ValueError(f"CKA is of samples that differ; all rows ({len(x):,}) are the same")
    if kernel == "linear":
        return moved @ moved.T
    square = torch.cdist(moved, moved, compute_mode="donot_use_mm_for_euclid_dist").square()
    return torch.exp(-square / (2 * float(np.median(square[square > 0].numpy()))))


def centred(k: Float[Tensor, "n n"], debiased: bool = True) -> Float[Tensor, "n n"]:
    """U-centring, of which the products are n (n - 3) HSIC_1; or H K H.

    Raises ValueError for too few samples, and if nothing is left of `k`: its HSIC with itself is then 0.
    """
    n, least = len(k), FEWEST if debiased else 2
    if n < least:
        raise ValueError(f"{'debiased' if debiased else 'biased'} CKA needs {least} samples or more; got {n}")
    left = _without_diagonal(k) if debiased else k - k.mean(0) - k.mean(1, keepdim=True) + k.mean()
    if not left.square().sum() > NONE * k.square().sum():
        raise ValueError(f"CKA divides by the HSIC of a side with itself, and that of these {n} samples is 0")
    return left


def _without_diagonal(k: Float[Tensor, "n n"]) -> Float[Tensor, "n n"]:
    k, n = k.clone().fill_diagonal_(0), len(k)
    mean = k.sum(0) / (n - 2)
    mean -= mean.sum() / (2 * (n - 1))
    return (k - mean - mean[:, None]).fill_diagonal_(0)


def _directions(xs: Sequence[Dense], kernel: Kernel, debiased: bool) -> Float[Tensor, "a nn"]:
    """Centred Gram matrices, each as a vector of length one."""
    rows = torch.empty(len(xs), len(xs[0]) ** 2, dtype=torch.float64)
    for row, x in zip(rows, xs, strict=True):
        if len(x) != len(xs[0]):
            raise ValueError(f"row i of all is of one sample; got {len(xs[0])} and {len(x)}")
        k = centred(gram(x, kernel), debiased)
        torch.div(k.flatten(), k.norm(), out=row)
    return rows
