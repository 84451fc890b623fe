"""From numbers to places on paper: curves and bars, in per cent of a plot's width and height."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from diptych.report.digits import fixed, known

Points = Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Line:
    """`path` lies in a square of 1000; `end` is the last point, in per cent from the left and top."""

    name: str
    colour: int
    path: str
    end: tuple[float, float]
    last: float


@dataclass(frozen=True)
class Plot:
    """Ticks are (per cent from the left or top, text); a number beside a line has so many `decimals`."""

    title: str
    lines: Sequence[Line]
    across: Sequence[tuple[float, str]]
    up: Sequence[tuple[float, str]]
    decimals: int = 2
    boundary: float | None = None  # per cent from the left; what lies before it is shaded


def divided(made: Plot, step: float | None, last: float) -> Plot:
    """A plot whose steps end at `last`, with a boundary at `step`."""
    return made if step is None else replace(made, boundary=100 * step / last)


def curves(history: Iterable[Mapping[str, float]], name: str) -> Points:
    """Steps and values of one field of metrics.jsonl, where there are finite numbers."""
    return [(line["step"], line[name]) for line in history if known(line.get("step")) and known(line.get(name))]


def plot(title: str, series: Sequence[tuple[str, int, Points]], logs: bool = False) -> Plot | None:
    """Lines of (name, colour, points) on shared axes; None if no line has two points.

    With `logs` points are decimal logarithms, and the axis that goes up tells the numbers they are of.
    """
    series = [(name, colour, points) for name, colour, points in series if len(points) > 1]
    if not series:
        return None
    xs = [x for *_, points in series for x, _ in points]
    ys = [y for *_, points in series for _, y in points]
    up = decades(min(ys), max(ys)) if logs else ticks(min(ys), max(ys))
    left, right, low, high = 0, max(xs), min(*up, min(ys)), max(*up, max(ys))
    if high == low:
        low, high = low - 1, high + 1

    def place(x: float, y: float) -> tuple[float, float]:
        return 100 * (x - left) / (right - left or 1), 100 * (high - y) / (high - low)

    lines = [
        Line(name, colour, _path([place(*point) for point in points]), place(*points[-1]), points[-1][1])
        for name, colour, points in series
    ]
    across = [x for x in ticks(left, right, 3) if left <= x <= right and math.isclose(x, round(x))]
    decimals = _decimals(up)
    return Plot(
        title,
        lines,
        [(place(x, 0)[0], f"{x:,.0f}") for x in across],
        [(place(0, y)[1], f"{10**y:g}" if logs else fixed(y, decimals)) for y in up],
        max(2, decimals + 1),
    )


def _path(points: Points) -> str:
    return "M" + " ".join(f"{10 * x:.1f},{10 * y:.1f}" for x, y in points)


def ticks(low: float, high: float, many: int = 4) -> list[float]:
    """About `many` round numbers from at or below `low` to at or above `high`."""
    span = high - low
    if span <= 0:
        return [low]
    rough = span / many
    size = 10 ** math.floor(math.log10(rough))
    step = next(size * m for m in (1, 2, 5, 10) if size * m >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [i * step for i in range(first, last + 1)]


def decades(low: float, high: float) -> list[float]:
    """The logarithms of round numbers between 10^low and 10^high, and of those next to them."""
    if high - low < 0.3:  # less than twice as much
        return [math.log10(x) for x in ticks(10**low, 10**high) if x > 0]
    every = (0.0,) if high - low > 2 else (0.0, math.log10(2), math.log10(5))
    found = [i + x for i in range(math.floor(low), math.ceil(high) + 1) for x in every]
    first = max((x for x in found if x <= low + 1e-9), default=found[0])
    last = min((x for x in found if x >= high - 1e-9), default=found[-1])
    return [x for x in found if first <= x <= last]


def _decimals(up: Sequence[float]) -> int:
    """As many as tell ticks apart: those of the step between them."""
    step = min((b - a for a, b in pairwise(up)), default=abs(up[0]) / 100)
    return max(0, -math.floor(math.log10(step) + 1e-9)) if step else 0


@dataclass(frozen=True)
class Bar:
    """A row of a bar chart, in per cent of the width; `low` and `high` are the ends of the whisker."""

    row: str
    value: float
    error: float | None
    width: float
    low: float | None
    high: float | None


def bars(rows: Sequence[tuple[str, float, float | None]]) -> list[Bar]:
    """(row, value, error) as bars from zero; the longest, with its error, takes the width."""
    longest = max((abs(x) + (e or 0) for _, x, e in rows), default=0) or 1
    scale = 100 / longest

    def whisker(x: float, error: float | None) -> tuple[float | None, float | None]:
        return (None, None) if error is None else (scale * max(0, abs(x) - error), scale * (abs(x) + error))

    return [Bar(row, x, e, scale * abs(x), *whisker(x, e)) for row, x, e in rows]
