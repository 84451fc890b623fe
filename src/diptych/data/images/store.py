"""Pictures as pixels on disk: decoded once, memory-mapped ever after.

    pixels.u8        all pictures end to end, row by row, RGB
    NAME.map         maps with a number for each pixel, end to end: masks, depths
    index.npz        where pictures begin (in pixels), heights and widths, classes, parts
    origins.txt      where each is from, a line each
    facts.json       names of classes, the numbers that maps are of, notes, the fingerprint

Shapes: n pictures, N pixels of all of them.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from itertools import tee
from pathlib import Path
from typing import IO, Any, get_args, overload

import numpy as np
from jaxtyping import Int, Shaped, UInt8

from diptych.core import DataError, Picture, Record
from diptych.data import cache
from diptych.data.column import places
from diptych.data.files import shown
from diptych.data.images.decoding import decode
from diptych.data.images.item import Item, Part
from diptych.data.tally import Tally
from diptych.plural import counted

COLUMN = "image"  # of a record
MASK, DEPTH = "mask", "depth"  # maps of a corpus
UNKNOWN = -1  # class or part
IGNORE = 255  # by custom the number of pixels without a class
GIVEN = "<Pictures of Python: "


@dataclass(frozen=True, eq=False)
class Index:
    """What is known of each picture of a store."""

    edges: Int[np.ndarray, " n+1"]
    extent: Int[np.ndarray, "n 2"]
    classes: Int[np.ndarray, " n"]
    parts: Int[np.ndarray, " n"]


@dataclass(frozen=True, eq=False)
class Pictures:
    """A corpus of pictures, of which none is in memory until it is looked at.

    `labels` is None where the source has none; a single label is None where its picture has none. `notes` are
    sentences for a person: what was understood of the source, and how many of its pictures were left out and why.
    `rows` chooses pictures, in its order; None is all of them. `told` is the file of origins. Pixels of a mask that are
    `ignore` have no class.
    """

    name: str
    fingerprint: str
    notes: list[str]
    index: Index
    pixels: UInt8[np.ndarray, " 3N"]
    names: Sequence[str]
    flat: Mapping[str, Shaped[np.ndarray, " N"]] = field(default_factory=dict)
    rows: Int[np.ndarray, " n"] | None = None
    told: Path | None = None
    ignore: int = IGNORE

    def __len__(self) -> int:
        return len(self.index.extent) if self.rows is None else len(self.rows)

    def __str__(self) -> str:
        """What `run.toml` calls pictures that were given to a recipe in place of a path."""
        return f"{GIVEN}{self.name}>"

    def __getitem__(self, i: int) -> Record:
        return {COLUMN: self.picture(i)}

    def picture(self, i: int) -> Picture:
        start, end, shape = self._place(i)
        return Picture(self.pixels[3 * start : 3 * end].reshape(*shape, 3))

    def map(self, name: str, i: int) -> Shaped[np.ndarray, "h w"]:
        """A map of picture i. Raises KeyError if there is none of that name."""
        start, end, shape = self._place(i)
        return self.flat[name][start:end].reshape(shape)

    def _place(self, i: int) -> tuple[int, int, tuple[int, int]]:
        if not -len(self) <= i < len(self):
            raise IndexError(f"there are {counted(len(self), 'picture')}; got {i}")
        row = i % len(self) if self.rows is None else int(self.rows[i])
        height, width = self.index.extent[row].tolist()
        return int(self.index.edges[row]), int(self.index.edges[row + 1]), (height, width)

    @property
    def items(self) -> "Views":
        """The pictures, as a sequence."""
        return Views(self, range(len(self)))

    def _of(self, x: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
        return x if self.rows is None else x[self.rows]

    @cached_property
    def labels(self) -> list[str | None] | None:
        classes = self._of(self.index.classes)
        if not (classes != UNKNOWN).any():
            return None
        return [None if k == UNKNOWN else self.names[k] for k in classes.tolist()]

    @cached_property
    def origins(self) -> list[str]:
        """Where each picture is from, in words."""
        lines = self.told.read_text("utf-8").split("\n") if self.told else [""] * len(self.index.extent)
        return lines[: len(self.index.extent)] if self.rows is None else [lines[row] for row in self.rows.tolist()]

    def part(self, *names: Part) -> Int[np.ndarray, " m"]:
        """The places of the pictures of some parts."""
        numbers = [get_args(Part).index(name) for name in names]
        return np.flatnonzero(np.isin(self._of(self.index.parts), numbers))

    def ignoring(self, number: int) -> "Pictures":
        """The same pictures, whose masks have this number where there is no class. Raises ValueError without masks."""
        if MASK not in self.flat:
            raise ValueError(f"{number} is a number in masks, and no mask comes with the pictures of {self.name}")
        return replace(self, ignore=number)

    def select(self, indices: Iterable[int]) -> "Pictures":
        """The pictures at these places, in this order. Raises IndexError if there is no such place."""
        chosen = places(indices)
        if len(chosen) and not -len(self) <= chosen.min() <= chosen.max() < len(self):
            raise IndexError(f"there are {counted(len(self), 'picture')}; got {chosen.min()} to {chosen.max()}")
        chosen = chosen % max(1, len(self))
        rows = chosen if self.rows is None else self.rows[chosen]
        return replace(self, rows=rows, fingerprint=cache.key("select", self.fingerprint, chosen))


@dataclass(frozen=True)
class Views(Sequence[Picture]):
    """Pictures of a corpus at some places; a slice is as lazy as the whole."""

    of: Pictures
    at: range

    def __len__(self) -> int:
        return len(self.at)

    @overload
    def __getitem__(self, i: int) -> Picture: ...
    @overload
    def __getitem__(self, i: slice) -> "Views": ...
    def __getitem__(self, i: int | slice) -> "Picture | Views":
        return Views(self.of, self.at[i]) if isinstance(i, slice) else self.of.picture(self.at[i])


# ---------------------------------------------------------------- writing


def write(folder: Path, name: str, how: str, items: Iterable[Item], short: int | None, tally: Tally) -> None:
    """Writes pictures, their short side reduced to `short` if it is longer, in bounded memory.

    What cannot be read is left out and tallied. Raises DataError if no picture is left.
    """
    writer = _Writer(folder, tally)
    with (folder / "pixels.u8").open("wb") as file:
        for item, pixels in _pixels(items, short, tally):
            writer.add(file, item, pixels)
    writer.close()
    (folder / "facts.json").write_text(json.dumps(writer.facts(name, how)))


def _pixels(
    items: Iterable[Item], short: int | None, tally: Tally
) -> Iterator[tuple[Item, UInt8[np.ndarray, "h w 3"]]]:
    """Each item that can be read, with its pixels."""
    items, same = tee(items)
    for item, found in zip(items, decode((item.picture for item in same), short), strict=True):
        if found.pixels is None:
            tally.add("picture", f"skipped: {found.reason}")
            continue
        if found.cut:
            tally.add("picture", "so long that only the middle is kept")
        yield item, found.pixels


class _Writer:
    """Appends pictures to the files of a store, and keeps what the index will say."""

    def __init__(self, folder: Path, tally: Tally):
        self.folder, self.tally, self.content = folder, tally, blake2b(digest_size=16)
        self.extent: list[tuple[int, int]] = []
        self.origins: list[str] = []
        self.classes: dict[str, int] = {}
        self.numbers: list[int] = []
        self.parts: list[int] = []
        self.maps: dict[str, tuple[IO[bytes], str]] = {}

    def add(self, file: IO[bytes], item: Item, pixels: UInt8[np.ndarray, "h w 3"]) -> None:
        height, width = pixels.shape[:2]
        raw = np.ascontiguousarray(pixels).data
        file.write(raw)
        said = f"{height} {width} {item.label!r} {item.part} {[*item.maps]}"
        self.content.update(said.encode("utf-8", "surrogatepass"))
        self.content.update(raw)
        if not self.extent:
            self.maps = {k: ((self.folder / f"{k}.map").open("wb"), x.dtype.str) for k, x in item.maps.items()}
        for name, (out, kind) in [*self.maps.items()]:
            found = _reduced(item, name, height, width)
            if found is None:
                self.tally.add(f"{name} map", "left out: not all pictures have one of their size")
                out.close()
                del self.maps[name]
            else:
                out.write(np.ascontiguousarray(found, kind).data)
                self.content.update(np.ascontiguousarray(found, kind).data)
        self.origins.append(" ".join(shown(item.origin).split()))
        self.extent.append((height, width))
        self.numbers.append(UNKNOWN if item.label is None else self.classes.setdefault(item.label, len(self.classes)))
        self.parts.append(UNKNOWN if item.part is None else get_args(Part).index(item.part))

    def close(self) -> None:
        for out, _ in self.maps.values():
            out.close()
        (self.folder / "origins.txt").write_text("\n".join(self.origins), "utf-8")
        extent = np.array(self.extent, np.int32).reshape(-1, 2)
        edges = np.concatenate([[0], np.cumsum(extent.astype(np.int64).prod(1))])
        numbers, parts = np.array(self.numbers, np.int32), np.array(self.parts, np.int8)
        np.savez(self.folder / "index.npz", edges=edges, extent=extent, classes=numbers, parts=parts)

    def facts(self, name: str, how: str) -> dict[str, Any]:
        """Raises DataError if there was no picture."""
        if not self.extent:
            raise DataError("; ".join([f"there is no picture in {name}", *self.tally.sentences()]))
        heading = f"{counted(len(self.extent), 'picture')} from {name}: {how}"
        if self.classes:
            heading += f" ({counted(len(self.classes), 'class')})"
        return {
            "notes": [heading, *self.tally.sentences()],
            "names": [*self.classes],
            "maps": {k: kind for k, (_, kind) in self.maps.items()},
            "fingerprint": self.content.hexdigest(),
        }


def _reduced(item: Item, name: str, height: int, width: int) -> Shaped[np.ndarray, "h w"] | None:
    """A map as large as its picture is kept: for each pixel the number in its middle. None if its shape is another."""
    found = item.maps.get(name)
    if found is None or found.shape == (height, width):
        return found
    if not isinstance(item.picture, np.ndarray) or found.shape != item.picture.shape[:2]:
        return None
    down, across = ((2 * np.arange(n) + 1) * of // (2 * n) for n, of in zip((height, width), found.shape, strict=True))
    return found[down[:, None], across]


def load(folder: Path, name: str) -> Pictures:
    """What `write` wrote, memory-mapped."""
    facts = json.loads((folder / "facts.json").read_text())
    with np.load(folder / "index.npz", allow_pickle=False) as found:
        index = Index(*(found[k] for k in ("edges", "extent", "classes", "parts")))
    maps = {k: _mapped(folder / f"{k}.map", kind) for k, kind in facts["maps"].items()}
    pixels = _mapped(folder / "pixels.u8", "u1")
    told = folder / "origins.txt"
    return Pictures(name, facts["fingerprint"], facts["notes"], index, pixels, facts["names"], maps, told=told)


def _mapped(path: Path, kind: str) -> np.ndarray:
    """A file as a flat array, which reads what it is asked for, and cannot be changed."""
    return np.memmap(path, np.dtype(kind), "r").view(np.ndarray)
