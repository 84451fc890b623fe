"""Pictures in tables: Parquet and JSON lines with bytes or paths, and datasets of Hugging Face."""

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import Any

from diptych.core import DataError
from diptych.data import cache, hub, tables
from diptych.data.columns import LABEL, NAMES, Row, listed
from diptych.data.images.folder import is_picture
from diptych.data.images.item import PARTS, Item
from diptych.data.tally import Tally
from diptych.labels import label_of

PICTURE = ("image", "img", "picture", "photo", "bytes", "image_path", "file_name", "filename", "path", "file")
CLASS = (*LABEL, "fine_label", "coarse_label")
READERS = {".parquet": tables.parquet, ".jsonl": tables.json_lines, ".ndjson": tables.json_lines}
Rows = Callable[[Tally], Iterable[Row]]
HEAD = 100  # rows that are looked at for what the columns are


@dataclass(frozen=True)
class Table:
    """Rows with a picture each: bytes, bytes in base64, a path (from `root` on), or a mapping with `bytes` or `path`.

    The column of pictures and that of labels are found by their usual names unless they are given; "split" says the
    part. A `label_name` beside `label` names the class. `content` changes when the rows do.
    """

    name: str
    content: str
    rows: Rows
    root: Path
    image: str | None = None
    label: str | None = None

    @property
    def digest(self) -> str:
        """Of the rows, and of the files that they lead to: where they are, their sizes and times of change."""
        image, _ = self._columns
        if any(isinstance(_picture(row.get(image), self.root), bytes) for row in self._head):
            return self.content  # it holds its pictures
        found = (_picture(row.get(image), self.root) for row in self.rows(Tally()))
        return cache.key(self.content, str(self.root.absolute()), *(_dated(x) for x in found if isinstance(x, Path)))

    @cached_property
    def _head(self) -> list[Row]:
        return [*islice(self.rows(Tally()), HEAD)]

    @cached_property
    def _columns(self) -> tuple[str, str | None]:
        """The column of pictures, and that of classes. Raises DataError, or ValueError for one that is not there."""
        if not self._head:
            raise DataError(f"there is no picture in {self.name}: it has no rows")
        there = list(dict.fromkeys(chain.from_iterable(self._head)))
        for given in (self.image, self.label):
            if given is not None and given not in there:
                raise ValueError(f"{self.name}: there is no column {given!r}; there are {listed(there)}")
        holding = {name: sum(_holds(row.get(name)) for row in self._head) for name in there}
        most = max(holding, key=holding.__getitem__, default="")
        image = self.image or next((k for k in PICTURE if holding.get(k)), most if holding.get(most) else None)
        if image is None:
            raise DataError(f"{self.name}: no column holds pictures, as bytes or paths; there are {listed(there)}")
        label = self.label or next((k for k in CLASS if k in there), None)
        return image, NAMES if label == "label" and NAMES in there else label

    def items(self, tally: Tally) -> tuple[str, Iterator[Item]]:
        image, label = self._columns
        how = f"pictures in column {image!r}, " + (f"labels in {label!r}" if label else "no labels")
        return how, self._items(image, label, tally)

    def _items(self, image: str, label: str | None, tally: Tally) -> Iterator[Item]:
        for number, row in enumerate(self.rows(tally)):
            picture = _picture(row.get(image), self.root)
            if picture is None:
                tally.add("picture", "skipped: null, or neither bytes nor a path")
                continue
            part = PARTS.get(str(row.get("split")).lower())
            origin = str(picture) if isinstance(picture, Path) else f"row {number}"
            yield Item(picture, label_of(row[label]) if label and label in row else None, part, origin=origin)


def _dated(file: Path) -> str:
    try:
        told = file.stat()
    except (OSError, ValueError):
        return f"{file} is not there"
    return f"{file} {told.st_size} {told.st_mtime_ns}"


def _holds(value: Any) -> bool:
    """Whether a value may be a picture."""
    if isinstance(value, Mapping):
        return not {"bytes", "path"}.isdisjoint(value)
    return isinstance(value, bytes) or (
        isinstance(value, str) and (is_picture(Path(value)) or _base64(value) is not None)
    )


def _picture(value: Any, root: Path) -> bytes | Path | None:
    if isinstance(value, Mapping):
        raw = value.get("bytes")
        return _picture(raw if raw is not None else value.get("path"), root)
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        return None
    return root / value if len(value) < 4096 and (is_picture(Path(value)) or not (raw := _base64(value))) else raw


def _base64(text: str) -> bytes | None:
    """What a text in base64 says, if it is one that is long enough for a picture."""
    try:
        return base64.b64decode(text, validate=True) if len(text) >= 64 else None
    except (binascii.Error, ValueError):
        return None


def of_files(files: Sequence[Path]) -> Rows:
    """The rows of tables, one after the other."""

    def rows(tally: Tally) -> Iterator[Row]:
        for file in files:
            yield from READERS[file.suffix.lower()](file, tally, None)

    return rows


def of_datasets(splits: Mapping[str, Any]) -> Rows:
    """The rows of `datasets.Dataset`s, pictures as they are encoded, classes by their names, and each one's split."""

    def rows(tally: Tally) -> Iterator[Row]:
        datasets = hub.library("a dataset of Hugging Face")
        for split, whole in splits.items():
            kinds = whole.features
            for name, kind in kinds.items():
                if type(kind).__name__ == "Image":
                    whole = whole.cast_column(name, datasets.Image(decode=False))
            names = {k: x.names for k, x in kinds.items() if type(x).__name__ == "ClassLabel"}
            for row in whole.with_format(None):
                told = {k: names[k][x] if k in names and x is not None and x >= 0 else x for k, x in row.items()}
                yield {"split": split, **{k: None if k in names and x == -1 else x for k, x in told.items()}}

    return rows
