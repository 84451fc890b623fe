"""A score: a number, how sure it is, and what it was on each item."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool


@dataclass(frozen=True)
class Score:
    """`error` is a standard error; `right` says of each test item whether it was right."""

    value: float
    error: float | None = None
    right: Bool[np.ndarray, " n"] | None = None


Z = 1.96  # standard errors in half of a 95 % interval


def accuracy(right: Bool[np.ndarray, " n"]) -> Score:
    """The part p of n that is right, with its binomial standard error by Wilson.

    It is the half width of the 95 % Wilson interval (1927) over 1.96. For many items that is the usual
    sqrt(p (1 - p) / n), but it does not say 0 where all or none are right: it is then about 1 / n.
    """
    p, n = float(np.mean(right)), len(right)
    return Score(p, float(np.sqrt(p * (1 - p) / n + (Z / n / 2) ** 2) / (1 + Z**2 / n)), right)


@dataclass(frozen=True)
class Paired:
    """One row less another on the same items: the difference, its 95 % interval, and McNemar's p."""

    difference: float
    low: float
    high: float
    p: float


def paired(a: Bool[np.ndarray, " n"], b: Bool[np.ndarray, " n"], seed: int = 0, draws: int = 10_000) -> Paired:
    """Accuracy of `a` less that of `b`, on the same items.

    The interval is the percentile bootstrap over items: a resample of pairs of right and wrong is a
    multinomial draw of how often only `a`, only `b`, or neither alone is right. The p-value is McNemar's
    exact one: among items on which they differ, a fair coin.
    """
    from scipy.stats import binomtest

    n, only_a, only_b = len(a), int(np.sum(a & ~b)), int(np.sum(b & ~a))
    counts = np.random.default_rng(seed).multinomial(n, np.array([only_a, only_b, n - only_a - only_b]) / n, draws)
    low, high = np.quantile((counts[:, 0] - counts[:, 1]) / n, [0.025, 0.975])
    p = binomtest(only_a, only_a + only_b).pvalue if only_a + only_b else 1.0
    return Paired((only_a - only_b) / n, float(low), float(high), float(p))
