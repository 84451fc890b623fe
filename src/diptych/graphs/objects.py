"""Graphs of other libraries: of NetworkX, and of PyTorch Geometric.

Shapes: n nodes, e edges in one direction or both, a attributes.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from diptych.graphs.edges import checked, count, implied, of_index, of_pairs
from diptych.labels import label_of


@dataclass(frozen=True)
class Given:
    """A graph, its class, and of its nodes what all have: labels, and `x` as it is given.

    `partly` names what some nodes have and others lack. `said` is whether anything is said of a class.
    """

    n: int
    edges: Int[np.ndarray, "2 e"]
    labels: Sequence[str] | None = None
    x: Any = None
    label: str | None = None
    said: bool = False
    partly: Sequence[str] = ()

    def attributes(self) -> Float[np.ndarray, "n a"] | None:
        """Raises ValueError for what is no number of 32 bits."""
        return None if self.x is None else _numbers(self.x)


def given(raw: Any) -> Given:
    """A graph; of nodes and of the graph, what they say by the usual names.

    Those are, in NetworkX, `label` and `x` of nodes, and `label` or `y` of the graph; in PyTorch Geometric `x` and
    `label` of nodes, `y` of the graph (or `label`, where it has not an entry for each node). Raises ValueError for what
    is no graph, has an edge that goes elsewhere, or a label of a node that is several.
    """
    if hasattr(raw, "ptr") and hasattr(raw, "to_data_list"):
        raise ValueError(f"it is several graphs in one ({type(raw).__name__}): give those of its to_data_list()")
    if hasattr(raw, "edge_index"):
        found = _of_geometric(raw)
    elif callable(getattr(raw, "nodes", None)) and hasattr(raw, "edges"):
        found = _of_networkx(raw)
    else:
        raise ValueError(f"a graph has nodes and edges, or num_nodes and edge_index; got {type(raw).__name__}")
    checked(found.n, found.edges)
    return found


def several(raw: Any) -> None:
    """Raises ValueError for a graph where several are due."""
    if callable(getattr(raw, "indices", None)):  # a data set of PyTorch Geometric, which also has all their edges
        return
    if hasattr(raw, "to_data_list"):
        raise ValueError(f"graphs come in a list, and this is a {type(raw).__name__}: give its to_data_list()")
    if hasattr(raw, "edge_index") or callable(getattr(raw, "nodes", None)):
        raise ValueError(f"graphs come in a list, and this is one ({type(raw).__name__}): give [graph]")


def class_of(said: Any) -> str | None:
    """A class as a string; None where several things are said, or nothing."""
    found = _plain(said)
    while isinstance(found, list | tuple) and len(found) == 1:
        found = found[0]
    return None if isinstance(found, list | tuple | dict) else label_of(found)


def _of_geometric(raw: Any) -> Given:
    index, x = raw.edge_index, getattr(raw, "x", None)
    if index is None and getattr(raw, "adj_t", None) is not None:
        raise ValueError("it has adj_t in the place of edge_index, which is not read; give edge_index")
    edges = np.empty((2, 0), np.int64) if index is None else of_index(array(index))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where only edges say how many nodes there are
        told = raw.num_nodes
    n = count(told) if told is not None else implied(edges, [] if x is None else [len(x)])
    labels, y = _plain(getattr(raw, "label", None)), getattr(raw, "y", None)
    if not isinstance(labels, list | tuple) or len(labels) != n:
        labels, y = (), labels if y is None else y
    names, some = _named(labels)
    return Given(n, edges, names, x, class_of(y), y is not None, ["labels"] if some else [])


def _of_networkx(raw: Any) -> Given:
    place = {node: i for i, node in enumerate(raw.nodes)}
    edges = of_pairs([(place[a], place[b]) for a, b, *_ in raw.edges])
    names, some = _named([x for _, x in raw.nodes(data="label")])
    rows = [x for _, x in raw.nodes(data="x") if x is not None]
    partly = (["labels"] if some else []) + (["attributes"] if 0 < len(rows) < len(place) else [])
    of_graph = getattr(raw, "graph", {})
    y = of_graph.get("label", of_graph.get("y"))
    x = rows if rows and len(rows) == len(place) else None
    return Given(len(place), edges, names, x, class_of(y), y is not None, partly)


def _named(labels: Sequence[Any]) -> tuple[list[str] | None, bool]:
    """What all nodes are called, else None; and whether some are and others not. Raises ValueError as `given`."""
    told = [_plain(x) for x in labels]
    if wrong := [x for x in told if isinstance(x, list | tuple | dict)]:
        raise ValueError(f"a label of a node is a word or a number; got {wrong[0]!r:.40}")
    found = [label_of(x) for x in told]
    known = [x for x in found if x is not None]
    return (known, False) if known and len(known) == len(found) else (None, bool(known))


def _plain(x: Any) -> Any:
    """A tensor or an array as lists and numbers."""
    return x.tolist() if hasattr(x, "tolist") else x


def array(x: Any) -> np.ndarray:
    """What NumPy takes, or a tensor, which may want gradients, be sparse, or of numbers that NumPy does not know."""
    if hasattr(x, "detach"):
        x = x.detach().cpu().to_dense()
        x = x.float() if str(x.dtype) == "torch.bfloat16" else x
    return np.asarray(x)


def _numbers(x: Any) -> Float[np.ndarray, "n a"]:
    try:
        found = array(x)
        known = found.dtype.kind in "iufb" or not found.size
    except (ValueError, TypeError):
        known = False
    with np.errstate(over="ignore"):
        found = found.astype(np.float32) if known else np.full((1, 1), np.nan, np.float32)
    if not found.ndim or not np.isfinite(found).all():
        raise ValueError("an attribute of a node is no number, or nodes have several numbers of them")
    return found.reshape(len(found), -1 if found.size else 0)
