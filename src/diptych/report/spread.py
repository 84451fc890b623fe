"""Runs over seeds: which belong together, how much they vary, and how they differ."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev
from typing import Any

from diptych.report.card import Card
from diptych.report.digits import plain
from diptych.report.metrics import value

NOT_SETTINGS = {"seed", "seeds", "out"}


@dataclass(frozen=True)
class Spread:
    """The mean over n runs and their sample standard deviation, which one run does not have."""

    mean: float
    deviation: float | None
    each: Sequence[float]


@dataclass(frozen=True)
class Difference:
    """Paired differences, seed by seed; mean and 95 % t interval from three pairs on."""

    each: Mapping[int, float]
    mean: float | None = None
    low: float | None = None
    high: float | None = None


def grouped(cards: Sequence[Card]) -> dict[str, list[Card]]:
    """Cards by what differs in their calls, seeds aside, in the order they come.

    Calls that are all equal make one group, named by the recipe.
    """
    calls = [{"recipe": card.method, **_settings(card)} for card in cards]
    names = list(dict.fromkeys(name for call in calls for name in call))
    differing = [name for name in names if len({repr(call.get(name)) for call in calls}) > 1]
    groups: dict[str, list[Card]] = {}
    for card, call in zip(cards, calls, strict=True):
        told = [_told(name, call[name]) for name in differing if call.get(name) is not None]
        groups.setdefault(" · ".join(told) or card.method or card.name, []).append(card)
    return groups


def _settings(card: Card) -> dict[str, Any]:
    return {name: x for name, x in card.arguments.items() if name not in NOT_SETTINGS}


def _told(name: str, x: Any) -> str:
    if name in ("recipe", "encoder", "corpus", "init"):
        return str(x).rstrip("/").rpartition("/")[2]
    return f"{name} {plain(x)}"


def spread(cards: Sequence[Card], row: str, metric: str) -> Spread | None:
    """Of one row and metric over runs; None where no run has a number."""
    each = [x for card in cards if (x := value(card.scores, row, metric)) is not None]
    return Spread(fmean(each), stdev(each) if len(each) > 1 else None, each) if each else None


def difference(cards: Sequence[Card], baseline: Sequence[Card], metric: str) -> Difference | None:
    """The model row of `cards` less that of `baseline`, between runs of equal seed on equal data.

    None where there is no such pair.
    """
    ours, theirs = _by_seed(cards, metric), _by_seed(baseline, metric)
    pairs = {key: fmean(ours[key]) - fmean(theirs[key]) for key in sorted(ours.keys() & theirs.keys())}
    if not pairs:
        return None
    each, values = {seed: x for (_, seed), x in pairs.items()}, list(pairs.values())
    if len(values) < 3:
        return Difference(each)
    from scipy.stats import t

    mean = fmean(values)
    margin = float(t.ppf(0.975, len(values) - 1)) * stdev(values) / len(values) ** 0.5
    return Difference(each, mean, mean - margin, mean + margin)


def _by_seed(cards: Sequence[Card], metric: str) -> dict[tuple[str, int], list[float]]:
    found: dict[tuple[str, int], list[float]] = {}
    for card in cards:
        if (x := value(card.scores, "model", metric)) is not None:
            found.setdefault((card.fingerprint, card.seed), []).append(x)
    return found
