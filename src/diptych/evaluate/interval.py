"""95 % intervals of scores: over items that are right or wrong, over items with a number each, over repetitions."""

import numpy as np
from jaxtyping import Bool

from diptych.evaluate.score import Z
from diptych.measure.paired import DRAWS as DRAWS
from diptych.measure.paired import Interval as Interval
from diptych.measure.paired import bootstrap as bootstrap
from diptych.measure.paired import repeated as repeated


def wilson(right: Bool[np.ndarray, " n"]) -> Interval:
    """Of the part p of n that is right.

    Source: Wilson, JASA 22 (1927): (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n).
    """
    p, n = float(np.mean(right)), len(right)
    half = Z * np.sqrt(p * (1 - p) / n + (Z / n / 2) ** 2)
    low, high = ((p + Z**2 / n / 2 + side * half) / (1 + Z**2 / n) for side in (-1, 1))
    return float(max(low, 0)), float(min(high, 1))
