"""What graphs say without a network: how many neighbours nodes have, and what subtrees there are.

Shapes: g graphs, n nodes of all, e edges in both directions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from scipy import sparse

from diptych.core import Graph
from diptych.draws import mixed

MOST = 1000  # neighbours of a node that are told apart


class Degrees:
    """How many nodes of a graph have 0, 1, 2, ... neighbours; a column each."""

    def __call__(self, graphs: Sequence[Graph]) -> sparse.csr_matrix:
        whole = _Whole.of(graphs)
        degree = np.minimum(np.diff(whole.starts), MOST)
        return _counts(whole.graph, degree, len(graphs))


@dataclass(frozen=True)
class WeisfeilerLehman:
    """How many nodes of a graph have each colour, after 0, 1, ... `depth` refinements: subtrees up to that depth.

    A node's first colour is what it is described by; its next is that and the multiset of its neighbours' colours.
    Columns are the colours of the graphs that are asked. Source: Shervashidze et al., JMLR 12 (2011).
    """

    depth: int = 3

    def __call__(self, graphs: Sequence[Graph]) -> sparse.csr_matrix:
        whole = _Whole.of(graphs)
        colours, found = whole.colours, []
        for depth in range(self.depth + 1):
            found.append(_counts(whole.graph, colours, len(graphs)))
            if depth < self.depth:
                colours = whole.refined(colours)
        return sparse.hstack(found, "csr")


@dataclass(frozen=True)
class _Whole:
    """Graphs end to end: the graph and first colour of each node, and its neighbours."""

    graph: Int[np.ndarray, " n"]
    colours: Int[np.ndarray, " n"]
    starts: Int[np.ndarray, " n+1"]
    neighbours: Int[np.ndarray, " e"]

    @staticmethod
    def of(graphs: Sequence[Graph]) -> "_Whole":
        sizes = [len(graph.nodes) for graph in graphs]
        first = np.concatenate([[0], np.cumsum(sizes)])
        many = [graph.edges.shape[1] for graph in graphs]
        edges = np.concatenate([graph.edges for graph in graphs], 1).astype(np.int64)
        edges += np.repeat(first[:-1], many)
        starts = np.concatenate([[0], np.cumsum(np.bincount(edges[0], minlength=int(first[-1])))])
        nodes = np.concatenate([graph.nodes for graph in graphs])
        colours = nodes if nodes.ndim == 1 else np.unique(nodes, axis=0, return_inverse=True)[1].reshape(-1)
        return _Whole(np.repeat(np.arange(len(graphs)), sizes), colours.astype(np.int64), starts, edges[1])

    def refined(self, colours: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
        """Colours of nodes with their neighbours': a multiset is the sum of 64 random bits of each colour in it."""
        sums = np.zeros(len(self.neighbours) + 1, np.uint64)
        np.cumsum(mixed(colours[self.neighbours].astype(np.uint64)), out=sums[1:])
        around = sums[self.starts[1:]] - sums[self.starts[:-1]]
        own = mixed(colours.astype(np.uint64) + np.uint64(1 << 40))
        return np.unique(mixed(own + np.uint64(3) * around), return_inverse=True)[1].reshape(-1)


def _counts(graph: Int[np.ndarray, " n"], kind: Int[np.ndarray, " n"], graphs: int) -> sparse.csr_matrix:
    """How many nodes of each graph are of each kind."""
    shape = (graphs, int(kind.max()) + 1)
    return sparse.csr_matrix((np.ones(len(kind)), (graph, kind)), shape, dtype=np.float64)
