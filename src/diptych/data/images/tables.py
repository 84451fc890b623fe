"""Pictures in tables: Parquet and JSON lines with bytes or paths, and datasets of Hugging Face."""

import base64
import binascii
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diptych.core import DataError
from diptych.data import hub, tables
from diptych.data.columns import LABEL, NAMES, Row, label_of, listed
from diptych.data.images.folder import is_picture
from diptych.data.images.item import PARTS, Item
from diptych.data.tally import Tally

PICTURE = ("image", "img", "picture", "photo", "bytes", "image_path", "file_name", "filename", "path", "file")
CLASS = (*LABEL, "fine_label", "coarse_label")
READERS = {".parquet": tables.parquet, ".jsonl": tables.json_lines, ".ndjson": tables.json_lines}
Rows = Callable[[Tally], Iterable[Row]]


@dataclass(frozen=True)
class Table:
    """Rows with a picture each: bytes, bytes in base64, a path (from `root` on), or a mapping with `bytes` or `path`.

    The column of pictures and that of labels are found by their usual names unless they are given; "split" says the
    part. A `label_name` beside `label` names the class.
    """

    name: str
    digest: str
    rows: Rows
    root: Path
    image: str | None = None
    label: str | None = None

    def items(self, tally: Tally) -> tuple[str, Iterator[Item]]:
        first = next(iter(self.rows(Tally())), None)
        if first is None:
            raise DataError(f"there is no picture in {self.name}: it has no rows")
        for given in (self.image, self.label):
            if given is not None and given not in first:
                raise ValueError(f"{self.name}: there is no column {given!r}; there are {listed([*first])}")
        image = self.image or next((k for k in PICTURE if k in first and _holds(first[k])), None)
        image = image or next((k for k, x in first.items() if _holds(x)), None)
        if image is None:
            raise DataError(f"{self.name}: no column holds pictures, as bytes or paths; there are {listed([*first])}")
        label = self.label or next((k for k in CLASS if k in first), None)
        named = NAMES if label == "label" and NAMES in first else label
        how = f"pictures in column {image!r}, " + (f"labels in {named!r}" if named else "no labels")
        return how, self._items(image, named, tally)

    def _items(self, image: str, label: str | None, tally: Tally) -> Iterator[Item]:
        for number, row in enumerate(self.rows(tally)):
            picture = _picture(row.get(image), self.root)
            if picture is None:
                tally.add("picture", "skipped: null, or neither bytes nor a path")
                continue
            part = PARTS.get(str(row.get("split")).lower())
            origin = str(picture) if isinstance(picture, Path) else f"row {number}"
            yield Item(picture, label_of(row[label]) if label and label in row else None, part, origin=origin)


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
