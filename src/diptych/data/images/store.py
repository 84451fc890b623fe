"""Pictures as pixels on disk: decoded once, memory-mapped ever after.

    pixels.u8        all pictures end to end, row by row, RGB
    NAME.map         maps with a number for each pixel, end to end: masks, depths
    index.npz        where pictures begin (in pixels), heights and widths, classes, parts
    facts.json       besides what is in all stores, the numbers that maps are of

Shapes: n pictures, N pixels of all of them.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import tee
from pathlib import Path
from typing import IO, Any, Self, get_args

import numpy as np
from jaxtyping import Int, Shaped, UInt8

from diptych.core import Picture, Record
from diptych.data.images.decoding import decode
from diptych.data.images.item import Item, Part
from diptych.data.stored import UNKNOWN, Items, Ledger, Stored, mapped
from diptych.data.tally import Tally

COLUMN = "image"  # of a record
MASK, DEPTH = "mask", "depth"  # maps of a corpus
IGNORE = 255  # by custom the number of pixels without a class


@dataclass(frozen=True, eq=False)
class Index:
    """What is known of each picture of a store."""

    edges: Int[np.ndarray, " n+1"]
    extent: Int[np.ndarray, "n 2"]
    classes: Int[np.ndarray, " n"]
    parts: Int[np.ndarray, " n"]


@dataclass(frozen=True, eq=False)
class Pictures(Stored):
    """A corpus of pictures, some with maps. Pixels of a mask that are `ignore` have no class."""

    noun = "picture"

    index: Index
    pixels: UInt8[np.ndarray, " 3N"]
    flat: Mapping[str, Shaped[np.ndarray, " N"]] = field(default_factory=dict)  # maps
    ignore: int = field(default=IGNORE, kw_only=True)

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
        row = self.row(i)
        height, width = self.index.extent[row].tolist()
        return int(self.index.edges[row]), int(self.index.edges[row + 1]), (height, width)

    @property
    def items(self) -> Items[Picture]:
        """The pictures, as a sequence."""
        return Items(self.picture, range(len(self)))

    def part(self, *names: Part) -> Int[np.ndarray, " m"]:
        """The places of the pictures of some parts."""
        numbers = [get_args(Part).index(name) for name in names]
        return np.flatnonzero(np.isin(self.of(self.index.parts), numbers))

    def ignoring(self, number: int) -> Self:
        """The same pictures, whose masks have this number where there is no class. Raises ValueError without masks."""
        if MASK not in self.flat:
            raise ValueError(f"{number} is a number in masks, and no mask comes with the pictures of {self.name}")
        return replace(self, ignore=number)


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
        self.folder, self.tally, self.ledger = folder, tally, Ledger("picture", tally)
        self.extent: list[tuple[int, int]] = []
        self.parts: list[int] = []
        self.maps: dict[str, tuple[IO[bytes], str]] = {}

    def add(self, file: IO[bytes], item: Item, pixels: UInt8[np.ndarray, "h w 3"]) -> None:
        height, width = pixels.shape[:2]
        raw = np.ascontiguousarray(pixels).data
        file.write(raw)
        said = f"{height} {width} {item.label!r} {item.part} {[*item.maps]}"
        self.ledger.content.update(said.encode("utf-8", "surrogatepass"))
        self.ledger.content.update(raw)
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
                self.ledger.content.update(np.ascontiguousarray(found, kind).data)
        self.ledger.add(item.origin, item.label)
        self.extent.append((height, width))
        self.parts.append(UNKNOWN if item.part is None else get_args(Part).index(item.part))

    def close(self) -> None:
        for out, _ in self.maps.values():
            out.close()
        extent = np.array(self.extent, np.int32).reshape(-1, 2)
        edges = np.concatenate([[0], np.cumsum(extent.astype(np.int64).prod(1))])
        self.ledger.close(self.folder, edges=edges, extent=extent, parts=np.array(self.parts, np.int8))

    def facts(self, name: str, how: str) -> dict[str, Any]:
        """Raises DataError if there was no picture."""
        return {**self.ledger.facts(name, how), "maps": {k: kind for k, (_, kind) in self.maps.items()}}


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
    maps = {k: mapped(folder / f"{k}.map", kind) for k, kind in facts["maps"].items()}
    given = (name, facts["fingerprint"], facts["notes"], index, facts["names"])
    return Pictures(*given, mapped(folder / "pixels.u8", "u1"), maps, told=folder / "origins.txt")
