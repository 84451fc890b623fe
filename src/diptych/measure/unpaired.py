"""Is one thing better than another, where their numbers belong to no pairs?"""

import math
from itertools import combinations

import numpy as np
from jaxtyping import Float

from diptych.measure.paired import FLIPS, Interval, Permutation


def welch(ours: Float[np.ndarray, " n"], theirs: Float[np.ndarray, " m"]) -> Interval:
    """The 95 % interval of the difference of two means, n and m >= 2, whose variances may differ.

    Source: Welch, Biometrika 34 (1947).
    """
    from scipy.stats import t

    (a, n), (b, m) = ((float(np.var(x, ddof=1)) / len(x), len(x)) for x in (ours, theirs))
    difference, error = float(np.mean(ours) - np.mean(theirs)), math.sqrt(a + b)
    if error == 0:
        return difference, difference
    degrees = (a + b) ** 2 / (a**2 / (n - 1) + b**2 / (m - 1))
    half = float(t.ppf(0.975, degrees)) * error
    return difference - half, difference + half


def shuffled(
    ours: Float[np.ndarray, " n"], theirs: Float[np.ndarray, " m"], draws: int = FLIPS, seed: int = 0
) -> Permutation:
    """The two-sided permutation test: how often are means as far apart if all numbers are dealt anew to the two?

    All (n + m over n) deals if they are at most `draws`, else as many, drawn.
    Source: Pitman, Supplement to JRSS 4 (1937).
    """
    pooled, n = np.concatenate([ours, theirs]).astype(float), len(ours)
    deals = math.comb(len(pooled), n)
    exact = deals <= draws
    if exact:
        sums = pooled[np.array([*combinations(range(len(pooled)), n)])].sum(1)
    else:
        sums = np.random.default_rng(seed).permuted(np.tile(pooled, (draws, 1)), axis=1)[:, :n].sum(1)
    apart = abs(sums / n - (pooled.sum() - sums) / len(theirs))
    large = apart >= abs(np.mean(ours) - np.mean(theirs)) - 1e-12 * abs(pooled).mean()
    if exact:
        return Permutation(float(large.mean()), (2 if len(ours) == len(theirs) else 1) / deals, exact)
    return Permutation(float((1 + large.sum()) / (1 + draws)), 1 / (1 + draws), exact)
