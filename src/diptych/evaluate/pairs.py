"""Pairs of sentences with a number that people gave: a score of likeness, or 1 for a paraphrase."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import sparse

from diptych.core import DataError
from diptych.data.tables import excerpt
from diptych.evaluate.columns import columns, stem, strings
from diptych.evaluate.task import Look
from diptych.measure.geometry import cosines
from diptych.measure.rows import Rows
from diptych.plural import counted

SIDES = ("sentence1", "sentence2")


@dataclass(frozen=True)
class Pairs:
    """Row i is `first[i]`, `second[i]` and its number `gold[i]`.

    `split` and `subset` are empty where the file has no such column. `notes` say what was left out.
    """

    name: str
    first: list[str]
    second: list[str]
    gold: Float[np.ndarray, " n"]
    split: Sequence[str] = ()
    subset: Sequence[str] = ()
    notes: list[str] = field(default_factory=list)

    def of(self, *parts: str) -> Int[np.ndarray, " m"] | None:
        """The places of the rows of a split that has one of these names; None if there is none."""
        found = np.flatnonzero(np.isin(np.array(self.split, object), parts))
        return found if len(found) else None

    def cosines(self, look: Look, rows: Int[np.ndarray, " m"]) -> tuple[Float[np.ndarray, " m"], int]:
        """The cosine of each of these pairs in float64, and how many have none: there it is 0."""
        sides = [_exact(look([texts[i] for i in rows])) for texts in (self.first, self.second)]
        found = cosines(*sides).numpy()
        none = ~np.isfinite(found) | _empty(sides[0]) | _empty(sides[1])
        return np.where(none, 0.0, found), int(none.sum())


def read(path: Path, gold: str, least: float, most: float) -> Pairs:
    """The pairs in a table with the columns sentence1, sentence2 and `gold`, and split and subset where given.

    Pairs without a number are left out and counted. Raises DataError that names what is wrong: a missing
    column, or the row of a text that is none, of a number that is none, or not in [least, most].
    """
    table, notes = columns(path, [*SIDES, gold], ["split", "subset"])
    values = [_number(f"{path}, row {i}: {gold!r}", x, least, most) for i, x in enumerate(table[gold], 1)]
    sides = [strings(path, name, table[name]) for name in SIDES]
    there = [i for i, x in enumerate(values) if x is not None]
    left = len(values) - len(there)
    first, second = ([texts[i] for i in there] for texts in sides)
    split, subset = ([str(table[x][i]) for i in there] if x in table else [] for x in ("split", "subset"))
    numbers = np.array([values[i] for i in there], np.float64)
    if left and "test" in {*map(str, table.get("split", []))} - {*split}:
        raise DataError(f"{path}: no pair of the split 'test' has a {gold}, so there is nothing to judge by")
    if left:
        notes.append(f"{path.name}: no {gold}, and left out: {left:,} of {counted(len(values), 'pair')}")
    return Pairs(stem(path), first, second, numbers, split, subset, notes)


def without_cosine(pairs: int) -> str:
    """What is said of pairs that have none."""
    told = f"{counted(pairs, 'pair')} without a cosine, for an embedding of zeros or NaN: it counts as 0"
    return told if pairs else ""


def _number(where: str, x: Any, least: float, most: float) -> float | None:
    """A number of a table, where CSV has strings; None for an empty field."""
    if x is None or x != x or (isinstance(x, str) and not x.strip()):
        return None
    try:
        number = math.nan if isinstance(x, bool) else float(x)
    except (TypeError, ValueError):
        number = math.nan
    if math.isnan(number):
        raise DataError(f"{where} is to be a number, but it is {excerpt(repr(x))}")
    if not least <= number <= most:
        raise DataError(f"{where} is to be from {least:g} to {most:g}, but it is {excerpt(repr(x))}")
    return number


def _exact(rows: Rows) -> Rows:
    return rows.astype(np.float64) if sparse.issparse(rows) else np.asarray(rows, np.float64)


def _empty(rows: Rows) -> Bool[np.ndarray, " n"]:
    """Which rows are zeros: they have no direction."""
    return (rows.getnnz(axis=1) if sparse.issparse(rows) else np.count_nonzero(rows, axis=1)) == 0
