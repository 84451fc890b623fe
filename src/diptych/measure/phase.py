"""Where does a trace of ranks turn?

Fine-tuning is said to have two phases: the rank of embeddings rises to a peak, then it falls (arXiv:2405.11297, which
gives neither smoothing nor tolerance). Here a trace is smoothed by the median of looks that follow each other, the
boundary is the step of the highest median, and a change counts that is more than a part `tolerance` of the rank.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Literal

Direction = Literal["rising", "falling", "flat"]
Trace = Sequence[tuple[int, float]]  # of (step, rank), in the order of steps

WINDOW = 3  # looks whose median is taken
TOLERANCE = 0.02  # a part of the rank that is no change
PATIENCE = 3  # looks in a row that tell a fall from a wobble


@dataclass(frozen=True)
class Phase:
    """`step` is where the smoothed rank is highest, `rank` what it is there, `now` where it went in the last looks.

    A peak is `interior` if both ends of the trace lie below it, by more than the tolerance: else there is no boundary.
    """

    step: int
    rank: float
    interior: bool
    now: Direction


def phase(trace: Trace, window: int = WINDOW, tolerance: float = TOLERANCE) -> Phase:
    """What a trace says so far. Raises ValueError for an empty trace, a window below 1 or a tolerance below 0."""
    if not trace:
        raise ValueError("a phase is that of a trace of one look or more; got none")
    if window < 1 or tolerance < 0:
        raise ValueError(f"a window is 1 look or more, a tolerance 0 or more; got {window} and {tolerance}")
    ranks = smoothed([rank for _, rank in trace], window)
    peak = max(range(len(ranks)), key=ranks.__getitem__)
    floor = ranks[peak] * (1 - tolerance)
    interior = ranks[0] < floor and ranks[-1] < floor
    return Phase(trace[peak][0], ranks[peak], interior, _direction(ranks, tolerance))


def smoothed(ranks: Sequence[float], window: int = WINDOW) -> list[float]:
    """For each look the median of the `window` looks around it, of those there are."""
    before, behind = (window - 1) // 2, window // 2
    return [median(ranks[max(0, i - before) : i + behind + 1]) for i in range(len(ranks))]


def _direction(ranks: Sequence[float], tolerance: float) -> Direction:
    last, earlier = ranks[-1], ranks[max(0, len(ranks) - 1 - PATIENCE)]
    if abs(last - earlier) <= tolerance * abs(earlier):
        return "flat"
    return "rising" if last > earlier else "falling"


class Peak:
    """Finds the boundary while a run is under way: a switch that is thrown once, and knows no future.

    `passed` becomes true at the look where the last `patience` looks in a row lay below the highest rank so far by
    more than `tolerance`; from then on `step` and `rank`, of the highest, stay. It depends on the looks alone, so
    that `Peak.of` a trace that was written down is where the run had been.
    """

    def __init__(self, patience: int = PATIENCE, tolerance: float = TOLERANCE):
        if patience < 1 or tolerance < 0:
            raise ValueError(f"patience is 1 look or more, a tolerance 0 or more; got {patience} and {tolerance}")
        self.patience, self.tolerance = patience, tolerance
        self.step, self.rank, self.below = 0, float("-inf"), 0

    @staticmethod
    def of(trace: Iterable[tuple[int, float]], patience: int = PATIENCE, tolerance: float = TOLERANCE) -> "Peak":
        peak = Peak(patience, tolerance)
        for step, rank in trace:
            peak.see(step, rank)
        return peak

    @property
    def passed(self) -> bool:
        return self.below >= self.patience

    def see(self, step: int, rank: float) -> bool:
        """Takes a look; returns whether the peak is passed."""
        if self.passed:
            return True
        if rank > self.rank:
            self.step, self.rank = step, rank
        self.below = self.below + 1 if rank < self.rank * (1 - self.tolerance) else 0
        return self.passed
