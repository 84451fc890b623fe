"""What a path, a pattern, a URL or a hub id stands for: text files, a table, or a data set of the hub."""

import glob
import itertools
import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from diptych.core import DataError
from diptych.data import cache, columns, hub, remote, tables
from diptych.data.columns import Columns, Row
from diptych.data.corpus import Pair
from diptych.data.files import BinaryFileError, File, below, digest, ending, matching, opened, shown, size, special
from diptych.data.remote import UnreachableError, is_url
from diptych.data.tally import Tally
from diptych.plural import counted

FORMATS = {
    ".txt": "text",
    ".md": "text",
    ".jsonl": "json lines",
    ".ndjson": "json lines",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "csv",
    ".parquet": "parquet",
}
READERS = {
    "json lines": tables.json_lines,
    "json": tables.json_lines,
    "csv": tables.delimited,
    "parquet": tables.parquet,
}
SAMPLE, CHARACTERS = 1000, 1 << 24  # rows and characters from which columns are understood
LINES = 50  # a text file whose blank lines are further apart on average has one document per line

Rows = Callable[[Tally, Sequence[str] | None], Iterable[Row]]


class Source(Protocol):
    """Documents that can be read. `digest` changes when they do."""

    name: str
    digest: str

    def pairs(self, text: str | None, label: str | None, tally: Tally) -> tuple[str, Iterable[Pair]]:
        """How they were understood, given names of columns, and texts with labels."""
        ...


def find(path: str | Path, named: Collection[str] = ()) -> Source:
    """The source at a path, a pattern of paths or a URL; else, if its name looks like one, a hub id.

    In a folder of many formats, tables that have a column of one of the names (a usual one for text, if
    none is given) come first, then the format that has the most bytes.

    Raises FileNotFoundError if there is neither, ValueError if the format is not known.
    """
    if is_url(str(path)):
        return _far(str(path), named)
    place = Path(os.path.expanduser(path))
    if not place.exists():
        if glob.has_magic(str(place)):
            matched, folder = matching(place)
            return _folder(shown(place.name), matched, lambda files: digest(files, folder), str(path), named)
        return _hub(str(path), place)
    if special(place):
        raise ValueError(
            f"{path} is no regular file, but a pipe, a socket or a device; a corpus is read more than once: "
            "write it to a file"
        )
    name = shown(place.name or place.resolve().name)
    if not place.is_dir():
        return _file(name, place, digest([place], place))
    there = below(place)
    names = {file.name for file in there if file.parent == place}
    if "dataset_dict.json" in names or names >= {"dataset_info.json", "state.json"}:
        return _saved(name, place, [file for file in there if not (special(file) or file.is_dir())])
    return _folder(name, there, lambda files: digest(files, place), str(place), named)


def _far(url: str, named: Collection[str]) -> Source:
    """The source that a URL names."""
    if url.startswith(("file://", "local://")):
        return find(remote.connect(url)[1], named)
    there, many = remote.found(url)
    name = remote.named(url)
    if not many:
        return _file(name, there[0], remote.digest(there, url))
    return _folder(name, there, lambda files: remote.digest(files, url), remote.shown(url), named)


def _format(file: File) -> str | None:
    return FORMATS.get(ending(file))


def _known() -> str:
    return ", ".join(FORMATS)


def _file(name: str, file: File, content: str) -> Source:
    if (format := _format(file)) is None:
        raise ValueError(f"{file} is of no known format; these are: {_known()}, and each of them with .gz")
    if format == "text":
        return Lines(name, content, file)
    return Table(name, content, partial(_chained, READERS[format], [file]))


def _folder(
    name: str, there: Sequence[Any], hashed: Callable[[list[Any]], str], where: str, named: Collection[str]
) -> Source:
    """The files of one format among all that are there."""
    files = [file for file in there if not (special(file) or file.is_dir())]
    main = _main(files, where, {*(named or columns.TEXT)})
    chosen = {file: None for file in files if _format(file) == main}
    others = [file for file in there if file not in chosen]
    key = cache.key(hashed([*chosen]), *(file.name for file in others))
    if main == "text":
        return Texts(name, key, [*chosen], others)
    return Table(name, key, partial(_chained, READERS[main], [*chosen]), others)


def _main(files: Sequence[File], where: str, named: Collection[str]) -> str:
    """The format of a folder's documents. A README beside a table is often longer than the table."""
    formats: dict[str, list[File]] = {}
    for file in files:
        if (format := _format(file)) and file.exists():
            formats.setdefault(format, []).append(file)
    if not formats:
        raise DataError(
            f"there is no document in {where}: none of its {counted(len(files), 'file')} is {_known()} or one "
            "of them with .gz"
        )
    if len(formats) == 1:
        return next(iter(formats))
    sizes = {format: sum(map(size, found)) for format, found in formats.items()}
    return max(formats, key=lambda format: (_has_column(format, formats[format][0], named), sizes[format]))


def _has_column(format: str, file: File, named: Collection[str]) -> bool:
    """Whether the first row has a column of one of the names."""
    try:
        row = next(iter(READERS[format](file, Tally(), None)), {}) if format in READERS else {}
    except DataError:
        return False
    except UnreachableError:
        raise
    except OSError:
        return False
    return not {*named}.isdisjoint([*row, *(name.lower().strip() for name in row)])


def _unread(others: Sequence[File], tally: Tally) -> None:
    known = [file for file in others if not (special(file) or file.is_dir())]
    suffixes = sorted({shown(file.suffix or file.name) for file in known})
    tally.add("file", f"not read, of another format ({', '.join(suffixes[:10])})", len(known))
    tally.add("file", "not read: a pipe, a socket or a device", sum(map(special, others)))
    for folder in (file for file in others if isinstance(file, Path) and file.is_dir()):
        tally.add("folder", f"not read: {'a link' if folder.is_symlink() else 'it cannot be opened'}")


