"""A table for a terminal: rows and metrics, legible without colour."""

from collections.abc import Sequence

from diptych.report.card import Table
from diptych.report.digits import score, with_error
from diptych.report.metrics import metric, places, present, row_name, value
from diptych.report.snippet import legible

BEST = "*"


def table(scores: Table, errors: Table | None = None) -> str:
    """Rows against metrics, aligned, `value ± standard error`, the best of each metric marked `*`.

    Metrics without a single number are left out; a missing number is a dash.
    """
    names = present([scores])
    if not names:
        return "no scores"
    best = {name: best_rows(scores, name, errors) for name in names}
    lines = [["", *(metric(name).name for name in names)]]
    for row in scores:
        cells = (with_error(value(scores, row, n), value(errors or {}, row, n), places(n, errors)) for n in names)
        marks = (BEST if row in best[n] else " " for n in names)
        lines.append([row_name(row), *(f"{cell} {mark}" for cell, mark in zip(cells, marks, strict=True))])
    lines[0][1:] = [f"{title}  " for title in lines[0][1:]]
    return legible("\n".join([*aligned(lines), "", legend(names)]))


def turned(scores: Table) -> str:
    """A line for each metric, for there are many: the rows across, and how far the model is from its start."""
    names = present([scores])
    if not names:
        return "no scores"
    gains = value(scores, "model", names[0]) is not None and value(scores, "untrained", names[0]) is not None
    lines = [["", *map(row_name, scores), *(["change"] if gains else [])]]
    for name in names:
        many, own, start = places(name), value(scores, "model", name), value(scores, "untrained", name)
        gain = own - start if own is not None and start is not None else None
        told = metric(name).name + (", lower is better" if metric(name).higher is False else "")
        cells = (score(value(scores, row, name), places=many) for row in scores)
        lines.append([told, *cells, *([score(gain, True, many)] if gains else [])])
    return legible("\n".join(aligned(lines)))


def aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Cells in columns: the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return ["  ".join([first.ljust(widths[0]), *map(str.rjust, rest, widths[1:])]).rstrip() for first, *rest in lines]


def best_rows(scores: Table, name: str, errors: Table | None = None) -> set[str]:
    """The rows with the best number, to the decimals that are shown; none if there is no contest, or no best."""
    many, higher = places(name, errors), metric(name).higher
    numbers = {row: round(x, many) for row in scores if (x := value(scores, row, name)) is not None}
    if len(numbers) < 2 or higher is None:
        return set()
    best = (max if higher else min)(numbers.values())
    return {row for row, x in numbers.items() if x == best}


def legend(names: Sequence[str]) -> str:
    """What the mark says."""
    lower = [metric(name).name for name in names if metric(name).higher is False]
    return f"{BEST} best" + (f"; lower is better for {' and '.join(lower).lower()}" if lower else "")
