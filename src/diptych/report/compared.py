"""Runs side by side, as numbers: groups, their scores, how they differ from one of them, and what they cost."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from diptych.plural import counted
from diptych.report import digits
from diptych.report.card import Card, Comparison, Table
from diptych.report.groups import Grouping, grouping, matching
from diptych.report.metrics import metric, places, present
from diptych.report.spread import ENOUGH, Difference, Spread, difference, spread
from diptych.report.verdict import listed

COSTS = ("seconds", "tokens", "tokens_per_second", "samples", "samples_per_second", "parameters", "trained")
Spreads = Mapping[str, Mapping[str, Spread | None]]  # [group][metric]


@dataclass(frozen=True)
class Compared:
    """All that a table, a page and `--json` tell of runs side by side."""

    name: str
    grouping: Grouping
    baseline: str
    metrics: Sequence[str]
    scores: Spreads
    references: Spreads  # rows that the runs were judged beside, over all runs
    differences: Mapping[str, Mapping[str, Difference | None]]  # [group but the baseline][metric]
    costs: Mapping[str, Mapping[str, float | None]]  # [group][one of COSTS], means over runs
    notes: Sequence[str]

    @property
    def means(self) -> Table:
        return {group: {m: s.mean if s else None for m, s in row.items()} for group, row in self.scores.items()}

    @property
    def deviations(self) -> Table:
        return {group: {m: s.deviation if s else None for m, s in row.items()} for group, row in self.scores.items()}

    def places(self, name: str) -> int:
        """Decimals that are told of a metric."""
        return places(name, self.deviations)

    @property
    def groups(self) -> Mapping[str, Sequence[Card]]:
        return self.grouping.groups


def compared(given: Comparison) -> Compared:
    """Puts runs side by side. Raises ValueError if there are none, or no such baseline."""
    if not given.cards:
        raise ValueError("a comparison needs at least one run")
    found = grouping(given.cards)
    groups = found.groups
    baseline = matching(groups, given.baseline) if given.baseline is not None else next(iter(groups))
    names = present([card.scores for card in given.cards])
    beside = dict.fromkeys(row for card in given.cards for row, told in card.scores.items() if row != "model" and told)
    differences = {
        group: {name: difference(cards, groups[baseline], name) for name in names}
        for group, cards in groups.items()
        if group != baseline
    }
    return Compared(
        given.name,
        found,
        baseline,
        names,
        {group: {name: spread(cards, "model", name) for name in names} for group, cards in groups.items()},
        {row: {name: spread(given.cards, row, name) for name in names} for row in beside},
        differences,
        {group: {name: _mean(cards, name) for name in COSTS} for group, cards in groups.items()},
        [*given.notes, *_of_seeds(groups, baseline, differences)],
    )


def unlike(cards: Sequence[Card]) -> list[list[Card]]:
    """Runs by what they are about, where it is not the same for all; else none.

    Runs on the same documents may learn from different tokens. Where the fingerprint of the documents themselves is
    not known of all, runs of one corpus, by its place, count as alike.
    """
    places = {card.arguments.get("corpus") for card in cards}
    known = all(card.documents for card in cards)
    if not known and len(places) == 1 and None not in places:
        return []
    found: dict[str, list[Card]] = {}
    for card in cards:
        found.setdefault(card.documents if known else card.fingerprint, []).append(card)
    return [*found.values()] if len(found) > 1 else []


def told(found: Compared) -> dict[str, Any]:
    """All of it as what JSON can hold."""
    return {
        "baseline": found.baseline,
        "same": dict(found.grouping.same),
        "groups": {group: _group(found, group) for group in found.groups},
        "beside": {row: _spreads(each) for row, each in found.references.items()},
        "notes": list(found.notes),
    }


def sentence(found: Compared) -> str:
    """The groups by the first metric for which more is better, and whether the best is clear of the baseline."""
    name = next((m for m in found.metrics if metric(m).higher), None)
    means = {group: each.mean for group, row in found.scores.items() if name and (each := row[name])}
    if name is None or not means:
        none = any(metric(m).higher is None for m in found.metrics)
        return "No score of quality: see below." if none else "No scores: these runs were not judged."
    many = found.places(name)
    ranked = sorted(means, key=lambda group: -means[group])
    shown = [f"{group} ({digits.score(means[group], places=many)})" for group in ranked]
    said = f"{metric(name).name}: {listed(shown)}."
    best = next((group for group in ranked if group != found.baseline), None)
    first = found.differences[best][name] if best else None
    if first is None or first.low is None or first.high is None:
        return said
    interval = f"95 % interval {digits.score(first.low, True, many)} to {digits.score(first.high, True, many)}"
    gap = f"{digits.score(abs(first.mean), places=many)} {'above' if first.mean > 0 else 'below'}"
    unsure = "" if first.sure else ", within error"
    return f"{said} {best} is {gap} {found.baseline}{unsure} ({interval})."


def _group(found: Compared, group: str) -> dict[str, Any]:
    cards, differences = found.groups[group], found.differences.get(group, {})
    return {
        "runs": [card.name for card in cards],
        "seeds": [card.seed for card in cards],
        "facts": {fact: row[group] for fact, row in found.grouping.differing.items()},
        "scores": _spreads(found.scores[group]),
        "differences": {name: _difference(each) if each else None for name, each in differences.items()},
        "cost": dict(found.costs[group]),
    }


def _spreads(row: Mapping[str, Spread | None]) -> dict[str, Any]:
    return {name: asdict(each) if each else None for name, each in row.items()}


def _difference(each: Difference) -> dict[str, Any]:
    return {**asdict(each), "paired": each.each is not None}


def _mean(cards: Sequence[Card], name: str) -> float | None:
    """Of a cost over runs; rates are those of the whole training."""
    known = [x for card in cards if digits.known(x := _cost(card, name))]
    return fmean(known) if known else None


def _cost(card: Card, name: str) -> float | None:
    what, per, _ = name.partition("_per_second")
    seen, seconds = getattr(card.cost, what), card.cost.seconds
    if not per:
        return seen
    return seen / seconds if digits.known(seen) and digits.known(seconds) and seconds > 0 else None


def _of_seeds(
    groups: Mapping[str, Sequence[Card]], baseline: str, differences: Mapping[str, Mapping[str, Difference | None]]
) -> list[str]:
    """What the seeds allow: which groups are not paired, and how small a p can be."""
    found = {group: next((d for d in row.values() if d), None) for group, row in differences.items()}
    notes = []
    if loose := [group for group, d in found.items() if d and d.each is None]:
        notes.append(
            f"Not paired, for their seeds or data are not those of {baseline}: {', '.join(loose)}. Differences are of "
            "means; intervals are Welch's."
        )
    if few := [group for group, d in found.items() if d and d.test is None]:
        notes.append(f"Fewer than {ENOUGH} runs, so no interval and no test: {', '.join(few)}.")
    paired = [d for d in found.values() if d and d.test and d.test.exact and d.each is not None]
    if paired and (least := max(d.test.least for d in paired if d.test)) > 0.05:
        pairs = min(d.n for d in paired)
        notes.append(
            f"{counted(pairs, 'pair')} of seeds cannot give a two-sided p below 1/{round(1 / least)}, however clear."
        )
    return notes
