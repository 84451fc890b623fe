"""Graphs that Python has already, as a corpus."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np

from diptych.core import DataError
from diptych.data.graphs.item import Item
from diptych.data.tally import Tally
from diptych.graphs.objects import class_of, given, several
from diptych.plural import counted


@dataclass(frozen=True, eq=False)
class Memory:
    """Graphs of NetworkX or of PyTorch Geometric, with a class each where `labels` are given, else as they say.

    Raises ValueError for what is no list of graphs, or if there are not as many labels.
    """

    graphs: Sequence[Any]
    classes: Sequence[object] | None = None
    name: str = "graphs"
    origin: str = ""  # what their numbers follow, where something is said of one

    @staticmethod
    def of(graphs: Iterable[Any], labels: Iterable[object] | None, name: str) -> "Memory":
        several(graphs)
        found, classes = [*graphs], None if labels is None else [*labels]
        if classes is not None and len(classes) != len(found):
            told = f"{counted(len(found), 'graph')} and {counted(len(classes), 'label')}"
            raise ValueError(f"each graph has a label; got {told}")
        return Memory(found, classes, name)

    @property
    def digest(self) -> str:
        """Of all that is read of the graphs."""
        told = blake2b(digest_size=16)
        for item, said in self._read:
            x = np.empty(0) if item.attributes is None else item.attributes
            told.update(repr((item.n, item.label, said, item.nodes, item.partly, x.shape)).encode())
            told.update(item.edges.tobytes() + x.tobytes())
        return told.hexdigest()

    @cached_property
    def _read(self) -> list[tuple[Item, bool]]:
        """Graphs, and whether anything is said of their class."""
        return [self._item(i, raw) for i, raw in enumerate(self.graphs)]

    def items(self, tally: Tally) -> tuple[str, Iterator[Item]]:
        """Raises DataError for what is no graph."""
        for item, said in self._read:
            tally.add("graph", "without a class: its y is no single number", int(said and item.label is None))
        return "from Python", (item for item, _ in self._read)

    def _item(self, i: int, raw: Any) -> tuple[Item, bool]:
        origin = f"{self.origin}graph {i}"
        try:
            told = given(raw)
            label = told.label if self.classes is None else class_of(self.classes[i])
            item = Item(told.n, told.edges, label, told.labels, told.attributes(), origin, told.partly)
            return item, told.said and self.classes is None
        except ValueError as error:
            raise DataError(f"{origin}: {error}") from None
