"""Corpora on disk whose items stay there until they are looked at: what pictures and graphs have in common.

    index.npz        of each item its class, and where it is in the other files
    origins.txt      where each is from, a line each
    facts.json       names of classes, notes, the fingerprint, and what else is the same for all

Shapes: n items.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar, overload

import numpy as np
from jaxtyping import Int

from diptych.core import DataError
from diptych.data import cache, chosen
from diptych.data.files import shown
from diptych.data.tally import Tally
from diptych.plural import counted

UNKNOWN = -1  # class
T = TypeVar("T")


def given(noun: str) -> str:
    """How the name of a corpus begins that was given to a recipe in place of a path."""
    return f"<{noun.capitalize()}s of Python: "


class Index(Protocol):
    """What is known of each item of a store, in memory."""

    @property
    def classes(self) -> Int[np.ndarray, " n"]: ...


@dataclass(frozen=True, eq=False)
class Stored:
    """Items of a corpus, by number.

    `labels` is None where the source has none; a single label is None where its item has none. `notes` are sentences
    for a person: what was understood of the source, and how much of it was left out and why. `rows` chooses items, in
    its order; None is all of them. `told` is the file of origins.
    """

    noun: ClassVar[str]

    name: str
    fingerprint: str
    notes: list[str]
    index: Index
    names: Sequence[str]  # of classes
    rows: Int[np.ndarray, " n"] | None = field(default=None, kw_only=True)
    told: Path | None = field(default=None, kw_only=True)

    def __str__(self) -> str:
        """What `run.toml` calls a corpus that was given to a recipe in place of a path."""
        return f"{given(self.noun)}{self.name}>"

    def __len__(self) -> int:
        return len(self.index.classes) if self.rows is None else len(self.rows)

    def row(self, i: int) -> int:
        """Where item i is in the index. Raises IndexError if there is no such item."""
        return chosen.row(self.rows, len(self), i, self.noun)

    def of(self, x: Int[np.ndarray, " N"]) -> Int[np.ndarray, " n"]:
        """A column of the index, for the items that were chosen."""
        return x if self.rows is None else x[self.rows]

    @cached_property
    def labels(self) -> list[str | None] | None:
        classes = self.of(self.index.classes)
        if not (classes != UNKNOWN).any():
            return None
        return [None if k == UNKNOWN else self.names[k] for k in classes.tolist()]

    @cached_property
    def origins(self) -> list[str]:
        """Where each item is from, in words."""
        whole = len(self.index.classes)
        lines = self.told.read_text("utf-8").split("\n") if self.told else [""] * whole
        return lines[:whole] if self.rows is None else [lines[row] for row in self.rows.tolist()]

    def select(self, indices: Iterable[int]) -> Self:
        """The items at these places, in this order. Raises IndexError if there is no such place."""
        these = chosen.places(indices, len(self), self.noun)
        rows = these if self.rows is None else self.rows[these]
        return replace(self, rows=rows, fingerprint=cache.key("select", self.fingerprint, these))


@dataclass(frozen=True)
class Items(Sequence[T], Generic[T]):
    """Items at some places; a slice is as lazy as the whole."""

    of: Callable[[int], T]
    at: range

    def __len__(self) -> int:
        return len(self.at)

    @overload
    def __getitem__(self, i: int) -> T: ...
    @overload
    def __getitem__(self, i: slice) -> "Items[T]": ...
    def __getitem__(self, i: int | slice) -> "T | Items[T]":
        return Items(self.of, self.at[i]) if isinstance(i, slice) else self.of(self.at[i])


class Ledger:
    """What is remembered of each item while a store is written, and the hash of all that was."""

    def __init__(self, noun: str, tally: Tally):
        self.noun, self.tally, self.content = noun, tally, blake2b(digest_size=16)
        self.origins: list[str] = []
        self.names: dict[str, int] = {}
        self._classes: list[int] = []

    def __len__(self) -> int:
        return len(self.origins)

    def add(self, origin: str, label: str | None) -> None:
        self.origins.append(" ".join(shown(origin).split()))
        self._classes.append(UNKNOWN if label is None else self.names.setdefault(label, len(self.names)))

    def close(self, folder: Path, **index: np.ndarray) -> None:
        """Writes origins and the index."""
        (folder / "origins.txt").write_text("\n".join(self.origins), "utf-8")
        arrays: dict[str, Any] = {"classes": np.array(self._classes, np.int32), **index}
        np.savez(folder / "index.npz", **arrays)

    def facts(self, name: str, how: str) -> dict[str, Any]:
        """What is the same for all items. Raises DataError if there is none."""
        if not self.origins:
            raise DataError("; ".join([f"there is no {self.noun} in {name}", *self.tally.sentences()]))
        heading = f"{counted(len(self), self.noun)} from {name}: {how}"
        if self.names:
            lacking = self._classes.count(UNKNOWN)
            without = f"; {counted(lacking, self.noun)} without one" if lacking else ""
            heading += f" ({counted(len(self.names), 'class')}{without})"
        notes, fingerprint = [heading, *self.tally.sentences()], self.content.hexdigest()
        return {"names": [*self.names], "notes": notes, "fingerprint": fingerprint}


def mapped(path: Path, kind: str) -> np.ndarray:
    """A file as a flat array, which reads what it is asked for, and cannot be changed."""
    if not path.stat().st_size:
        return np.empty(0, np.dtype(kind))
    return np.memmap(path, np.dtype(kind), "r").view(np.ndarray)
