"""Runs side by side as one page."""

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from diptych.report import digits
from diptych.report.atlas import COLOURS
from diptych.report.card import Card
from diptych.report.compared import Compared, Spreads, sentence
from diptych.report.metrics import metric
from diptych.report.page import render
from diptych.report.plots import Plot, curves, plot
from diptych.report.steps import brief
from diptych.report.table import best_rows

CLOCK = {"step", "steps", "epoch", "seconds", "tokens", "tokens_per_second", "padding", "rate"}  # no curve of interest
FIRST = ("loss", "alignment", "uniformity")
TITLES = {"loss": "Loss", "gradient_norm": "Gradient norm"}


def comparison(found: Compared) -> str:
    """Runs side by side as an HTML page."""
    return render(
        "compare.html",
        title=found.name,
        kind="comparison",
        found=found,
        groups=found.groups,
        sentence=sentence(found),
        facts={fact: row for fact, row in found.grouping.differing.items() if not fact.startswith("view")},
        views=_views(found),
        colours={group: i % COLOURS + 1 for i, group in enumerate(found.groups)},
        best={name: best_rows(found.means, name, found.deviations) for name in found.metrics},
        digits={name: found.places(name) for name in found.metrics},
        strips={name: _strip(found.scores, name) for name in found.metrics},
        plots=_plots(found.groups),
        costs=costs(found),
    )


def _views(found: Compared) -> dict[str, list[str]]:
    """The view rows of each group in words, equal ones once; none if they are the same in all groups."""
    told = {group: list(dict.fromkeys(map(_view, cards[0].views))) for group, cards in found.groups.items()}
    return told if len({tuple(rows) for rows in told.values()}) > 1 else {}


def _view(row: Mapping[str, str]) -> str:
    by = f"by {row['by']}" if row.get("by", "model") != "model" else ""
    column = row.get("column", "") if row.get("column") != "text" else ""
    done = [brief(x) for x in (row.get("transform"), row.get("perturb")) if x]
    return " + ".join(filter(None, [column, *done, by])) or "unchanged"


def _strip(scores: Spreads, name: str) -> list[dict[str, Any]]:
    """Seeds as dots and their mean as a line, on the range that all of them span."""
    found = {group: told for group, row in scores.items() if (told := row[name])}
    each = [x for told in found.values() for x in told.each]
    low, high = min(each, default=0), max(each, default=0)
    margin = (high - low) * 0.06 or abs(high) * 0.1 or 1
    low, high = low - margin, high + margin

    def place(x: float) -> float:
        return 100 * (x - low) / (high - low)

    return [
        {"group": group, "mean": told.mean, "at": place(told.mean), "each": [place(x) for x in told.each]}
        for group, told in found.items()
    ]


# ---------------------------------------------------------------- along the way


def _plots(groups: Mapping[str, Sequence[Card]]) -> list[tuple[Plot, set[str]]]:
    """A plot for each number that all histories have, with the names of its thick lines, the means over seeds."""
    found = []
    for name in shared([card.history for cards in groups.values() for card in cards]):
        if made := plot(TITLES.get(name, metric(name).name), _lines(groups, name)):
            found.append((made, set(groups)))
    return found


def shared(histories: Sequence[Sequence[Mapping[str, Any]]]) -> list[str]:
    """The numbers that each of these histories has on two lines or more, and that are no clock."""
    names = [{name for name in _numbers(history) if len(curves(history, name)) > 1} for history in histories]
    common = set.intersection(*names) - CLOCK if names else set()
    ordered = [name for name in (*FIRST, *_numbers(histories[0] if histories else [])) if name in common]
    return list(dict.fromkeys(name for name in ordered if not _repeats(name, ordered, histories)))


def _numbers(history: Sequence[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(name for line in history for name, x in line.items() if digits.known(x)))


def _repeats(name: str, names: Sequence[str], histories: Sequence[Sequence[Mapping[str, Any]]]) -> bool:
    """Whether a term is the whole loss, everywhere."""
    if name == "loss" or "loss" not in names:
        return False
    return all(line.get(name) == line.get("loss") for history in histories for line in history)


def _lines(groups: Mapping[str, Sequence[Card]], name: str) -> list[tuple[str, int, Sequence[tuple[float, float]]]]:
    """A line for each run and, over them, one for the mean of each group."""
    told = [(group, i % COLOURS + 1, cards) for i, (group, cards) in enumerate(groups.items())]
    each = [
        (f"{group}, seed {card.seed}", colour, curves(card.history, name))
        for group, colour, cards in told
        for card in cards
        if len(cards) > 1
    ]
    return [*each, *((group, colour, _mean([curves(c.history, name) for c in cards])) for group, colour, cards in told)]


def _mean(lines: Sequence[Sequence[tuple[float, float]]]) -> list[tuple[float, float]]:
    """The mean of lines, at the steps that all of them have."""
    found = [dict(line) for line in lines]
    steps = sorted(set.intersection(*(set(each) for each in found)))
    return [(step, fmean(each[step] for each in found)) for step in steps]


# ---------------------------------------------------------------- what it took


def costs(found: Compared) -> dict[str, dict[str, str]]:
    """Costs in words, by group; without those that are known of none."""
    rows = {group: _told(row) for group, row in found.costs.items()}
    names = [name for name in next(iter(rows.values())) if any(row[name] != digits.NONE for row in rows.values())]
    return {group: {name: row[name] for name in names} for group, row in rows.items()} if names else {}


def _told(row: Mapping[str, float | None]) -> dict[str, str]:
    return {
        "training": digits.duration(row["seconds"]),
        "tokens seen": digits.count(row["tokens"]),
        "tokens per second": digits.count(row["tokens_per_second"]),
        "samples seen": digits.count(row["samples"]),
        "samples per second": digits.count(row["samples_per_second"]),
        "parameters": digits.count(row["parameters"]),
        "of them trained": digits.NONE if row["trained"] == row["parameters"] else digits.count(row["trained"]),
    }
