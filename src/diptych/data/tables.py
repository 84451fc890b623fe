"""Tables as rows: JSON lines, CSV, Parquet, and datasets of Hugging Face."""

import csv
import itertools
import json
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, BinaryIO

from diptych.core import DataError
from diptych.data.columns import LABEL, ROLES, TEXT, Row, listed
from diptych.data.files import File, ending, opened, packed, unpacked, whole_gzip
from diptych.data.remote import Remote, UnreachableError
from diptych.data.tally import Tally

TOGETHER = 256  # rows that are decoded at once
BUFFER = 1 << 20  # bytes of a column that are in memory at once
WIDE = 64  # characters; a longer field is no column's name
LONGEST = 1 << 28  # characters of a field; a longer one is not closed


def json_lines(path: File, tally: Tally, columns: Sequence[str] | None) -> Iterator[Row]:
    """One object per line; a .json file may also be one array of objects.

    Raises ValueError that names the file, the line and what is there, if it is no JSON object.
    """
    with opened(path, newline="\n") as file:
        lines = ((number, line) for number, line in enumerate(file, 1) if line.strip())
        for place, (number, line) in enumerate(lines):
            if place == 0 and ending(path) == ".json" and line.lstrip()[0] == "[":
                yield from _array(path, "\n" * (number - 1) + line + file.read())
                return
            yield _object(f"{path}, line {number}", line)


def _object(where: str, line: str) -> Row:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is not JSON ({_reason(error)}): {excerpt(line)}") from None
    if not isinstance(row, dict):
        raise DataError(f'{where} is not a JSON object, like {{"text": ...}}, but: {excerpt(line)}')
    return row


def _array(path: File, text: str) -> Iterator[Row]:
    try:
        rows = json.loads(text)
    except (ValueError, RecursionError) as error:
        line = getattr(error, "lineno", 1)
        there = text.split("\n")[line - 1]
        raise DataError(f"{path}, line {line} is not JSON ({_reason(error)}): {excerpt(there)}") from None
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict):
            raise DataError(f"{path}, element {number} is not a JSON object, but: {excerpt(repr(row))}")
        yield row


def _reason(error: Exception) -> str:
    return getattr(error, "msg", None) or str(error)


def excerpt(text: str) -> str:
    """The start of a text, on one line and printable."""
    short = text.strip()[:80].encode("utf-8", "replace").decode()
    return ascii(short) if not short.isprintable() else short


def delimited(path: File, tally: Tally, columns: Sequence[str] | None) -> Iterator[Row]:
    """Rows of a .csv or .tsv file by the names in its first row.

    A .csv file may use semicolons or tabs. A file whose first row is no header (it has no usual name, and
    a field is a number or longer than 64 characters) has the columns "1", "2", ... Missing fields are null.

    Raises DataError that names the line of a quotation mark that opens a field and is not closed.
    """
    with opened(path, newline="") as file:
        rows = _fields(path, file)
        first = next(rows, [])
        if _is_header(first):
            header = first
            if first and not _usual(first):
                tally.add("row", f"taken as the header, for its short fields: {listed(header[:10])}")
        else:
            header = [str(i) for i in range(1, len(first) + 1)]
            tally.add("header", "missing: columns are called " + ", ".join(header))
            rows = itertools.chain([first], rows)
        _named_twice(header, tally)
        for fields in rows:
            if len(fields) != len(header) and fields:
                tally.add("row", "with more or fewer fields than the header; kept if the text is there")
            if fields:
                yield dict(zip(header, fields, strict=False))


def _fields(path: File, file: Iterable[str]) -> Iterator[list[str]]:
    """The fields of each row. A row that takes several lines must be well quoted."""
    csv.field_size_limit(LONGEST)
    number, first = next(((i, line) for i, line in enumerate(file, 1) if not line.isspace()), (1, ""))
    delimiter = "\t" if ending(path) == ".tsv" else _delimiter(first)
    row: list[str] = []  # its lines

    def lines() -> Iterator[str]:
        for line in itertools.chain([first], file, [""]):  # an open field goes on into the empty line
            row.append(line)
            yield line

    try:
        for fields in csv.reader(lines(), delimiter=delimiter):
            if len(row) > 1 and (there := _unclosed("".join(row), delimiter)):
                before, opens = there
                number += len(re.findall(r"\r\n?|\n", before))
                raise DataError(
                    f"{path}, line {number}: the quotation mark that opens this field is not closed at its end "
                    f"(one within a field is written twice): {excerpt(opens)}"
                )
            yield fields
            number += len(row)
            row.clear()
    except csv.Error as error:
        raise DataError(f"{path}, line {number} is not CSV: {error}") from None