# ---------------------------------------------------------------- text


@dataclass
class Texts:
    """Files of text, each a document."""

    name: str
    digest: str
    files: Sequence[File]
    others: Sequence[File]

    def pairs(self, text: str | None, label: str | None, tally: Tally) -> tuple[str, Iterable[Pair]]:
        _no_columns(self.name, text, label)
        return "a document is a file", self._pairs(tally)

    def _pairs(self, tally: Tally) -> Iterator[Pair]:
        for path in self.files:
            try:
                with opened(path) as file:
                    yield file.read(), None
            except BinaryFileError:
                tally.add("file", "skipped: binary, not text")
            except UnreachableError:
                raise
            except OSError:
                tally.add("file", "skipped: cannot be read")
        _unread(self.others, tally)


@dataclass
class Lines:
    """A file of text, with a document per line or between blank lines."""

    name: str
    digest: str
    path: File

    def pairs(self, text: str | None, label: str | None, tally: Tally) -> tuple[str, Iterable[Pair]]:
        _no_columns(self.name, text, label)
        if _has_paragraphs(self.path):
            return "a document ends at a blank line", self._paragraphs()
        return "a document is a line", self._lines()

    def _lines(self) -> Iterator[Pair]:
        with opened(self.path) as file:
            for line in file:
                if not line.isspace():
                    yield line.rstrip("\n"), None

    def _paragraphs(self) -> Iterator[Pair]:
        with opened(self.path) as file:
            for blank, lines in itertools.groupby(file, str.isspace):
                if not blank:
                    yield "".join(lines).rstrip("\n"), None


def _has_paragraphs(path: File) -> bool:
    paragraphs = lines = 0
    with opened(path) as file:
        for blank, run in itertools.groupby(file, str.isspace):
            if not blank:
                paragraphs += 1
                lines += sum(1 for _ in run)
    return paragraphs > 1 and lines <= LINES * paragraphs


def _no_columns(name: str, text: str | None, label: str | None) -> None:
    if asked := text or label:
        raise ValueError(f"{name} is plain text and has no columns; got the column {asked!r}")


# ---------------------------------------------------------------- tables


@dataclass
class Table:
    """Rows with named columns. They are read twice: a few for their columns, then all."""

    name: str
    digest: str
    rows: Rows
    others: Sequence[File] = ()

    def pairs(self, text: str | None, label: str | None, tally: Tally) -> tuple[str, Iterable[Pair]]:
        rows = sample(self.rows(Tally(), None))
        if not rows:
            raise DataError(f"there is no document in {self.name}: it has no rows")
        try:
            found = columns.find(rows, text, label)
        except ValueError as error:
            raise ValueError(f"{self.name}: {error}") from None
        return _described(found), self._pairs(found, tally)

    def _pairs(self, found: Columns, tally: Tally) -> Iterator[Pair]:
        for number, row in enumerate(self.rows(tally, found.used), 1):
            text = row.get(found.text)
            if text is not None and text == text and not isinstance(text, str):
                raise DataError(
                    f"{self.name}: column {found.text!r} is to hold text, but in row {number} it holds "
                    f"{tables.excerpt(repr(text))} ({type(text).__name__}); --text-column names another"
                )
            yield text if isinstance(text, str) else None, found.label_in(row)
        _unread(self.others, tally)


def _chained(
    reader: Callable[[File, Tally, Sequence[str] | None], Iterator[Row]],
    files: Sequence[File],
    tally: Tally,
    used: Sequence[str] | None,
) -> Iterator[Row]:
    for file in files:
        yield from reader(file, tally, used)


def sample(rows: Iterable[Row]) -> list[Row]:
    """The first rows of a table, enough to understand its columns."""
    first: list[Row] = []
    characters = 0
    for row in itertools.islice(rows, SAMPLE):
        first.append(row)
        characters += sum(len(value) for value in row.values() if isinstance(value, str | bytes))
        if characters > CHARACTERS:
            break
    return first


def _described(found: Columns) -> str:
    text = f"text in column {found.text!r}"
    if found.label is None:
        return f"{text}, no labels"
    named = f", named by {found.name!r}" if found.name else ""
    return f"{text}, labels in {found.label!r}{named}"


# ---------------------------------------------------------------- Hugging Face


def _hub(name: str, place: Path) -> Source:
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", name) or _format(place) or place.parent.exists():
        raise FileNotFoundError(f"there is no file or folder {name}")
    datasets = hub.library(f"{name} is no path here; as a hub id it")
    try:
        loaded = datasets.load_dataset(name)
    except Exception as error:
        raise FileNotFoundError(
            f"there is no file or folder {name}, and the hub gave no data set of that name: {_said(error)}"
        ) from error
    splits = list(loaded.values())
    content = " ".join(split._fingerprint for split in splits)
    return Table(name, content, lambda tally, used: _splits(splits, used))


def _saved(name: str, place: Path, files: list[Path]) -> Source:
    datasets = hub.library(f"{place} is a folder of Hugging Face datasets: it")
    try:
        loaded = datasets.load_from_disk(str(place))
    except Exception as error:
        raise DataError(f"{place} is damaged as a folder of Hugging Face datasets: {_said(error)}") from error
    splits = list(loaded.values()) if isinstance(loaded, dict) else [loaded]
    return Table(name, digest(files, place), lambda tally, used: _splits(splits, used))


def _splits(splits: Sequence[Any], used: Sequence[str] | None) -> Iterator[Row]:
    for split in splits:
        yield from tables.hugging_face(split, used)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
