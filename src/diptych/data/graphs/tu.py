"""The format of the TU collection (Morris et al., arXiv:2007.08663): a folder of text files that share a name.

    NAME_A.txt                 an edge a line, "i, j"; nodes count from 1 over all graphs
    NAME_graph_indicator.txt   the graph of each node, counted from 1
    NAME_graph_labels.txt      the class of each graph, if there are classes
    NAME_node_labels.txt       the label of each node (the first number of a line), if there are any
    NAME_node_attributes.txt   numbers of each node, if there are any

Labels and attributes of edges are not used, which is told.
"""

import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from diptych.core import DataError
from diptych.data.graphs.item import Item
from diptych.data.tally import Tally
from diptych.graphs.edges import FEW, SPARSE
from diptych.labels import label_of
from diptych.plural import counted

PARTS = ("A", "graph_indicator", "graph_labels", "node_labels", "node_attributes", "edge_labels", "edge_attributes",
         "graph_attributes")  # fmt: skip
NEEDED = ("A", "graph_indicator")
UNUSED = ("edge_labels", "edge_attributes", "graph_attributes")
NAMED = re.compile(rf"(.+)_({'|'.join(PARTS)})\.txt")


def stem(file: Path) -> str | None:
    """The name of the data set that a file belongs to: MUTAG of MUTAG_A.txt."""
    found = NAMED.fullmatch(file.name)
    return found[1] if found else None


def files(folder: Path, name: str) -> list[Path]:
    return [path for part in PARTS if (path := folder / f"{name}_{part}.txt").exists()]


@dataclass(frozen=True)
class Tu:
    name: str
    digest: str
    folder: Path
    stem: str

    def items(self, tally: Tally) -> tuple[str, Iterator[Item]]:
        """Raises DataError for a file that is missing or damaged."""
        for part in NEEDED:
            if not self._path(part).exists():
                raise DataError(f"{self.folder} lacks {self.stem}_{part}.txt, without which there are no graphs")
        for part in UNUSED:
            if self._path(part).exists():
                tally.add("file", f"not used: {part.replace('_', ' ')}")
        given = [part for part in ("graph_labels", "node_labels", "node_attributes") if self._path(part).exists()]
        how = f"TU format, with {', '.join(part.replace('_', ' ') for part in given) or 'no labels'}"
        return how, self._items(tally)

    def _path(self, part: str) -> Path:
        return self.folder / f"{self.stem}_{part}.txt"

    def _read(self, part: str, kind: type, columns: int | None = None) -> Shaped[np.ndarray, "n c"] | None:
        """Numbers of a file, or None. Raises DataError for words, holes, and another number of columns than is due."""
        path = self._path(part)
        if not path.exists():
            return None
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of an empty file
                text = path.read_text().replace(",", " ").splitlines()
                found: np.ndarray = np.loadtxt(text, kind, ndmin=2)
        except ValueError as error:
            raise DataError(f"{path}: numbers are due; {error}") from None
        if found.size and columns not in (None, found.shape[1]):
            raise DataError(f"{path}: a line has {counted(columns, 'number')}; got {found.shape[1]}")
        return found

    def _items(self, tally: Tally) -> Iterator[Item]:
        edges, indicator = self._read("A", int, 2), self._read("graph_indicator", int, 1)
        assert edges is not None, "see `items`"
        assert indicator is not None, "see `items`"
        graph = indicator.reshape(-1) - 1
        edges = edges.reshape(-1, 2).T - 1
        labels, tags, rows = (
            self._read("graph_labels", float),
            self._read("node_labels", float),
            self._read("node_attributes", float),
        )
        for part, x in (("graph_labels", labels), ("node_labels", tags)):
            more = 0 if x is None else x.shape[1] - 1
            tally.add("number", f"of each line of {self.stem}_{part}.txt not used, behind the first", max(0, more))
        self._check(graph, edges, {"node_labels": tags, "node_attributes": rows})
        if tags is not None and np.isnan(tags[:, 0]).any():
            raise DataError(f"{self._path('node_labels')}: a label is no number")
        many = self._graphs(graph, labels)
        order = np.argsort(graph, kind="stable")
        place = np.empty_like(order)  # of a node within its graph
        starts = np.concatenate([[0], np.cumsum(np.bincount(graph, minlength=many))])
        place[order] = np.arange(len(graph)) - starts[graph[order]]
        of = graph[edges[0]]
        by = np.argsort(of, kind="stable")
        ends = np.concatenate([[0], np.cumsum(np.bincount(of, minlength=many))])
        for i in range(many):
            nodes = order[starts[i] : starts[i + 1]]
            yield Item(
                len(nodes),
                place[edges[:, by[ends[i] : ends[i + 1]]]],
                None if labels is None else label_of(float(labels[i, 0])),
                None if tags is None else [str(label_of(x)) for x in tags[nodes, 0].tolist()],
                rows[nodes] if rows is not None else None,
                f"{self.stem}, graph {i + 1}",
            )

    def _check(
        self,
        graph: Shaped[np.ndarray, " n"],
        edges: Shaped[np.ndarray, "2 e"],
        of_nodes: dict[str, Shaped[np.ndarray, "n c"] | None],
    ) -> None:
        n = len(graph)
        if n and graph.min() < 0:
            raise DataError(f"{self._path('graph_indicator')}: graphs count from 1; got {graph.min() + 1}")
        if n and graph.max() >= max(FEW, SPARSE * n):
            raise DataError(f"{self._path('graph_indicator')}: {n:,} nodes are of graphs up to {graph.max() + 1:,}")
        if edges.size and not 0 <= edges.min() <= edges.max() < n:
            wrong = edges.min() if edges.min() < 0 else edges.max()
            raise DataError(f"{self._path('A')}: an edge goes to node {wrong + 1}, and nodes are 1 to {n:,}")
        apart = np.flatnonzero(graph[edges[0]] != graph[edges[1]])
        if len(apart):
            one, other = (edges[:, apart[0]] + 1).tolist()
            raise DataError(f"{self._path('A')}, line {apart[0] + 1}: nodes {one} and {other} are of two graphs")
        for part, x in of_nodes.items():
            if x is not None and len(x) != n:
                raise DataError(f"{self._path(part)} has {counted(len(x), 'line')}, and there are {n:,} nodes")

    def _graphs(self, graph: Shaped[np.ndarray, " n"], labels: Shaped[np.ndarray, "g c"] | None) -> int:
        """How many there are: as many as have a class, so that one without a node is seen, and told."""
        many = int(graph.max()) + 1 if len(graph) else 0
        if labels is None:
            return many
        if len(labels) < many:
            raise DataError(
                f"{self._path('graph_labels')} has {counted(len(labels), 'line')}, and there are {many:,} graphs"
            )
        return len(labels)
