"""Changes of a part of a graph, exact in number; the graph's own draw decides what they fall on.

Ratios of 0.1 to 0.2 are usual. Source: GraphCL, arXiv:2010.13902, of whose code they take the names and the counts
rounded down, but not its accidents: nodes that had no edge before stay, both directions of an edge go together.
"""

from dataclasses import dataclass, replace
from typing import Literal, get_args

from diptych.core import Alteration, Change, Draw, Graph


def key(draw: Draw) -> int:
    """A number of a view of a graph at a step."""
    return int(draw.own.integers(2**63))


def with_change(graph: Graph, kind: Alteration, ratio: float, draw: Draw) -> Graph:
    return replace(graph, changes=(*graph.changes, Change(kind, ratio, key(draw))))


def checked(ratio: float) -> None:
    """Raises ValueError for what is no part."""
    if not 0 <= ratio < 1:
        raise ValueError(f"a part of a graph is changed, from 0 to below 1; got ratio={ratio}")


@dataclass(frozen=True)
class DropNodes:
    """Takes floor(ratio n) of n nodes away, with their edges."""

    ratio: float = 0.1

    def __post_init__(self) -> None:
        checked(self.ratio)

    def __call__(self, graph: Graph, draw: Draw) -> Graph:
        return with_change(graph, "drop nodes", self.ratio, draw)


@dataclass(frozen=True)
class DropEdges:
    """Takes floor(ratio m) of m edges away, both directions of each."""

    ratio: float = 0.1

    def __post_init__(self) -> None:
        checked(self.ratio)

    def __call__(self, graph: Graph, draw: Draw) -> Graph:
        return with_change(graph, "drop edges", self.ratio, draw)


@dataclass(frozen=True)
class AddEdges:
    """Adds floor(ratio m) edges to m, between nodes that have none and are not the same; fewer where there is no place.

    Pairs are drawn sixteen times at most, so that a graph that is nearly complete gets fewer.
    """

    ratio: float = 0.1

    def __post_init__(self) -> None:
        checked(self.ratio)

    def __call__(self, graph: Graph, draw: Draw) -> Graph:
        return with_change(graph, "add edges", self.ratio, draw)


@dataclass(frozen=True)
class MoveEdges:
    """Takes floor(ratio m) of m edges away, and adds as many between nodes that had none.

    Fewer are added where there is no place, as `AddEdges` does: a complete graph only loses edges.
    """

    ratio: float = 0.1

    def __post_init__(self) -> None:
        checked(self.ratio)

    def __call__(self, graph: Graph, draw: Draw) -> Graph:
        return with_change(graph, "move edges", self.ratio, draw)


Fill = Literal["zero", "noise"]


@dataclass(frozen=True)
class MaskFeatures:
    """Replaces all features of floor(ratio n) of n nodes: by 0, or by normal noise of mean and deviation 0.5."""

    ratio: float = 0.1
    fill: Fill = "zero"

    def __post_init__(self) -> None:
        checked(self.ratio)
        if self.fill not in get_args(Fill):
            raise ValueError(f"masked features are one of {', '.join(get_args(Fill))}; got fill={self.fill!r}")

    def __call__(self, graph: Graph, draw: Draw) -> Graph:
        return with_change(graph, "mask" if self.fill == "zero" else "noise", self.ratio, draw)
