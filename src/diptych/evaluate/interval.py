"""95 % intervals of scores: over items that are right or wrong, over items with a number each, over repetitions."""

import numpy as np
from jaxtyping import Bool, Float

from diptych.evaluate.score import Z

Interval = tuple[float, float]
DRAWS = 2000


def wilson(right: Bool[np.ndarray, " n"]) -> Interval:
    """Of the part p of n that is right.

    Source: Wilson, JASA 22 (1927): (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n).
    """
    p, n = float(np.mean(right)), len(right)
    half = Z * np.sqrt(p * (1 - p) / n + (Z / n / 2) ** 2)
    low, high = ((p + Z**2 / n / 2 + side * half) / (1 + Z**2 / n) for side in (-1, 1))
    return float(max(low, 0)), float(min(high, 1))


def bootstrap(values: Float[np.ndarray, " n"], seed: int = 0, draws: int = DRAWS) -> Interval:
    """Of a mean over items, by the percentiles of means of resampled items."""
    rng, n = np.random.default_rng(seed), len(values)
    means = [values[rng.integers(n, size=n)].mean() for _ in range(draws)]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def repeated(values: Float[np.ndarray, " n"]) -> Interval:
    """Of a mean over n >= 2 repetitions: t of n - 1 degrees, times std / sqrt(n)."""
    from scipy.stats import t

    mean, n = float(np.mean(values)), len(values)
    half = float(t.ppf(0.975, n - 1) * np.std(values, ddof=1) / np.sqrt(n))
    return mean - half, mean + half
