"""Models side by side on a suite: a row for each line of its tasks, a column for each model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

from diptych.report.digits import NONE, count, fixed
from diptych.report.history import Entry
from diptych.report.metrics import metric
from diptych.report.snippet import legible
from diptych.report.table import BEST

Cell = Mapping[str, Any]  # a result, as in a history


@dataclass(frozen=True)
class Line:
    """A row: its cells are in the order of the models, None where a model has none. `best` are places of cells."""

    task: str
    metric: str
    n: int
    main: bool
    cells: Sequence[Cell | None]
    best: frozenset[int]


@dataclass(frozen=True)
class Board:
    """One suite on the same data."""

    suite: str
    data: str
    fingerprint: str
    names: Sequence[str]
    entries: Sequence[Entry]
    lines: Sequence[Line]


def boards(entries: Sequence[Entry]) -> list[Board]:
    """A board for each suite and data, in the order they first come.

    Of each line of a model in one precision, the latest counts: calls may name different tasks, as of mteb.
    """
    groups: dict[tuple[str, str], dict[tuple[str, str, str], Entry]] = {}
    for entry in entries:
        group = groups.setdefault((entry.suite, entry.data_fingerprint), {})
        earlier = group.pop(key := (entry.model, entry.fingerprint, entry.precision), None)
        group[key] = _merged(earlier, entry) if earlier else entry
    return [_board([*group.values()]) for group in groups.values()]


def _merged(earlier: Entry, later: Entry) -> Entry:
    lines = {(x["task"], x["metric"]): x for x in [*earlier.results, *later.results]}
    return replace(later, results=[*lines.values()])


def _board(entries: Sequence[Entry]) -> Board:
    cells = [{(x["task"], x["metric"]): x for x in entry.results} for entry in entries]
    lines = []
    for task, name in dict.fromkeys(key for row in cells for key in row):
        row = [each.get((task, name)) for each in cells]
        some = next(x for x in row if x)
        lines.append(Line(task, metric(name).name, some["n"], some.get("main", True), row, _best(row)))
    first = entries[0]
    return Board(first.suite, first.data, first.data_fingerprint, short([e.model for e in entries]), entries, lines)


def _best(cells: Sequence[Cell | None]) -> frozenset[int]:
    """The highest to the two decimals that are shown; none where one model is alone."""
    values = {i: round(x["value"], 2) for i, x in enumerate(cells) if x}
    return frozenset(i for i, x in values.items() if len(values) > 1 and x == max(values.values()))


def short(models: Sequence[str]) -> list[str]:
    """The last parts of paths, as many as tell them apart; `model` alone says nothing."""
    parts = [PurePath(model).parts or (model,) for model in models]
    for many in range(1, max(map(len, parts), default=0) + 1):
        names = ["/".join(part[-many:]) for part in parts]
        if len({*names}) == len({*models}) and "model" not in names:
            return names
    return [*models]


def value(cell: Cell | None) -> str:
    """72.37, as the field writes scores x 100."""
    return NONE if cell is None else fixed(cell["value"], 2)


def interval(cell: Cell | None) -> str:
    """70.60 to 74.05; empty where none is known."""
    if cell is None or cell.get("low") is None or cell.get("high") is None:
        return ""
    return f"{fixed(cell['low'], 2)} to {fixed(cell['high'], 2)}"


def text(board: Board) -> str:
    """The board for a terminal: the value and its 95 % interval, the best of each line marked."""
    rows = [["", "", "n", *(f"{name}  " for name in board.names)]]
    for line in board.lines:
        told = [f"{value(x)} {BEST if i in line.best else ' '}" for i, x in enumerate(line.cells)]
        spans = [interval(x) for x in line.cells]
        widest = max(map(len, spans))
        cells = [f"{span.rjust(widest)}  {x}" if widest else x for x, span in zip(told, spans, strict=True)]
        rows.append([line.task if line.main else f"  {line.task}", line.metric, count(line.n), *cells])
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    told = [
        "  ".join([a.ljust(widths[0]), b.ljust(widths[1]), *map(str.rjust, rest, widths[2:])]).rstrip()
        for a, b, *rest in rows
    ]
    best = f"{BEST} best; " if len(board.names) > 1 else ""
    return legible("\n".join([*told, "", f"{best}beside each score its 95 % interval, where one is known"]))
