"""Folders of picture files: a class is a folder, or nothing is said of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from diptych.core import DataError
from diptych.data import cache
from diptych.data.columns import listed
from diptych.data.files import shown, special
from diptych.data.images.item import PARTS, Item
from diptych.data.tally import Tally

PICTURES = (
    ".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".gif", ".webp", ".avif", ".tif", ".tiff", ".ppm", ".pgm", ".pbm",
    ".pnm", ".jp2", ".tga", ".ico", ".pcx",
)  # fmt: skip
UNLABELLED = ("unlabeled", "unlabelled")


def is_picture(path: Path) -> bool:
    return path.suffix.lower() in PICTURES


@dataclass(frozen=True)
class Folder:
    """Files below a folder, each a picture; those that are none are counted.

    A picture's class is the folder that it is in, right below the root; or below train/, val/ and test/, where there
    are train/ and test/, or nothing else. They are then the parts of the data, unlabeled/ is of the training part and
    has no classes, and what lies beside them is left out. What lies in the root has no class.
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
        tops = {file.relative_to(self.root).parts[0].lower() for file in pictures if file.parent != self.root}
        there = {PARTS[top] for top in tops & PARTS.keys()}
        parts = bool(there) and (tops - {*UNLABELLED} <= PARTS.keys() or {"train", "test"} <= there)
        if parts:
            inside = [file for file in pictures if self._top(file) in {*PARTS, *UNLABELLED}]
            tally.add(
                "picture",
                f"left out: beside {listed(sorted(tops & PARTS.keys()))}, and in none of them",
                len(pictures) - len(inside),
            )
            pictures = inside
        elif there:
            named = sorted(tops & PARTS.keys())
            told = f"read as a class though it is called a part ({listed(named)}): others lie beside"
            tally.add("folder", told, len(named))
        how = "a picture is a file, its class the folder it is in" if self._labelled(pictures, parts) else "no classes"
        return how, (self._item(file, parts) for file in pictures)

    def _top(self, file: Path) -> str:
        return "" if file.parent == self.root else file.relative_to(self.root).parts[0].lower()

    def _labelled(self, pictures: Sequence[Path], parts: bool) -> bool:
        return any(self._item(file, parts).label is not None for file in pictures)

    def _item(self, file: Path, parts: bool) -> Item:
        *folders, _ = file.relative_to(self.root).parts
        part = PARTS.get(folders.pop(0).lower(), "train") if parts else None
        label = None if not folders or (parts and self._top(file) in UNLABELLED) else shown(folders[0])
        return Item(file, label, part, origin=str(file.relative_to(self.root)))