def _unclosed(row: str, delimiter: str) -> tuple[str, str] | None:
    """What is before and after the place where the first field begins that is not well quoted."""
    field = re.compile(rf'(?:"[^"]*+(?:""[^"]*+)*+" *|(?!")[^{delimiter}\r\n]*)(?:{delimiter}|[\r\n]*\Z)')
    place = 0
    while place < len(row):
        if not (found := field.match(row, place)):
            return row[:place], row[place:]
        place = found.end()
    return None


def _delimiter(line: str) -> str:
    return max(",;\t", key=re.sub(r'"[^"]*"', "", line).count)


def _named_twice(names: Sequence[str], tally: Tally) -> None:
    """A row has one value for each name: that of the last column that is called so."""
    twice = [name for name, many in Counter(names).items() if many > 1]
    if twice:
        tally.add("column", f"not read, for a later one has its name: {listed(twice[:10])}", len(names) - len({*names}))


def _is_header(fields: Sequence[str]) -> bool:
    return _usual(fields) or not any(len(x) > WIDE or re.fullmatch(r"\s*[-+]?\d+(\.\d*)?\s*", x) for x in fields)


def _usual(fields: Sequence[str]) -> bool:
    """Whether a column has a usual name, or two have those of texts that belong together."""
    names = {field.strip().lower() for field in fields}
    return not {*TEXT, *LABEL}.isdisjoint(names) or sum(not names.isdisjoint(usual) for usual in ROLES.values()) > 1


def parquet(path: File, tally: Tally, columns: Sequence[str] | None) -> Iterator[Row]:
    """Rows of a Parquet file, of which a few pages are in memory. Raises ValueError if it is none."""
    import pyarrow.parquet as pq

    with _seekable(path) as file:
        try:
            table = pq.ParquetFile(file, buffer_size=BUFFER, pre_buffer=False)  # else all row groups so far stay
            _named_twice(table.schema_arrow.names, tally)
            for group in range(table.num_row_groups):
                for batch in table.iter_batches(TOGETHER, row_groups=[group], columns=columns):
                    yield from batch.to_pylist()
        except UnreachableError:
            raise
        except Exception as error:  # what is damaged, pyarrow says by errors of many kinds
            if isinstance(error, OSError) and error.errno:
                raise
            raise DataError(f"{path} is not a Parquet file that can be read: {error}") from error


@contextmanager
def _seekable(path: File) -> Iterator[BinaryIO]:
    """The bytes in any order; what can only be read from the first to the last is copied to a file first."""
    raw = None if packed(path) else path.seekable() if isinstance(path, Remote) else path.open("rb")
    if raw is not None:
        with raw:
            yield raw
        return
    with tempfile.TemporaryFile() as whole:
        with whole_gzip(path), unpacked(path) as file:
            shutil.copyfileobj(file, whole)
        whole.seek(0)
        yield whole


def hugging_face(dataset: Any, columns: Sequence[str] | None) -> Iterator[Row]:
    """Rows of a `datasets.Dataset`, with the names of classes in place of their numbers."""
    kinds = {k: x for k, x in dataset.features.items() if columns is None or k in columns}
    plain = [k for k, x in kinds.items() if type(x).__name__ in ("Value", "ClassLabel")]
    names = {k: kinds[k].names for k in plain if type(kinds[k]).__name__ == "ClassLabel"}
    for part in dataset.select_columns(plain).with_format(None).iter(TOGETHER):
        for values in zip(*(part[k] for k in plain), strict=True):
            row = dict(zip(plain, values, strict=True))
            for k, classes in names.items():
                row[k] = None if row[k] is None or row[k] < 0 else classes[row[k]]
            yield row
