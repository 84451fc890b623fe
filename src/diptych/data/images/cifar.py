"""CIFAR as its authors give it, in the binary version. (The one for Python is pickled, and nothing is unpickled.)"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diptych.core import DataError
from diptych.data.images.item import Item, Part
from diptych.data.tally import Tally
from diptych.plural import counted

BINARY = re.compile(r"(data_batch_\d+|test_batch|train|test)\.bin")
SIDE = 32
META = {1: "batches.meta.txt", 2: "fine_label_names.txt"}  # by the labels before each picture


@dataclass(frozen=True)
class Cifar:
    """The binary version of CIFAR-10 (a label before each picture) or CIFAR-100 (two labels, the fine one last)."""

    name: str
    digest: str
    files: Sequence[Path]

    def items(self, tally: Tally) -> tuple[str, Iterator[Item]]:
        return "the binary version of CIFAR", (item for file in self.files for item in self._items(file))

    def _items(self, file: Path) -> Iterator[Item]:
        raw = np.fromfile(file, np.uint8)
        labels = next((many for many in META if len(raw) and len(raw) % (3 * SIDE**2 + many) == 0), None)
        if labels is None:
            raise DataError(
                f"{file} is not of CIFAR's binary version: {counted(len(raw), 'byte')} are no whole number of pictures"
            )
        names = [*_lines(file.with_name(META[labels]))]
        rows = raw.reshape(-1, 3 * SIDE**2 + labels)
        part: Part = "test" if file.name.startswith("test") else "train"
        for i, row in enumerate(rows):
            number = int(row[labels - 1])
            label = names[number] if number < len(names) else str(number)
            pixels = row[labels:].reshape(3, SIDE, SIDE).transpose(1, 2, 0)
            yield Item(np.ascontiguousarray(pixels), label, part, origin=f"{file.name} {i}")


def _lines(path: Path) -> Iterator[str]:
    if path.exists():
        yield from filter(None, (line.strip() for line in path.read_text("utf-8", "replace").splitlines()))
