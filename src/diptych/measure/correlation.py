"""Do two lists of numbers order things alike?"""

import math

import numpy as np
from jaxtyping import Float

Z = 1.96  # standard errors in half of a 95 % interval


def spearman(x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"]) -> float:
    """Spearman's rank correlation in [-1, 1]; equal numbers share the mean of their ranks.

    0 if one side is constant: it orders nothing. Raises ValueError for lists of different lengths, or below 2 items.
    """
    from scipy.stats import spearmanr

    if len(x) != len(y) or len(x) < 2:
        raise ValueError(f"a correlation is of two lists of the same length, 2 or more; got {len(x)} and {len(y)}")
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return 0.0
    return float(spearmanr(x, y).statistic)


def fieller(rho: float, n: int) -> tuple[float, float] | None:
    """The 95 % interval of Spearman's correlation over n items; None below 4 items, and for a perfect order.

    Source: Fieller, Hartley & Pearson, Biometrika 44 (1957): atanh(rho) has a variance of 1.06 / (n - 3).
    """
    if n < 4 or abs(rho) >= 1:
        return None
    half = Z * math.sqrt(1.06 / (n - 3))
    return math.tanh(math.atanh(rho) - half), math.tanh(math.atanh(rho) + half)
