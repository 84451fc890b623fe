"""Runs over seeds: how much they vary, and how they differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from diptych.measure import paired, unpaired
from diptych.report.card import Card
from diptych.report.groups import data
from diptych.report.metrics import value

ENOUGH = 3  # runs of a group, for an interval and a test


@dataclass(frozen=True)
class Spread:
    """The mean over n runs and their sample standard deviation, which one run does not have."""

    mean: float
    deviation: float | None
    each: Sequence[float]


@dataclass(frozen=True)
class Difference:
    """Of two groups in one metric: over `n` runs and `m` of the baseline, equal if they are paired.

    `each` are the differences by seed, None if the groups are not paired. `low` and `high` are the ends of the 95 %
    interval, of Student's t if they are and of Welch's if not; `resampled` is that of the bootstrap over pairs; `test`
    is a permutation test. There are none of these below ENOUGH runs.
    """

    mean: float
    n: int
    m: int
    each: Mapping[int, float] | None = None
    low: float | None = None
    high: float | None = None
    resampled: paired.Interval | None = None
    test: paired.Permutation | None = None

    @property
    def sure(self) -> bool:
        """Whether the interval leaves out zero."""
        return self.low is not None and self.high is not None and (self.low > 0 or self.high < 0)


def spread(cards: Sequence[Card], row: str, metric: str) -> Spread | None:
    """Of one row and metric over runs; None where no run has a number."""
    each = [x for card in cards if (x := value(card.scores, row, metric)) is not None]
    return Spread(fmean(each), stdev(each) if len(each) > 1 else None, each) if each else None


def difference(cards: Sequence[Card], baseline: Sequence[Card], metric: str) -> Difference | None:
    """The model row of `cards` less that of `baseline`: by seed, over the seeds that both have on equal data.

    Where they share fewer than ENOUGH, and not all, the difference of means, unpaired. None where a group has no
    number.
    """
    ours, theirs = _by_seed(cards, metric), _by_seed(baseline, metric)
    if not ours or not theirs:
        return None
    shared = ours.keys() & theirs.keys()
    if ours.keys() == theirs.keys() or len(shared) >= ENOUGH:
        return _paired({seed: fmean(ours[of, seed]) - fmean(theirs[of, seed]) for of, seed in sorted(shared)})
    return _unpaired(*([x for many in each.values() for x in many] for each in (ours, theirs)))


def _paired(each: Mapping[int, float]) -> Difference:
    import numpy as np

    values = np.array([*each.values()])
    if len(values) < ENOUGH:
        return Difference(float(values.mean()), len(values), len(values), each)
    interval, resampled = paired.repeated(values), paired.bootstrap(values)
    return Difference(
        float(values.mean()), len(values), len(values), each, *interval, resampled, paired.sign_flip(values)
    )


def _unpaired(ours: Sequence[float], theirs: Sequence[float]) -> Difference:
    import numpy as np

    x, y = np.array(ours), np.array(theirs)
    mean = float(x.mean() - y.mean())
    if min(len(x), len(y)) < ENOUGH:
        return Difference(mean, len(x), len(y))
    return Difference(mean, len(x), len(y), None, *unpaired.welch(x, y), None, unpaired.shuffled(x, y))


def _by_seed(cards: Sequence[Card], metric: str) -> dict[tuple[str, int], list[float]]:
    found: dict[tuple[str, int], list[float]] = {}
    for card in cards:
        if (x := value(card.scores, "model", metric)) is not None:
            found.setdefault((data(card), card.seed), []).append(x)
    return found
