"""How a number by seed is written: +1.00 [+0.50, +1.50] (5 seeds)."""

import numpy as np

from diptych.measure import paired


def spread(values: list[float], digits: int = 2) -> str:
    """Of values by seed, or of differences: their mean, its 95 % t interval, and how many seeds."""
    if len(values) < 2:
        return "not run" if not values else f"{values[0]:+.{digits}f} (one seed)"
    low, high = paired.repeated(np.array(values))
    return f"{np.mean(values):+.{digits}f} [{low:+.{digits}f}, {high:+.{digits}f}] ({len(values)} seeds)"
