"""The part of a graph that a random walk sees."""

from dataclasses import dataclass, replace

import numpy as np

from diptych.core import Change, Draw, Graph
from diptych.views.input.graph.change import checked

STEPS = 8  # of a walk, for each node that is wanted


@dataclass(frozen=True)
class RandomWalk:
    """Keeps what a walk from a random node has seen when it has seen n - floor(ratio n) of n nodes, and edges between.

    It ends before that where it can go nowhere else, or after eight steps for each node that is wanted; one node at
    least is kept. It reads the graph as it is stored, so it comes before other changes, or raises ValueError.
    Source: the subgraphs of GraphCL, arXiv:2010.13902; there they grow from a random node.
    """

    ratio: float = 0.1

    def __post_init__(self) -> None:
        checked(self.ratio)

    def __call__(self, graph: Graph, draw: Draw) -> Graph:
        if graph.changes:
            raise ValueError(f"a walk goes through a graph as it is; put {self} before other changes")
        n = len(graph.nodes)
        wanted = n - int(self.ratio * n + 1e-9)
        rng = draw.own
        here, dice = int(rng.integers(n)), rng.random(STEPS * wanted).tolist()
        starts, neighbours = np.searchsorted(graph.edges[0], np.arange(n + 1)).tolist(), graph.edges[1].tolist()
        seen = {here}
        for die in dice:
            begin, end = starts[here], starts[here + 1]
            if begin == end or len(seen) == wanted:
                break
            here = neighbours[begin + int(die * (end - begin))]
            seen.add(here)
        return replace(graph, changes=(Change("keep nodes", nodes=np.array(sorted(seen))),))
