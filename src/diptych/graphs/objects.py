"""Graphs of other libraries: of NetworkX, and of PyTorch Geometric.

Shapes: n nodes, e edges in one direction or both, a attributes.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from diptych.graphs.edges import checked, count, of_index, of_pairs
from diptych.labels import label_of


@dataclass(frozen=True)
class Given:
    """`labels` and `x` are what all nodes have, as it is given; `partly` names what some have and others lack.

    `y` is what is said of the graph.
    """

    n: int
    edges: Int[np.ndarray, "2 e"]
    labels: Sequence[Any] | None = None
    x: Any = None
    y: Any = None
    partly: Sequence[str] = ()

    def attributes(self) -> Float[np.ndarray, "n a"] | None:
        """Raises ValueError for what is no number."""
        return None if self.x is None else _numbers(self.x)

    def label(self) -> str | None:
        """Its class; None where several things are said, or nothing."""
        y = self.y
        while isinstance(y, list | tuple) and len(y) == 1:
            y = y[0]
        return None if isinstance(y, list | tuple | dict) else label_of(y)


def given(raw: Any) -> Given:
    """A graph; of nodes and of the graph, what they say by the usual names.

    Those are, in NetworkX, `label` and `x` of nodes, and `label` or `y` of the graph; in PyTorch Geometric `x` and
    `label` of nodes, `y` of the graph (or `label`, where it is one). Raises ValueError for what is no graph, or has an
    edge that goes elsewhere.
    """
    if getattr(raw, "edge_index", None) is not None:
        found = _of_geometric(raw, of_index(np.asarray(raw.edge_index)))
    elif callable(getattr(raw, "nodes", None)) and hasattr(raw, "edges"):
        found = _of_networkx(raw)
    elif hasattr(raw, "edge_index") and getattr(raw, "num_nodes", None) is not None:
        found = _of_geometric(raw, np.empty((2, 0), np.int64))
    else:
        raise ValueError(f"a graph has nodes and edges, or num_nodes and edge_index; got {type(raw).__name__}")
    checked(found.n, found.edges)
    return found


def several(raw: Any) -> None:
    """Raises ValueError for a graph where several are due."""
    if hasattr(raw, "edge_index") or callable(getattr(raw, "nodes", None)):
        raise ValueError(f"graphs come in a list, and this is one ({type(raw).__name__}): give [graph]")


def _of_geometric(raw: Any, edges: Int[np.ndarray, "2 e"]) -> Given:
    labels, y = (_plain(getattr(raw, name, None)) for name in ("label", "y"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where only edges say how many nodes there are
        n = count(raw.num_nodes)
    if not isinstance(labels, list | tuple):
        labels, y = None, labels if y is None else y
    elif len(labels) != n:
        raise ValueError(f"label has an entry for each of {n} nodes; got {labels!r:.40}")
    return Given(n, edges, labels, getattr(raw, "x", None), y)


def _plain(x: Any) -> Any:
    """A tensor or an array as a list."""
    return x.tolist() if hasattr(x, "tolist") else x


def _of_networkx(raw: Any) -> Given:
    place = {node: i for i, node in enumerate(raw.nodes)}
    edges = of_pairs([(place[a], place[b]) for a, b, *_ in raw.edges])
    found, partly = {}, []
    for name, called in (("label", "labels"), ("x", "attributes")):
        told = [x for _, x in raw.nodes(data=name) if x is not None]
        found[name] = told if told and len(told) == len(place) else None
        partly += [called] if 0 < len(told) < len(place) else []
    of_graph = getattr(raw, "graph", {})
    y = of_graph.get("label", of_graph.get("y"))
    return Given(len(place), edges, found["label"], found["x"], y, partly)


def _numbers(x: Any) -> Float[np.ndarray, "n a"]:
    try:
        found = np.asarray(x.float() if str(getattr(x, "dtype", "")) == "torch.bfloat16" else x)
        found = found if found.dtype.kind in "iufb" or not found.size else np.full((1, 1), np.nan)
    except (ValueError, TypeError):
        found = np.full((1, 1), np.nan)
    if not found.ndim or not np.isfinite(found).all():
        raise ValueError("an attribute of a node is no number, or nodes have several numbers of them")
    return found.reshape(len(found), -1 if found.size else 0).astype(np.float32)
