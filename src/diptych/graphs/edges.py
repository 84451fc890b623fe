"""Nodes and edges as they are given: whole numbers, two for an edge.

Shapes: e edges in one direction or both.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int

MOST = 2**31 - 1  # nodes of a graph: their numbers have 32 bits
FLOATS = 2**53  # below which all whole numbers are there as floats
SPARSE, FEW = 100, 1_000_000  # numbers of nodes, for each that has an edge, that are no slip; and how many always


def whole(given: Any, what: str) -> Int[np.ndarray, "..."]:
    """As int64; 2.0 is whole. Raises ValueError, which says what it is of, for anything else."""
    x = np.asarray(given)
    if not x.size:
        return x.astype(np.int64)
    if x.dtype.kind == "f" and (np.abs(x) < FLOATS).all() and (x == np.floor(x)).all():
        return x.astype(np.int64)
    if x.dtype.kind not in "iu" or (x.dtype.kind == "u" and x.max() > np.iinfo(np.int64).max):
        told = next((k for k in np.asarray(given, object).reshape(-1).tolist() if not _whole(k)), x.dtype)
        raise ValueError(f"{what}: whole numbers are due, got {told!r:.40}")
    return x.astype(np.int64)


def _whole(k: Any) -> bool:
    if isinstance(k, bool) or not isinstance(k, int | float):
        return False
    return abs(k) < (FLOATS if isinstance(k, float) else 2**63) and k % 1 == 0


def of_pairs(given: Sequence[Any]) -> Int[np.ndarray, "2 e"]:
    """Edges of a list of [source, target]. Raises ValueError for what is none."""
    if not isinstance(given, list | tuple):
        raise ValueError(f"edges are a list of pairs of nodes; got {given!r:.40}")
    for pair in given:
        if not isinstance(pair, list | tuple) or len(pair) != 2:
            raise ValueError(f"an edge is two nodes, [source, target]; got {pair!r:.60} (weights are not used)")
        if not (_whole(pair[0]) and _whole(pair[1])):
            wrong = pair[1] if _whole(pair[0]) else pair[0]
            raise ValueError(f"edges: whole numbers are due, got {wrong!r:.40}")
    return np.array(given, np.int64).reshape(-1, 2).T


def of_index(given: Any) -> Int[np.ndarray, "2 e"]:
    """Edges of a row of sources and a row of targets. Raises ValueError for other shapes."""
    try:
        x = whole(given, "edge_index")
    except ValueError as error:
        ragged = (
            isinstance(given, Sequence) and len({len(row) if isinstance(row, Sequence) else 0 for row in given}) > 1
        )
        raise ValueError("edge_index has as many sources as targets") if ragged else error from None
    if not x.size:
        return x.reshape(2, 0)
    if x.ndim != 2 or len(x) != 2:
        raise ValueError(f"edge_index is a row of sources and a row of targets, [2, edges]; got {list(x.shape)}")
    return x


def count(given: Any) -> int:
    """A number of nodes. Raises ValueError for what cannot be one."""
    x = whole(given, "num_nodes")
    if x.ndim or not 0 <= x <= MOST:
        raise ValueError(f"num_nodes is a number from 0 to {MOST:,}; got {given!r:.40}")
    return int(x)


def checked(n: int, edges: Int[np.ndarray, "2 e"]) -> Int[np.ndarray, "2 e"]:
    """Edges between n nodes. Raises ValueError for one that goes elsewhere."""
    if edges.size and not 0 <= edges.min() <= edges.max() < n:
        wrong = edges.min() if edges.min() < 0 else edges.max()
        named = f"its nodes are 0 to {n - 1}" if n else "it has no node"
        raise ValueError(f"an edge goes to node {wrong}, and {named}")
    return edges


def sparse(n: int, edges: Int[np.ndarray, "2 e"]) -> bool:
    """Whether so few of n nodes have an edge that n is a slip."""
    return n > max(FEW, SPARSE * len(np.unique(edges)))


def implied(edges: Int[np.ndarray, "2 e"], known: Sequence[int]) -> int:
    """How many nodes there are, where nothing but edges and descriptions of nodes tells.

    Raises ValueError where nearly none of them would have an edge.
    """
    n = max([*known, *(edges.max(1) + 1).tolist()] if edges.size else known, default=0)
    if n not in known and sparse(n, edges):
        named = len(np.unique(edges))
        raise ValueError(f"an edge goes to node {n - 1:,}, and {named:,} nodes have an edge; number them from 0")
    return n
