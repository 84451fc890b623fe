"""Graphs as lines of JSON: an edge list, or a graph of NetworkX as `node_link_data` writes it.

    {"edges": [[0, 1], [1, 2]], "num_nodes": 3, "node_labels": ["C", "O", "C"], "x": [[0.5], ...], "label": "toxic"}
    {"nodes": [{"id": "a", "label": "C"}, ...], "links": [{"source": "a", "target": "b"}, ...], "graph": {"label": 1}}

Of an edge list everything but "edges" may be missing; nodes are then 0 to the highest that an edge names. In place of
"edges", "edge_index" has a row of sources and a row of targets. Attributes are called x, node_attributes, or features.
Of node-link graphs, labels of nodes are their "label", attributes "x". A label that is null is none, and then the nodes
of that graph have none, which is told; as is the name of all that is not used.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diptych.core import DataError
from diptych.data.columns import LABEL
from diptych.data.files import opened, shown
from diptych.data.graphs.item import Item
from diptych.data.tally import Tally
from diptych.graphs import edges
from diptych.labels import label_of

SUFFIXES = (".jsonl", ".ndjson")
NAMED = 20  # parts that are not used, at most
WRITTEN = ("directed", "multigraph")  # what NetworkX says of its own way to write
ATTRIBUTES = ("x", "node_attributes", "features")


@dataclass(frozen=True)
class Lines:
    name: str
    digest: str
    files: Sequence[Path]

    def items(self, tally: Tally) -> tuple[str, Iterator[Item]]:
        return "lines of JSON", self._items(tally)

    def _items(self, tally: Tally) -> Iterator[Item]:
        unused: set[str] = set()
        for file in self.files:
            with opened(file) as text:
                for number, line in enumerate(text, 1):
                    if line.strip():
                        item, others = _item(line, f"{file.name}, line {number}")
                        for name in sorted({*others} - unused):
                            named = len(unused) < NAMED
                            tally.add("part", f"of graphs not used: {_printable(name) if named else 'and others'}")
                            unused.add(name)
                        yield item


def _item(line: str, origin: str) -> tuple[Item, list[str]]:
    """A graph, and what is not used of it. Raises DataError for what is no graph."""
    try:
        told = json.loads(line)
        if not isinstance(told, dict):
            raise TypeError("a JSON object is due, like {...}")
        if "nodes" in told:
            return _linked(told, origin)
        if "edges" not in told and "edge_index" not in told:
            raise KeyError("edges")
        return _listed(told, origin)
    except KeyError as error:
        raise DataError(f"{origin}: there is no {error.args[0]!r}") from None
    except (ValueError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise DataError(f"{origin} is no graph: {error}") from None


def _listed(told: Mapping[str, Any], origin: str) -> tuple[Item, list[str]]:
    between = "edge_index" if told.get("edges") is None else "edges"
    found = (edges.of_index if between == "edge_index" else edges.of_pairs)(told[between])
    labels, (of_nodes, rows) = told.get("node_labels"), _first(told, ATTRIBUTES)
    for name, x in (("node_labels", labels), (of_nodes, rows)):
        if x is not None and not isinstance(x, list):
            raise ValueError(f"{name} is a list with an entry for each node; got {x!r:.40}")
    known = [len(x) for x in (labels, rows) if x]
    n = edges.implied(found, known) if told.get("num_nodes") is None else edges.count(told["num_nodes"])
    names, some = _each(_named(labels or []))
    of_graph, label = _class(told)
    matrix = None if rows is None else _matrix(rows)
    item = Item(n, found, label, names, matrix, origin, ["labels"] if some else [])
    return item, _beside(told, {between, "num_nodes", "node_labels", of_nodes, of_graph})


def _linked(told: Mapping[str, Any], origin: str) -> tuple[Item, list[str]]:
    nodes = told["nodes"]
    if not isinstance(nodes, list) or not all(isinstance(node, dict) for node in nodes):
        raise TypeError('"nodes" is a list of objects, each with an "id"')
    place = {json.dumps(node["id"]): i for i, node in enumerate(nodes)}
    if len(place) < len(nodes):
        raise ValueError("two of its nodes have the same id")
    between = "links" if "links" in told else "edges"
    links, whole = told[between], told.get("graph") or {}
    ends = [[_at(place, link[side]) for side in ("source", "target")] for link in links]
    labels, some_labels = _each(_named([node.get("label") for node in nodes]))
    rows, some_rows = _each([node.get("x") for node in nodes])
    partly = [name for name, some in (("labels", some_labels), ("attributes", some_rows)) if some]
    of_graph, label = _class({**whole, **{name: x for name, x in told.items() if x is not None}})
    matrix = None if rows is None else _matrix(rows)
    item = Item(len(nodes), edges.of_pairs(ends), label, labels, matrix, origin, partly)
    others = {*_beside(told, {"nodes", between, "graph", of_graph, *WRITTEN})}
    others |= {f"{name} of the graph" for name in _beside(whole, {of_graph})}
    others |= {f"{name} of nodes" for node in nodes for name in _beside(node, {"id", "label", "x"})}
    others |= {f"{name} of edges" for link in links for name in _beside(link, {"source", "target", "key"})}
    return item, sorted(others)


def _beside(told: Mapping[str, Any], used: Collection[str | None]) -> list[str]:
    """What there is besides."""
    return [name for name, x in told.items() if name not in used and x is not None]


def _first(told: Mapping[str, Any], names: Sequence[str]) -> tuple[str | None, Any]:
    """The first of these that is there, and its name."""
    return next(((name, told[name]) for name in names if told.get(name) is not None), (None, None))


def _each(given: Sequence[Any]) -> tuple[Sequence[Any] | None, bool]:
    """What all nodes have, else None; and whether some have it and others lack it."""
    lacking = [x is None for x in given]
    return (given, False) if given and not any(lacking) else (None, not all(lacking))


def _named(labels: Sequence[Any]) -> list[str | None]:
    """Labels of nodes. Raises ValueError for one that is several."""
    if several := [x for x in labels if isinstance(x, list | dict)]:
        raise ValueError(f"a label of a node is a word or a number; got {several[0]!r:.40}")
    return [label_of(x) for x in labels]


def _at(place: Mapping[str, int], node: Any) -> int:
    if (key := json.dumps(node)) not in place:
        raise ValueError(f"an edge goes to node {node!r}, which is not among its nodes")
    return place[key]


def _matrix(rows: Sequence[Any]) -> np.ndarray:
    try:
        x = np.array(rows, float)
    except (ValueError, TypeError):
        raise ValueError("attributes are a row of numbers for each node, all of one length") from None
    return x.reshape(len(x), -1) if x.size else x.reshape(len(x), 0)


def _class(told: Mapping[str, Any]) -> tuple[str | None, str | None]:
    """What says the class, and the class; of several numbers, as each node may have one, it is none."""
    for name in [*LABEL, "y"]:
        found = told.get(name)
        one = found[0] if isinstance(found, list) and len(found) == 1 else found
        if one is not None and not isinstance(one, list | dict):
            return name, label_of(one)
    return None, None


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else "?" for c in shown(name))[:60]
