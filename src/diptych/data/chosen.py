"""Items by number, where some of them were chosen: `rows` says which, in their order; None is all of them.

Shapes: n items, of which m are chosen.
"""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Int

from diptych.plural import counted


def places(indices: Iterable[int], n: int, noun: str) -> Int[np.ndarray, " m"]:
    """Which of n items these are, in this order, counted from 0. Raises IndexError if one is not there."""
    these = np.asarray(indices, np.int64) if isinstance(indices, np.ndarray) else np.fromiter(indices, np.int64)
    if len(these) and not -n <= these.min() <= these.max() < n:
        raise IndexError(f"there are {counted(n, noun)}; got {these.min()} to {these.max()}")
    return these % max(1, n)


def row(rows: Int[np.ndarray, " n"] | None, n: int, i: int, noun: str) -> int:
    """Where item i of n is among all. Raises IndexError if there is no such item."""
    if not -n <= i < n:
        raise IndexError(f"there are {counted(n, noun)}; got {i}")
    return i % n if rows is None else int(rows[i])
