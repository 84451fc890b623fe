"""Folders of picture files: a class is a folder, or nothing is said of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from diptych.core import DataError
from diptych.data import cache
from diptych.data.files import shown, special
from diptych.data.images.item import PARTS, Item
from diptych.data.tally import Tally

PICTURES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp", ".avif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm",
    ".pnm", ".jp2", ".tga", ".ico", ".pcx",
)  # fmt: skip


def is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURES


@dataclass(frozen=True)
class Folder:
    """Files below a folder, each a picture; those that are none are counted.

    A picture's class is the folder that it is in, right below the root, or below train/, val/ and test/, which are then
    the parts of the data. What lies in the root has no class.
    """

    name: str
    root: Path
    files: Sequence[Path]

    @property
    def digest(self) -> str:
        """Of names, sizes and times of change: to read all bytes would take as long as to decode them."""
        stats = ((file, file.stat()) for file in self.files if file.exists())
        return cache.key("folder", *(f"{file.relative_to(self.root)} {x.st_size} {x.st_mtime_ns}" for file, x in stats))

    def items(self, tally: Tally) -> tuple[str, Iterator[Item]]:
        pictures = [file for file in self.files if is_picture(file) and not special(file)]
        if not pictures:
            raise DataError(
                f"there is no picture in {self.root}: none of its {len(self.files)} files is one by its name"
            )
        others = sorted({shown(file.suffix or file.name) for file in self.files if not is_picture(file)})
        left = len(self.files) - len(pictures)
        tally.add("file", f"not read, no picture by its name ({', '.join(others[:10])})", left)
        parts = {file.relative_to(self.root).parts[0].lower() for file in pictures} <= PARTS.keys()
        how = "a picture is a file, its class the folder it is in" if self._labelled(pictures, parts) else "no classes"
        return how, (self._item(file, parts) for file in pictures)

    def _labelled(self, pictures: Sequence[Path], parts: bool) -> bool:
        return any(self._item(file, parts).label is not None for file in pictures)

    def _item(self, file: Path, parts: bool) -> Item:
        *folders, _ = file.relative_to(self.root).parts
        part = PARTS[folders.pop(0).lower()] if parts and folders else None
        return Item(file, shown(folders[0]) if folders else None, part, origin=str(file.relative_to(self.root)))
