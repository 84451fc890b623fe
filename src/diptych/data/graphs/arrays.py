"""Graphs in NumPy's arrays, end to end: one .npz file.

edge_index (2 E)                edges; nodes count over the whole file
node_ptr (g+1), edge_ptr (g+1)  where the nodes and edges of a graph begin
y (g)                           classes, if there are any
node_tag (N)                    node labels, if there are any; one label for all is none
node_attr (N a)                 node attributes, if there are any
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diptych.core import DataError
from diptych.data.columns import label_of, listed
from diptych.data.graphs.item import Item
from diptych.data.tally import Tally

NEEDED = ("edge_index", "node_ptr", "edge_ptr")


@dataclass(frozen=True)
class Arrays:
    name: str
    digest: str
    path: Path

    def items(self, tally: Tally) -> tuple[str, Iterator[Item]]:
        """Raises DataError for arrays that are missing, or do not go together."""
        try:
            with np.load(self.path, allow_pickle=False) as file:
                found = {name: file[name] for name in file.files}
        except Exception as error:  # NumPy says in many ways that a file is none
            raise DataError(f"{self.path} is not a file of arrays that can be read: {error}") from None
        if missing := [name for name in NEEDED if name not in found]:
            raise DataError(
                f"{self.path} is no file of graphs: it lacks {listed(missing)}; there are {listed([*found])}"
            )
        self._check(found)
        told = [name for name in ("node_tag", "node_attr") if name in found]
        how = "arrays end to end" + (f", with {' and '.join(told)}" if told else "")
        return how, self._items(found)

    def _check(self, found: dict[str, np.ndarray]) -> None:
        graphs, edges = len(found["node_ptr"]) - 1, found["edge_index"]
        nodes = int(found["node_ptr"][-1])
        shapes = {"edge_ptr": (graphs + 1,), "y": (graphs,), "node_tag": (nodes,)}
        for name, shape in shapes.items():
            if name in found and found[name].shape != shape:
                given = list(found[name].shape)
                raise DataError(f"{self.path}: {graphs:,} graphs have {name!r} of {list(shape)}; got {given}")
        for name, last in (("node_ptr", nodes), ("edge_ptr", edges.shape[-1])):
            ends = found[name]
            if len(ends) < 1 or ends[0] != 0 or ends[-1] != last or (np.diff(ends) < 0).any():
                raise DataError(f"{self.path}: {name!r} rises from 0 to {last:,}, where the last graph ends")
        if edges.shape[0] != 2 or edges.ndim != 2:
            raise DataError(f"{self.path}: 'edge_index' is [2, edges]; got {list(edges.shape)}")

    def _items(self, found: dict[str, np.ndarray]) -> Iterator[Item]:
        starts, ends = found["node_ptr"].tolist(), found["edge_ptr"].tolist()
        for i in range(len(starts) - 1):
            nodes = slice(starts[i], starts[i + 1])
            tags, rows = found.get("node_tag"), found.get("node_attr")
            yield Item(
                starts[i + 1] - starts[i],
                found["edge_index"][:, ends[i] : ends[i + 1]] - starts[i],
                label_of(found["y"][i].item()) if "y" in found else None,
                None if tags is None else tags[nodes],
                None if rows is None else rows[nodes],
                f"{self.path.name}, graph {i}",
            )
