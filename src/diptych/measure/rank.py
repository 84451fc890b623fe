"""How many directions do embeddings fill? Ranks of a matrix of rows, by definitions that must not be mixed.

    entropy         S = -sum lambda_i log lambda_i,  lambda_i = sigma_i^2 / sum sigma_j^2   natural logarithm
    effective rank  exp(S)                                                     Roy & Vetterli, EUSIPCO 2007
    energy rank     the fewest sigma_i, largest first, with sum sigma_i^p >= t * sum of all sigma_i^p

The first is the von Neumann entropy of the rows' second moments, as in arXiv:2304.01434 and arXiv:2405.11297.
A rank depends on the number of rows, on centring and on their scaling: compare only what was made alike.

Legend: n rows, d columns, r = min(n, d).
"""

import torch
from jaxtyping import Float
from torch import Tensor

from diptych.measure import rows
from diptych.measure.rows import Rows

NONE = 1e-12  # a part of the sum of sigma^2 that is rounding


def spectrum(x: Rows, centred: bool = False, unit: bool = True) -> Float[Tensor, " r"]:
    """Singular values of the rows, largest first, float64; of rows scaled to length one with `unit`.

    `centred` takes the mean row away, after the scaling. Raises ValueError below two rows and for numbers that
    are not finite.
    """
    return _squares(x, centred, unit).sqrt()


def spectra(x: Rows, unit: bool = True) -> tuple[Float[Tensor, " r"], Float[Tensor, " r"]]:
    """Singular values of the rows as they are and centred, as `spectrum` has them, from one Gram matrix.

    Raises as `spectrum`.
    """
    x = _checked(x, unit)
    n, whole, gram = len(x), x.square().sum(), _gram(x)
    if n < x.shape[1]:  # the rows' products; of centred rows H K H
        mean = gram.mean(0)
        centred = gram - mean - mean[:, None] + mean.mean()
    else:
        mean = x.mean(0)
        centred = gram - n * mean[:, None] * mean
    return _positive(gram, whole).sqrt(), _positive(centred, whole).sqrt()


def entropy(x: Rows, centred: bool = False, unit: bool = True) -> Float[Tensor, ""]:
    """The von Neumann entropy S, in [0, log bound(n, d, centred)]; rows that are all the same have 0.

    Differentiable in `x`, also where rows repeat: parts below 1e-12 give 0, and no gradient. Raises as `spectrum`.
    """
    return _entropy(_squares(x, centred, unit))


def effective_rank(x: Rows, centred: bool = False, unit: bool = True) -> Float[Tensor, ""]:
    """exp(S), in [1, bound(n, d, centred)]: how many equally strong directions would have that entropy."""
    return entropy(x, centred, unit).exp()


def energy_rank(x: Rows, threshold: float = 0.9, power: int = 2, centred: bool = False, unit: bool = True) -> int:
    """The fewest directions that hold `threshold` of the sum of sigma^power; 0 if all rows are zero.

    Raises ValueError for a threshold outside (0, 1], a power other than 1 or 2, and as `spectrum`.
    """
    return energy_of(spectrum(x, centred, unit), threshold, power)


def effective_of(sigma: Float[Tensor, " r"]) -> Float[Tensor, ""]:
    """The effective rank that singular values have."""
    return _entropy(sigma.square()).exp()


def energy_of(sigma: Float[Tensor, " r"], threshold: float = 0.9, power: int = 2) -> int:
    """The energy rank that singular values, largest first, have."""
    if not 0 < threshold <= 1:
        raise ValueError(f"threshold is a part of the energy, in (0, 1]; got {threshold}")
    if power not in (1, 2):
        raise ValueError(f"energy is the sum of sigma^1 or sigma^2; got power={power}")
    held = (sigma**power).cumsum(0)
    enough = threshold * held[-1] * (1 - NONE)  # equal parts reach a round threshold whatever their rounding
    return int((held < enough).sum()) + 1 if held[-1] > 0 else 0


def bound(n: int, d: int, centred: bool = False) -> int:
    """The most that a rank of n rows in d columns can be."""
    return min(n - 1 if centred else n, d)


def _squares(x: Rows, centred: bool, unit: bool) -> Float[Tensor, " r"]:
    """sigma^2, largest first, as eigenvalues of the smaller Gram matrix: only these need a gradient, v v^T."""
    x = _checked(x, unit)
    whole = x.detach().square().sum()
    return _positive(_gram(x - x.mean(0) if centred else x), whole)


def _gram(x: Float[Tensor, "n d"]) -> Float[Tensor, "r r"]:
    return x @ x.T if x.shape[0] < x.shape[1] else x.T @ x


def _positive(gram: Float[Tensor, "r r"], whole: Float[Tensor, ""]) -> Float[Tensor, " r"]:
    """Eigenvalues, largest first; 0 in place of what is rounding beside `whole`."""
    squares = torch.linalg.eigvalsh(gram).flip(0)
    return torch.where(squares > NONE * whole, squares, 0)


def _checked(x: Rows, unit: bool) -> Float[Tensor, "n d"]:
    """Rows in float64. Raises ValueError below two, and for numbers that are not finite."""
    x = torch.as_tensor(x)
    if x.ndim != 2 or len(x) < 2:
        raise ValueError(f"a rank is one of 2 rows or more, (n d); got the shape {tuple(x.shape)}")
    if not x.isfinite().all():
        raise ValueError(
            f"a rank needs finite numbers; {int((~x.isfinite()).sum())} of {x.numel()} are NaN or infinite"
        )
    return rows.unit(x.double()) if unit else x.double()


def _entropy(squares: Float[Tensor, " r"]) -> Float[Tensor, ""]:
    total = squares.sum()
    if total == 0:
        return total
    part = squares / total
    return torch.special.entr(torch.where(part > NONE, part, 1)).sum()  # entr(x) = -x log x, and entr(1) = 0
