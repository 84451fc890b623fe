"""Graphs as lines of JSON: an edge list, or a graph of NetworkX as `node_link_data` writes it.

    {"edges": [[0, 1], [1, 2]], "num_nodes": 3, "node_labels": ["C", "O", "C"], "x": [[0.5], ...], "label": "toxic"}
    {"nodes": [{"id": "a", "label": "C"}, ...], "links": [{"source": "a", "target": "b"}, ...], "graph": {"label": 1}}

Of an edge list everything but "edges" may be missing; nodes are then 0 to the highest that an edge names. In place of
"edges", "edge_index" has a row of sources and a row of targets. Attributes are called x, node_attributes, or features.
Of node-link graphs, labels of nodes are their "label", attributes "x". A label that is null is none, and then the nodes
of that graph have none.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diptych.core import DataError
from diptych.data.columns import LABEL, label_of
from diptych.data.files import opened
from diptych.data.graphs.item import Item
from diptych.data.tally import Tally
from diptych.graphs import edges

SUFFIXES = (".jsonl", ".ndjson")
ATTRIBUTES = ("x", "node_attributes", "features")


@dataclass(frozen=True)
class Lines:
    name: str
    digest: str
    files: Sequence[Path]

    def items(self, tally: Tally) -> tuple[str, Iterator[Item]]:
        return "lines of JSON", self._items()

    def _items(self) -> Iterator[Item]:
        for file in self.files:
            with opened(file) as text:
                for number, line in enumerate(text, 1):
                    if line.strip():
                        yield _item(line, f"{file.name}, line {number}")


def _item(line: str, origin: str) -> Item:
    """Raises DataError for what is no graph."""
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


def _listed(told: Mapping[str, Any], origin: str) -> Item:
    pairs = told.get("edges")
    found = edges.of_index(told["edge_index"]) if pairs is None else edges.of_pairs(pairs)
    labels = _labels(told.get("node_labels"))
    rows = next((told[name] for name in ATTRIBUTES if told.get(name) is not None), None)
    known = [len(x) for x in (labels, rows) if x is not None]
    n = edges.implied(found, known) if told.get("num_nodes") is None else edges.count(told["num_nodes"])
    return Item(n, found, _class(told), labels, None if rows is None else _matrix(rows), origin)


def _linked(told: Mapping[str, Any], origin: str) -> Item:
    nodes = told["nodes"]
    if not isinstance(nodes, list) or not all(isinstance(node, dict) for node in nodes):
        raise TypeError('"nodes" is a list of objects, each with an "id"')
    place = {json.dumps(node["id"]): i for i, node in enumerate(nodes)}
    if len(place) < len(nodes):
        raise ValueError("two of its nodes have the same id")
    links = told["links"] if "links" in told else told["edges"]
    ends = [[_at(place, link[side]) for side in ("source", "target")] for link in links]
    described = nodes and all(node.get("x") is not None for node in nodes)
    return Item(
        len(nodes),
        edges.of_pairs(ends),
        _class({**(told.get("graph") or {}), **told}),
        _labels([node.get("label") for node in nodes]),
        _matrix([node["x"] for node in nodes]) if described else None,
        origin,
    )


def _labels(given: Sequence[Any] | None) -> list[str] | None:
    """Labels of nodes, where all nodes have one."""
    return None if not given or any(x is None for x in given) else [str(x) for x in given]


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


def _class(told: Mapping[str, Any]) -> str | None:
    found = next((told[name] for name in [*LABEL, "y"] if told.get(name) is not None), None)
    return label_of(found[0] if isinstance(found, list) and len(found) == 1 else found)
