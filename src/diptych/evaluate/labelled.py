"""Labelled texts in a file: columns `text` and `label`, and `split` where parts are given."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Int

from diptych.core import DataError
from diptych.data.columns import listed
from diptych.evaluate.columns import columns, stem, strings
from diptych.evaluate.split import split
from diptych.labels import label_of
from diptych.plural import counted

PARTS = {
    "train": "train",
    "training": "train",
    "dev": "dev",
    "val": "dev",
    "valid": "dev",
    "validation": "dev",
    "trial": "dev",
    "test": "test",
}


@dataclass(frozen=True)
class Parts:
    """The places of rows that are learned from, tuned on (none: on a part of `train`) and asked."""

    train: Int[np.ndarray, " train"]
    dev: Int[np.ndarray, " dev"] | None
    test: Int[np.ndarray, " test"]
    given: bool = True

    @property
    def of_test(self) -> str:
        """What the asked rows are."""
        return "test rows" if self.given else "test rows, a random tenth"


@dataclass(frozen=True)
class Labelled:
    """Texts (one list, or two of a pair's), the number of each one's class, and the classes' names.

    `split` has the places of the labelled rows of each given part; it is empty if all rows are of one. `notes` say what
    was left out.
    """

    name: str
    texts: tuple[list[str], ...]
    classes: Int[np.ndarray, " n"]
    names: list[str]
    split: dict[str, Int[np.ndarray, " m"]] = field(default_factory=dict)
    notes: Sequence[str] = ()

    def parts(self) -> Parts:
        """The given split; without one, the project's random tenth as test.

        Raises DataError if a given split has no training or no test row with a label, no test row is of a class of the
        training rows, or all training rows are of one class.
        """
        if not self.split:
            if len(self.classes) < 2:
                raise DataError(f"{self.name}: one labelled row cannot be split into training and test")
            train, test = split(len(self.classes))
            return self._told_apart(Parts(train, None, test, given=False))
        for part in ("train", "test"):
            if part not in self.split:
                raise DataError(f"{self.name}: no row is of the split {part!r}; there are {listed([*self.split])}")
            if not len(self.split[part]):
                raise DataError(
                    f"{self.name}: no row of the split {part!r} has a label, so there is nothing to judge by"
                )
        train, dev, test = self.split["train"], self.split.get("dev"), self.split["test"]
        parts = self._told_apart(Parts(train, dev if dev is not None and len(dev) else None, test))
        if not np.isin(self.classes[test], self.classes[train]).any():
            there = listed([self.names[x] for x in np.unique(self.classes[test])[:5]])
            raise DataError(f"{self.name}: test rows are labelled {there}, and no training row is")
        return parts

    def _told_apart(self, parts: Parts) -> Parts:
        if len(only := np.unique(self.classes[parts.train])) < 2:
            raise DataError(
                f"{self.name}: all training rows are of one class, {self.names[only[0]]!r}; two are needed at least"
            )
        return parts


@dataclass(frozen=True)
class OfLabelled:
    """What tasks on labelled texts have in common."""

    data: Labelled

    @property
    def name(self) -> str:
        return self.data.name

    @property
    def texts(self) -> Sequence[str]:
        return [text for side in self.data.texts for text in side]

    @property
    def notes(self) -> Sequence[str]:
        return self.data.notes


@dataclass(frozen=True)
class OfParts(OfLabelled):
    """The same, of tasks that learn from some rows and ask others."""

    parts: Parts

    @property
    def notes(self) -> Sequence[str]:
        n = len(self.parts.test)
        drawn = f"{self.name}: no split is given, so a random tenth of the rows, {n:,}, is the test"
        return [*self.data.notes, *([] if self.parts.given else [drawn])]


def read(path: Path, texts: Sequence[str] = ("text",), sparing: bool = False) -> Labelled:
    """The labelled texts in a table. With `sparing`, rows without a label are left out, as long as some have one.

    Raises DataError that names what is wrong: a missing column, a row without text or label, a class alone.
    """
    table, notes = columns(path, [*texts, "label"], ["split"])
    labels = [label_of(value) for value in table["label"]]
    there = [row for row, label in enumerate(labels) if label is not None]
    if len(there) < len(labels) and not (sparing and there):
        missing = next(row for row, label in enumerate(labels, 1) if label is None)
        raise DataError(
            f"{path}: no label: {len(labels) - len(there):,} of {counted(len(labels), 'row')}, as row {missing}"
        )
    names, classes = np.unique([labels[row] for row in there], return_inverse=True)
    if len(names) < 2:
        raise DataError(f"{path}: all rows are of one class, {str(names[0])!r}; two are needed at least")
    kept = tuple([column[row] for row in there] for column in (strings(path, x, table[x]) for x in texts))
    parts = _parts(path, list(map(str, table.get("split", []))), there)
    if left := len(labels) - len(there):
        notes.append(f"{stem(path)}: no label, and left out: {left:,} of {counted(len(labels), 'row')}")
    return Labelled(stem(path), kept, classes, [str(x) for x in names], parts, notes)


def _parts(path: Path, given: Sequence[str], there: Sequence[int]) -> dict[str, Int[np.ndarray, " m"]]:
    """The parts that any row is of, and their places among the rows that are `there`."""
    if len({*given}) < 2:
        return {}
    if unknown := sorted({*given} - {*PARTS}):
        raise DataError(f"{path}: there is no split {listed(unknown)}; splits are train, dev (or val) and test")
    names = np.array([PARTS[name] for name in given])
    return {str(name): np.flatnonzero(names[there] == name) for name in np.unique(names)}
