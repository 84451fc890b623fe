"""Graphs on disk: read once, memory-mapped ever after.

    edges.i4         of each graph sources, then targets; sorted, both directions, none twice
    labels.i4        node labels by number, where all nodes have one
    attributes.f4    node attributes, where all nodes have as many
    index.npz        where nodes and edges of a graph begin, its class, its highest degree
    facts.json       besides what is in all stores, names of node labels, number of attributes

Shapes: g graphs, n nodes, e edges in both directions, N and E those of all graphs, a attributes.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import IO, Any

import numpy as np
from jaxtyping import Float, Int

from diptych.core import DataError, Graph, Record
from diptych.data import cache
from diptych.data.graphs.item import Item
from diptych.data.stored import Items, Ledger, Stored, mapped
from diptych.data.tally import Tally
from diptych.graphs.edges import checked, sparse
from diptych.graphs.features import Features, Kind
from diptych.labels import label_of
from diptych.plural import counted

COLUMN = "graph"  # of a record
DEGREES = 512  # that have a column of their own, at most
OF_NODES = {"labels": "labels.i4", "attributes": "attributes.f4"}  # files, by what they say of nodes


@dataclass(frozen=True, eq=False)
class Index:
    """What is known of each graph of a store."""

    nodes: Int[np.ndarray, " g+1"]
    edges: Int[np.ndarray, " g+1"]
    classes: Int[np.ndarray, " g"]
    degree: Int[np.ndarray, " g"]


@dataclass(frozen=True, eq=False)
class Graphs(Stored):
    """A corpus of graphs. `features` says what a node is described by; `kinds` what it can be."""

    noun = "graph"

    index: Index
    flat: Int[np.ndarray, " 2E"]
    features: Features
    node_names: Sequence[str] = ()  # of node labels
    numbers: Int[np.ndarray, " N"] | None = None
    attributes: Float[np.ndarray, "N a"] | None = None

    def __getitem__(self, i: int) -> Record:
        return {COLUMN: self.graph(i)}

    def graph(self, i: int) -> Graph:
        row = self.row(i)
        a, b = self.index.nodes[row : row + 2].tolist()
        c, d = self.index.edges[row : row + 2].tolist()
        edges = self.flat[2 * c : 2 * d].reshape(2, d - c)
        numbers = None if self.numbers is None else self.numbers[a:b]
        attributes = None if self.attributes is None else self.attributes[a:b]
        return Graph(self.features.of(b - a, edges, numbers, attributes), edges)

    @property
    def items(self) -> Items[Graph]:
        """The graphs, as a sequence."""
        return Items(self.graph, range(len(self)))

    @property
    def kinds(self) -> list[Kind]:
        """What nodes can be described by."""
        labels: list[Kind] = ["labels"] if self.numbers is not None else []
        attributes: list[Kind] = ["attributes"] if self.attributes is not None else []
        both: list[Kind] = ["both"] if labels and attributes else []
        return [*labels, *attributes, *both, "degree", "constant"]

    @cached_property
    def usual(self) -> Kind:
        """Node labels where there are two or more, else attributes, else nothing but that a node is there."""
        if self.numbers is not None and len(self.node_names) > 1:
            return "labels"
        return "attributes" if self.attributes is not None else "constant"

    def described(self, kind: Kind | None = None) -> "Graphs":
        """The same graphs, with nodes described otherwise. Raises ValueError for what the corpus does not have."""
        kind = kind or self.usual
        if kind not in self.kinds:
            raise ValueError(f"nodes of {self.name} can be described by {', '.join(self.kinds)}; got {kind!r}")
        columns = 0 if self.attributes is None else self.attributes.shape[1]
        widths = {
            "labels": len(self.node_names),
            "attributes": columns,
            "both": len(self.node_names) + columns,
            "degree": min(DEGREES, int(self.of(self.index.degree).max()) + 1),
            "constant": 1,
        }
        names = self.node_names if kind in ("labels", "both") else ()
        return self.told_by(Features(kind, widths[kind], tuple(names)))

    def told_by(self, features: Features) -> "Graphs":
        """The same graphs for a network that knows these features.

        Raises ValueError where the corpus lacks them, or has a node label or a number of attributes it does not know.
        """
        if features.kind not in self.kinds:
            raise ValueError(
                f"the network is told {features.kind} of nodes, and {self.name} has only {', '.join(self.kinds)}"
            )
        if unknown := [name for name in self.node_names if features.labels and name not in features.labels]:
            raise ValueError(
                f"the network knows the node labels {_few(features.labels)}, and {self.name} has also {_few(unknown)}: "
                "there is no column for it"
            )
        columns = 0 if self.attributes is None else self.attributes.shape[1]
        known = features.width - len(features.labels)
        if features.kind in ("attributes", "both") and columns != known:
            raise ValueError(f"the network is told {counted(known, 'attribute')} of a node; {self.name} has {columns}")
        told = replace(self, features=features, fingerprint=cache.key("told", self.fingerprint, repr(features)))
        if len(self.node_names) == 1 < len(features.labels):
            alike = f"all nodes have the label {self.node_names[0]!r}, of {len(features.labels)} that the network knows"
            told = replace(told, notes=[*self.notes, alike])
        return told._in_order(features.labels) if features.labels else told

    def _in_order(self, names: Sequence[str]) -> "Graphs":
        """The same, with the numbers that node labels have among `names`."""
        if tuple(names) == tuple(self.node_names):
            return self
        places = np.array([names.index(name) for name in self.node_names], np.int32)
        assert self.numbers is not None, "there are labels"
        return replace(self, node_names=tuple(names), numbers=places[self.numbers])

    def size(self, i: int) -> tuple[int, int]:
        """Nodes of graph i, and its edges, each once."""
        graph = self.graph(i)
        return len(graph.nodes), int((graph.edges[0] <= graph.edges[1]).sum())


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "") or "none"


# ---------------------------------------------------------------- writing


def write(folder: Path, name: str, how: str, items: Iterable[Item], tally: Tally) -> None:
    """Writes graphs in bounded memory. Those without a node are left out, and tallied.

    Edges are made to go both ways, and each once. Raises DataError for an edge to a node that there is not, features
    that do not go with the nodes, or if no graph is left.
    """
    writer = _Writer(folder, tally)
    try:
        for item in items:
            writer.add(item)
        writer.tell()
    finally:
        writer.close()
    (folder / "facts.json").write_text(json.dumps(writer.facts(name, how)))


def both_ways(item: Item, tally: Tally) -> Int[np.ndarray, "2 e"]:
    """The edges of a graph, sorted, each in both directions and none twice. Raises DataError as `write` does."""
    try:
        edges = checked(item.n, np.asarray(item.edges, np.int64).reshape(2, -1))
    except ValueError as error:
        raise DataError(f"{item.origin}: {error}") from None
    if sparse(item.n, edges) and item.nodes is None and item.attributes is None:
        raise DataError(
            f"{item.origin}: of {item.n:,} nodes so few as {len(np.unique(edges)):,} have an edge; number them from 0"
        )
    there = np.unique(edges[0] * item.n + edges[1])
    tally.add("edge", "given more than once in one direction, taken once", edges.shape[1] - len(there))
    source, target = np.divmod(there, max(1, item.n))
    whole = np.union1d(there, target * item.n + source)
    tally.add("edge", "given in one direction, taken in both", len(whole) - len(there))
    source, target = np.divmod(whole, max(1, item.n))
    tally.add("loop", "of a node with itself, kept", int((source == target).sum()))
    tally.add("node", "without an edge, kept", item.n - len(np.unique(source)))
    return np.stack([source, target]).astype(np.int32)


class _Writer:
    """Appends graphs to the files of a store, and keeps what the index will say."""

    def __init__(self, folder: Path, tally: Tally):
        self.folder, self.tally, self.ledger = folder, tally, Ledger("graph", tally)
        self.files: dict[str, IO[bytes]] = {k: (folder / k).open("wb") for k in ("edges.i4", *OF_NODES.values())}
        self.nodes, self.edges = [0], [0]
        self.degree: list[int] = []
        self.node_names: dict[str, int] = {}
        self.columns: int | None = None
        self.without: dict[str, str] = {}  # of each description, and what the first graph that lacks it said
        self.described: set[str] = set()  # what some graph had

    def add(self, item: Item) -> None:
        if item.n < 1 and not np.size(item.edges):
            self.tally.add("graph", "skipped: it has no node")
            return
        edges = both_ways(item, self.tally)
        self.described |= {file for name, file in OF_NODES.items() if name in item.partly}
        self._write("edges.i4", edges)
        self.ledger.content.update(f"{item.n} {item.label!r}".encode("utf-8", "surrogatepass"))
        self._labels(item)
        self._attributes(item)
        self.nodes.append(self.nodes[-1] + item.n)
        self.edges.append(self.edges[-1] + edges.shape[1])
        self.degree.append(int(np.bincount(edges[0], minlength=1).max()))
        self.ledger.add(item.origin, item.label)

    def _write(self, name: str, x: np.ndarray) -> None:
        raw = np.ascontiguousarray(x).data
        self.files[name].write(raw)
        self.ledger.content.update(raw)

    def _labels(self, item: Item) -> None:
        if item.nodes is None:
            self._lacks("labels.i4", f"not all nodes have labels; {_lacking(item, 'labels')}")
            return
        self.described.add("labels.i4")
        if "labels.i4" in self.without:
            return
        if len(item.nodes) != item.n:
            raise DataError(
                f"{item.origin}: {item.n} nodes and {counted(len(item.nodes), 'node label')}; each node has one"
            )
        given, numbers = np.unique(np.asarray(item.nodes), return_inverse=True)
        names = [name for x in given.tolist() if (name := label_of(x))]
        if len(names) < len(given):
            self._lacks("labels.i4", f"not all nodes have labels; some of {item.origin} have none")
            return
        known = [self.node_names.setdefault(name, len(self.node_names)) for name in names]
        self._write("labels.i4", np.array(known, np.int32)[numbers.reshape(-1)])

    def _attributes(self, item: Item) -> None:
        x = item.attributes
        if x is None:
            self._lacks("attributes.f4", f"not all nodes have attributes; {_lacking(item, 'attributes')}")
            return
        self.described.add("attributes.f4")
        if "attributes.f4" in self.without:
            return
        if x.ndim != 2 or len(x) != item.n:
            beyond = f" (an edge names node {item.n - 1})" if len(x) < item.n and item.n - 1 in item.edges else ""
            raise DataError(
                f"{item.origin}: {item.n} nodes{beyond} and attributes {list(x.shape)}; each node has a row"
            )
        if self.columns not in (None, x.shape[1]):
            self._lacks(
                "attributes.f4",
                f"not all nodes have as many attributes; {item.origin} has {x.shape[1]}, those before {self.columns}",
            )
            return
        with np.errstate(over="ignore"):
            kept = x.astype(np.float32)
        if not np.isfinite(kept).all():
            raise DataError(f"{item.origin}: an attribute of a node is no number of 32 bits")
        self.columns = x.shape[1]
        self._write("attributes.f4", kept)

    def _lacks(self, name: str, told: str) -> None:
        """Forgets what not all nodes have. (Most corpora have none of it, which is nothing to tell.)"""
        if name not in self.without:
            self.without[name] = told
            self.files.pop(name).close()
            (self.folder / name).unlink()

    def tell(self) -> None:
        """Of what some graphs have and others lack, that it is left out."""
        for name, told in self.without.items():
            if name in self.described:
                self.tally.add("node description", f"left out: {told}")

    def close(self) -> None:
        for file in self.files.values():
            file.close()
        nodes, edges = np.array(self.nodes, np.int64), np.array(self.edges, np.int64)
        self.ledger.close(self.folder, nodes=nodes, edges=edges, degree=np.array(self.degree, np.int32))

    def facts(self, name: str, how: str) -> dict[str, Any]:
        """Raises DataError if there was no graph."""
        return {
            **self.ledger.facts(name, how),
            "node_names": [*self.node_names] if "labels.i4" in self.files else [],
            "columns": self.columns if "attributes.f4" in self.files else None,
        }


def _lacking(item: Item, name: str) -> str:
    return f"some of {item.origin} have none" if name in item.partly else f"{item.origin} has none"


# ---------------------------------------------------------------- reading


def load(folder: Path, name: str) -> Graphs:
    """What `write` wrote, memory-mapped; node labels in an order of their own, whichever came first."""
    facts = json.loads((folder / "facts.json").read_text())
    with np.load(folder / "index.npz") as arrays:
        index = Index(*(arrays[k] for k in ("nodes", "edges", "classes", "degree")))
    ordered = sorted(facts["node_names"], key=_by_number)
    numbers = attributes = None
    if ordered:
        place = {label: i for i, label in enumerate(ordered)}
        numbers = np.array([place[label] for label in facts["node_names"]], np.int32)[
            mapped(folder / "labels.i4", "<i4")
        ]
    if facts["columns"]:
        attributes = mapped(folder / "attributes.f4", "<f4").reshape(-1, facts["columns"])
    given = (name, facts["fingerprint"], facts["notes"], index, facts["names"])
    flat, nothing, told = mapped(folder / "edges.i4", "<i4"), Features("constant", 1), folder / "origins.txt"
    found = Graphs(*given, flat, nothing, ordered, numbers, attributes, told=told)
    return found.described()


def _by_number(label: str) -> tuple[bool, float, str]:
    """Numbers by size, then words."""
    try:
        return False, float(label), label
    except ValueError:
        return True, 0.0, label
