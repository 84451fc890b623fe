"""Runs side by side in a terminal, legible without colour."""

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence

from diptych.plural import counted
from diptych.report import digits
from diptych.report.compared import Compared
from diptych.report.comparison import costs
from diptych.report.metrics import metric
from diptych.report.snippet import legible
from diptych.report.spread import Difference, Spread
from diptych.report.table import BEST, aligned, best_rows, legend

WIDE = 110  # characters of a line, where one column more still fits


def side_by_side(found: Compared) -> str:
    """What is the same, then scores, differences from the baseline and costs, a row for each group."""
    parts = [_same(found), *_scores(found)]
    if found.differences and found.metrics:
        parts += [f"Difference from {found.baseline}:", *_differences(found)]
    if rows := costs(found):
        cells = [["", *next(iter(rows.values()))], *([group, *row.values()] for group, row in rows.items())]
        parts.append("\n".join(aligned(cells)))
    parts.append("\n".join([*_legend(found), *found.notes]))
    return legible("\n\n".join(part for part in parts if part))


def _same(found: Compared) -> str:
    """How many there are, and what need not be said of each."""
    runs = counted(sum(map(len, found.groups.values())), "run")
    told = " · ".join(f"{name} {x}" for name, x in found.grouping.same.items())
    said = f"{runs} in {counted(len(found.groups), 'group')}" + (f"; the same in all: {told}" if told else "")
    return textwrap.fill(said, WIDE, break_long_words=False, break_on_hyphens=False)


def _scores(found: Compared) -> Iterator[str]:
    """The scores, in as many tables as are not too wide."""
    best = {name: best_rows(found.means, name, found.deviations) for name in found.metrics}

    def cell(group: str, name: str) -> str:
        return f"{_spread(found.scores[group][name], found.places(name))} {BEST if group in best[name] else ' '}"

    def seeds(group: str) -> str:
        return str(len(found.groups[group]))

    yield from _tables([*found.groups], found.metrics, cell, {"runs": seeds})


def _differences(found: Compared) -> Iterator[str]:
    def cell(group: str, name: str) -> str:
        return _difference(found.differences[group][name], found.places(name))

    yield from _tables([*found.differences], found.metrics, cell)


def _tables(
    groups: Sequence[str],
    names: Sequence[str],
    cell: Callable[[str, str], str],
    before: Mapping[str, Callable[[str], str]] | None = None,
) -> Iterator[str]:
    """Groups against metrics, in tables of about WIDE characters."""
    left = [["", *(before or {})], *([group, *(tell(group) for tell in (before or {}).values())] for group in groups)]
    columns = [[f"{metric(name).name} ", *(cell(group, name) for group in groups)] for name in names]
    while columns:
        many = 1
        while many < len(columns) and _width([*zip(*left, strict=True), *columns[: many + 1]]) <= WIDE:
            many += 1
        rows = zip(left, zip(*columns[:many], strict=True), strict=True)
        yield "\n".join(aligned([[*first, *rest] for first, rest in rows]))
        columns = columns[many:]


def _width(columns: Sequence[Sequence[str]]) -> int:
    return sum(2 + max(map(len, column)) for column in columns)


def _spread(x: Spread | None, places: int) -> str:
    return digits.with_error(x.mean, x.deviation, places) if x else digits.NONE


def _difference(x: Difference | None, places: int) -> str:
    """+0.012 [+0.004, +0.020] p 0.06."""
    if x is None:
        return digits.NONE
    low, high = (digits.score(end, True, places) for end in (x.low, x.high))
    interval = f" [{low}, {high}]" if x.low is not None else ""
    return digits.score(x.mean, True, places) + interval + (f" p {digits.p_value(x.test.p)}" if x.test else "")


def _legend(found: Compared) -> list[str]:
    told = ["± standard deviation over seeds"] if any(len(cards) > 1 for cards in found.groups.values()) else []
    if len(found.groups) > 1 and found.metrics:
        told.append(legend(found.metrics))
    tested = [d for row in found.differences.values() for d in row.values() if d and d.test]
    if tested:
        told.append("[ ] 95 % interval; p two-sided, of a permutation test")
    return told
