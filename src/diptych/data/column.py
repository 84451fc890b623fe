"""A column on disk, as a Python sequence."""

from collections.abc import Iterator, Sequence
from typing import Any, Generic, TypeVar, overload

import numpy as np
import pyarrow as pa

from diptych.plural import counted

T = TypeVar("T")
TOGETHER = 512  # values that are decoded at once when all are wanted


class Column(Sequence[T], Generic[T]):
    """Values of an Arrow column, decoded when they are asked for; a slice is a Column.

    `rows` chooses some of them, in its order.
    """

    def __init__(self, values: pa.ChunkedArray, rows: np.ndarray | None = None):
        self._values, self._rows = values, rows

    def __len__(self) -> int:
        return len(self._values) if self._rows is None else len(self._rows)

    @overload
    def __getitem__(self, i: int) -> T: ...
    @overload
    def __getitem__(self, i: slice) -> "Column[T]": ...
    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            start, stop, step = i.indices(len(self))
            if self._rows is None and step == 1:
                return Column(self._values.slice(start, max(0, stop - start)))
            return self.take(np.arange(start, stop, step))
        if not -len(self) <= i < len(self):
            raise IndexError(f"there is no place {i} among {counted(len(self), 'value')}")
        return self._values[i if self._rows is None else int(self._rows[i])].as_py()

    def __iter__(self) -> Iterator[T]:
        if self._rows is not None:
            for start in range(0, len(self), TOGETHER):
                yield from (self._values[row].as_py() for row in self._rows[start : start + TOGETHER].tolist())
            return
        for chunk in self._values.chunks:
            for start in range(0, len(chunk), TOGETHER):
                yield from chunk.slice(start, TOGETHER).to_pylist()

    def __repr__(self) -> str:
        return f"<{counted(len(self), 'value')}>"

    def take(self, rows: np.ndarray) -> "Column[T]":
        """The values at these places."""
        return Column(self._values, rows if self._rows is None else self._rows[rows])
