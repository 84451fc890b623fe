"""Graphs in NumPy's arrays, end to end: one .npz file.

edge_index (2 E)                edges; nodes count over the whole file
node_ptr (g+1), edge_ptr (g+1)  where the nodes and edges of a graph begin
y (g)                           classes, if there are any
node_tag (N)                    node labels, if there are any; one label for all is none
node_attr (N a)                 node attributes, if there are any

Other arrays are not used, which is told.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from diptych.core import DataError
from diptych.data.columns import listed
from diptych.data.graphs.item import Item
from diptych.data.tally import Tally
from diptych.graphs import edges
from diptych.labels import label_of
from diptych.plural import counted

NEEDED = ("edge_index", "node_ptr", "edge_ptr")
USED = {*NEEDED, "y", "node_tag", "node_attr"}


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
        for name in sorted(found.keys() - USED):
            tally.add("array", f"not used: {name}")
        try:
            found |= _checked(found)
        except ValueError as error:
            raise DataError(f"{self.path}: {error}") from None
        told = [name for name in ("node_tag", "node_attr") if name in found]
        how = "arrays end to end" + (f", with {' and '.join(told)}" if told else "")
        return how, self._items(found)

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


def _checked(found: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Where nodes and edges are, as whole numbers. Raises ValueError for arrays that do not go together."""
    index = edges.of_index(found["edge_index"])
    of_nodes, of_edges = (_rising(found[name], name) for name in ("node_ptr", "edge_ptr"))
    if of_edges[-1] != index.shape[1]:
        raise ValueError(f"'edge_ptr' rises to {of_edges[-1]:,}, and there are {counted(index.shape[1], 'edge')}")
    graphs, nodes = len(of_nodes) - 1, int(of_nodes[-1])
    for name, length, axes in (
        ("edge_ptr", graphs + 1, 1),
        ("y", graphs, 1),
        ("node_tag", nodes, 1),
        ("node_attr", nodes, 2),
    ):
        given = found.get(name)
        if given is not None and (given.ndim != axes or len(given) != length):
            due = f"[{length:,}{', attributes' if axes == 2 else ''}]"
            raise ValueError(f"{graphs:,} graphs of {nodes:,} nodes have {name!r} of {due}; got {list(given.shape)}")
    for name, kinds in (("node_tag", "iufbUS"), ("node_attr", "iufb")):
        given = found.get(name)
        if given is not None and (given.dtype.kind not in kinds or (given.dtype.kind == "f" and np.isnan(given).any())):
            raise ValueError(f"{name!r} holds something that is no number")
    return {"edge_index": index, "node_ptr": of_nodes, "edge_ptr": of_edges}


def _rising(given: np.ndarray, name: str) -> np.ndarray:
    """Where each begins and the last ends. Raises ValueError for what does not rise from 0."""
    x = edges.whole(given, repr(name))
    if x.ndim != 1 or not len(x) or x[0] != 0 or (np.diff(x) < 0).any():
        raise ValueError(f"{name!r} is a row of numbers that rises from 0")
    return x
