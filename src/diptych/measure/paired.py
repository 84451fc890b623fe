"""Is one thing better than another? Judged by differences d_1 ... d_n, each of a pair that shares its seed or item."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

Interval = tuple[float, float]
DRAWS = 2000  # resamples of a bootstrap
FLIPS = 9_999  # sign flips that are drawn where there are too many to try them all
EXACT = 16  # pairs up to which all of them are tried


@dataclass(frozen=True)
class Permutation:
    """A two-sided test: `p`, the smallest p that so many numbers could give, and whether all cases were tried."""

    p: float
    least: float
    exact: bool


def sign_flip(differences: Float[np.ndarray, " n"], draws: int = FLIPS, seed: int = 0) -> Permutation:
    """The two-sided permutation test of paired differences: how often is |mean| as large if each sign is a coin's?

    All 2^n flips up to EXACT pairs, so that p is at least 2 / 2^n: 1/16 for five pairs. Beyond that `draws` of them,
    and p = (1 + as large) / (1 + draws). Raises ValueError without a difference.
    Source: Fisher, The Design of Experiments (1935), section 21; of drawn flips Phipson & Smyth, arXiv:1603.05766.
    """
    d = np.asarray(differences, float)
    if not len(d):
        raise ValueError("a test of paired differences needs at least one; got none")
    exact = len(d) <= EXACT
    if exact:
        signs = 1 - 2 * (np.arange(2 ** len(d))[:, None] >> np.arange(len(d)) & 1)
    else:
        signs = np.random.default_rng(seed).choice(np.array([-1, 1]), (draws, len(d)))
    large = abs(signs @ d) >= abs(d.sum()) - 1e-12 * abs(d).sum()  # sums of the same numbers, in whatever order
    if exact:
        return Permutation(float(large.mean()), min(1.0, 2 / len(signs)), exact)
    return Permutation(float((1 + large.sum()) / (1 + draws)), 1 / (1 + draws), exact)


def bootstrap(values: Float[np.ndarray, " n"], seed: int = 0, draws: int = DRAWS) -> Interval:
    """The 95 % interval of a mean over items, by the percentiles of means of resampled items.

    Of few items it is too narrow: of five, a third narrower than that of t.
    Source: Efron & Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    """
    rng, n = np.random.default_rng(seed), len(values)
    means = [values[rng.integers(n, size=n)].mean() for _ in range(draws)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def repeated(values: Float[np.ndarray, " n"]) -> Interval:
    """The 95 % interval of a mean over n >= 2 repetitions: t of n - 1 degrees, times std / sqrt(n).

    Source: Student, Biometrika 6 (1908).
    """
    from scipy.stats import t

    mean, n = float(np.mean(values)), len(values)
    half = float(t.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n))
    return mean - half, mean + half
