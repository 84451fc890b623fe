"""Graphs as lines of JSON: an edge list, or a graph of NetworkX as `node_link_data` writes it.

    {"edges": [[0, 1], [1, 2]], "num_nodes": 3, "node_labels": ["C", "O", "C"], "x": [[0.5], ...], "label": "toxic"}
    {"nodes": [{"id": "a", "label": "C"}, ...], "links": [{"source": "a", "target": "b"}, ...], "graph": {"label": 1}}

Of an edge list everything but "edges" may be missing; nodes are then 0 to the highest that an edge names. Attributes
are called x, node_attributes, or features. Of node-link graphs, labels of nodes are their "label", attributes "x".
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
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{origin} is no graph: {error}") from None


def _listed(told: Mapping[str, Any], origin: str) -> Item:
    pairs = told.get("edges")
    edges = np.array(told["edge_index"] if pairs is None else pairs, np.int64)
    edges = edges.reshape(2, -1) if pairs is None else edges.reshape(-1, 2).T
    labels = told.get("node_labels")
    rows = next((told[name] for name in ATTRIBUTES if told.get(name) is not None), None)
    known = [len(x) for x in (labels, rows) if x is not None]
    n = (
        int(told["num_nodes"])
        if "num_nodes" in told
        else max([*known, *(edges.max(1) + 1).tolist()] if edges.size else known, default=0)
    )
    return Item(
        n,
        edges,
        _class(told),
        None if labels is None else [str(x) for x in labels],
        None if rows is None else _matrix(rows),
        origin,
    )


def _linked(told: Mapping[str, Any], origin: str) -> Item:
    nodes = told["nodes"]
    place = {json.dumps(node["id"]): i for i, node in enumerate(nodes)}
    if len(place) < len(nodes):
        raise ValueError("two of its nodes have the same id")
    links = told["links"] if "links" in told else told["edges"]
    ends = [[_at(place, link[side]) for link in links] for side in ("source", "target")]
    labelled, described = (all(name in node for node in nodes) for name in ("label", "x"))
    return Item(
        len(nodes),
        np.array(ends, np.int64).reshape(2, -1),
        _class({**told.get("graph", {}), **told}),
        [str(node["label"]) for node in nodes] if labelled and nodes else None,
        _matrix([node["x"] for node in nodes]) if described and nodes else None,
        origin,
    )


def _at(place: Mapping[str, int], node: Any) -> int:
    if (key := json.dumps(node)) not in place:
        raise ValueError(f"an edge goes to node {node!r}, which is not among its nodes")
    return place[key]


def _matrix(rows: Sequence[Any]) -> np.ndarray:
    x = np.array(rows, np.float32)
    return x.reshape(len(x), -1)


def _class(told: Mapping[str, Any]) -> str | None:
    found = next((told[name] for name in [*LABEL, "y"] if told.get(name) is not None), None)
    return label_of(found[0] if isinstance(found, list) and len(found) == 1 else found)
