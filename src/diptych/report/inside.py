"""What instruments saw while a model learned: ranks and their phases, cosines, and how far each layer went."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from diptych.measure.phase import phase
from diptych.report import digits
from diptych.report.card import Card
from diptych.report.plots import Plot, Points, curves, divided, plot

History = Sequence[Mapping[str, float]]
RANKS = {"rank": "effective", "rank_centred": "effective, centred", "rank_energy": "for 0.9 of the energy"}
COSINES = {"positive_cosine": "of a pair", "negative_cosine": "of others"}


@dataclass(frozen=True)
class Cell:
    """From `left`, `width` wide, in per cent; `strength` is from 0 to 1."""

    left: float
    width: float
    strength: float
    told: str


@dataclass(frozen=True)
class Heat:
    """Rows of (name, cells), the last layer first; the strongest cell is `most`."""

    rows: Sequence[tuple[str, Sequence[Cell]]]
    most: float
    across: Sequence[tuple[float, str]]


@dataclass(frozen=True)
class Inside:
    """`plots` are of several lines each, with their (colour, name)."""

    sentence: str
    plots: Sequence[tuple[Plot, Sequence[tuple[int, str]]]]
    heat: Heat | None


def inside(card: Card) -> Inside | None:
    """What a card's history says of it; None if nothing."""
    history = card.history
    peak = _boundary(history)
    found = [
        _plot("Rank of fixed samples", history, RANKS, peak),
        _plot("Mean cosine in the batch", history, COSINES),
        _plot("Weights moved, relative", history, {"change_0": "input embedding"})
        if len(layers(history)) == 1
        else None,
    ]
    plots = [each for each in found if each]
    heat = _heat(history)
    return Inside(sentence(history), plots, heat) if plots or heat else None


def sentence(history: History) -> str:
    """ "The effective rank rose from 98 to 143 at step 1,200, its peak, and fell to 120." """
    trace = curves(history, "rank")
    if len(trace) < 2:
        return ""
    found = phase([(int(step), rank) for step, rank in trace])
    first, last = trace[0][1], trace[-1][1]
    told = "The effective rank of fixed samples"
    if found.interior:
        peak = f"a peak of {found.rank:.0f} at step {found.step:,}"
        return f"{told} rose from {first:.0f} to {peak}, then fell to {last:.0f}."
    words = "stayed near" if abs(last - first) <= 0.02 * first else "rose from" if last > first else "fell from"
    way = f"{words} {last:.0f}" if words == "stayed near" else f"{words} {first:.0f} to {last:.0f}"
    return f"{told} {way}; it has no peak between start and end."


def layers(history: History) -> list[str]:
    """The names of weight changes that there are: change_0, change_1, ..."""
    names = {name for line in history for name in line if name.startswith("change_")}
    return sorted(names, key=lambda name: int(name.removeprefix("change_")))


def _boundary(history: History) -> float | None:
    trace = [(int(step), rank) for step, rank in curves(history, "rank")]
    found = phase(trace) if trace else None
    return found.step if found and found.interior else None


def _plot(
    title: str, history: History, names: Mapping[str, str], boundary: float | None = None
) -> tuple[Plot, list[tuple[int, str]]] | None:
    lines = [(told, colour, curves(history, name)) for colour, (name, told) in enumerate(names.items(), 1)]
    lines = [each for each in lines if len(each[2]) > 1]
    lines = lines if len(lines) > 1 else [(told, 0, points) for told, _, points in lines]
    made = plot(title, lines)
    if made is None:
        return None
    shown = divided(made, boundary, max(x for *_, points in lines for x, _ in points))
    return shown, [(colour, told) for told, colour, _ in lines] if len(lines) > 1 else []


def _heat(history: History) -> Heat | None:
    """How far each layer had gone at each look, as strength of colour; None below two layers."""
    found = {name: curves(history, name) for name in layers(history)}
    found = {name: points for name, points in found.items() if points}
    if len(found) < 2:
        return None
    most = max(x for points in found.values() for _, x in points)
    end = max(step for points in found.values() for step, _ in points)
    rows = [_row(name, points, most or 1, end) for name, points in reversed(found.items())]
    return Heat(rows, most, [(0, "0"), (100, digits.count(end))])


def _row(name: str, points: Points, most: float, end: float) -> tuple[str, list[Cell]]:
    """A cell for each look, from the look before it."""
    number = name.removeprefix("change_")
    layer = "input" if number == "0" else f"block {number}"
    starts = [0, *(step for step, _ in points[:-1])]
    return layer, [
        Cell(100 * start / end, 100 * (step - start) / end, x / most, f"{layer}, step {step:,.0f}: {x:.4f}")
        for start, (step, x) in zip(starts, points, strict=True)
    ]
