"""Columns of a local table, as a task needs them."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from diptych.core import DataError
from diptych.data.columns import listed
from diptych.data.files import below, ending, special
from diptych.data.sources import FORMATS, READERS
from diptych.data.tables import excerpt
from diptych.data.tally import Tally

Columns = dict[str, list[Any]]
GUESSED = "taken as the header"  # is no news of a table whose columns are asked for by name
TABLES = [suffix for suffix, format in FORMATS.items() if format in READERS]


def tables(place: Path) -> list[Path]:
    """The tables right in a folder, by name; or the one table that the path is. Each may also be packed as .gz.

    Raises FileNotFoundError if there is neither, and DataError for a folder without one.
    """
    if not place.exists():
        raise FileNotFoundError(f"there is no file or folder {place}")
    there = below(place) if place.is_dir() else [place]
    found = [x for x in there if ending(x) in TABLES and not special(x) and (x == place or x.parent == place)]
    if not found:
        raise DataError(f"there is no table in {place}: no file is {', '.join(TABLES)} or one of them with .gz")
    return found


def stem(path: Path) -> str:
    """A file's name up to its first point: "bbc_news" of bbc_news.jsonl.gz."""
    return path.name.partition(".")[0]


def columns(path: Path, needed: Sequence[str], optional: Sequence[str] = ()) -> tuple[Columns, list[str]]:
    """The columns of a table by name, null where a row has no such field. Optional ones are there if a row has one.

    With them come notes of what happened on the way, as of rows that are cut off.

    Raises DataError for a file without rows, and for needed columns that no row has; it names them.
    """
    tally = Tally()
    rows = list(READERS[FORMATS[ending(path)]](path, tally, None))
    if not rows:
        raise DataError(f"{path} has no rows")
    there = dict.fromkeys(chain.from_iterable(rows))
    if missing := [name for name in needed if name not in there]:
        raise DataError(f"{path} has no column {listed(missing)}; there are {listed([*there])}")
    table = {name: [row.get(name) for row in rows] for name in [*needed, *optional] if name in there}
    return table, [f"{path.name}: {sentence}" for sentence in tally.sentences() if GUESSED not in sentence]


def strings(path: Path, name: str, values: Sequence[Any]) -> list[str]:
    """The values of a column of texts. Raises DataError that names the row of one that is no string."""
    for row, value in enumerate(values, 1):
        if not isinstance(value, str):
            raise DataError(f"{path}, row {row}: {name!r} is to hold text, but it holds {excerpt(repr(value))}")
    return list(values)
