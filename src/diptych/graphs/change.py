"""Changes of many graphs at once, each graph by its own key: which others are beside it changes nothing.

A change of a part p of m things is one of the floor(p m) that come first when all m are sorted by keyed noise, so that
counts are exact. Places are those of a node in its graph as it is when the change comes.

Shapes: b graphs, n nodes of all, e edges in both directions, m things of all graphs, f columns.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import numpy as np
from jaxtyping import Bool, Float, Int

from diptych.core import Alteration, Change, Graph
from diptych.draws import mixed
from diptych.graphs.features import dense

BITS = 40  # of the noise that things are sorted by
AGAIN = 16  # draws of edges that are not there yet
NOISE = (0.5, 0.5)  # mean and standard deviation of features that stand for others


@dataclass(frozen=True)
class Together:
    """Graphs end to end. Edges are sorted by `source`, then `target`; both count over all nodes."""

    x: Float[np.ndarray, "n f"] | Int[np.ndarray, " n"]
    starts: Int[np.ndarray, " b+1"]  # of each graph's nodes
    source: Int[np.ndarray, " e"]
    target: Int[np.ndarray, " e"]
    width: int

    @staticmethod
    def of(graphs: Sequence[Graph], width: int) -> "Together":
        """Raises ValueError for features of another width."""
        plain = all(graph.nodes.ndim == 1 for graph in graphs)
        parts = [graph.nodes if plain or graph.nodes.ndim == 2 else dense(graph.nodes, width) for graph in graphs]
        if wrong := {part.shape[1] for part in parts if part.ndim == 2} - {width}:
            raise ValueError(f"the network is told {width} numbers of a node; got {wrong.pop()}")
        sizes = np.array([len(part) for part in parts], np.int64)
        starts = np.concatenate([[0], np.cumsum(sizes)])
        many = np.array([graph.edges.shape[1] for graph in graphs], np.int64)
        edges = np.concatenate([graph.edges for graph in graphs], 1).astype(np.int64)
        edges += np.repeat(starts[:-1], many)
        return Together(np.concatenate(parts), starts, edges[0], edges[1], width)

    @property
    def nodes(self) -> int:
        return len(self.x)

    @property
    def sizes(self) -> Int[np.ndarray, " b"]:
        return np.diff(self.starts)

    @property
    def graph(self) -> Int[np.ndarray, " n"]:
        """The graph of each node."""
        return np.repeat(np.arange(len(self.starts) - 1), self.sizes)

    def features(self) -> Float[np.ndarray, "n f"]:
        return dense(self.x, self.width) if self.x.ndim == 1 else np.ascontiguousarray(self.x, np.float32)

    def keep(self, nodes: Bool[np.ndarray, " n"]) -> "Together":
        """The nodes that are chosen, and the edges between them."""
        before = np.concatenate([[0], np.cumsum(nodes)])
        edges = nodes[self.source] & nodes[self.target]
        source, target = before[self.source[edges]], before[self.target[edges]]
        return replace(self, x=self.x[nodes], starts=before[self.starts], source=source, target=target)


@dataclass(frozen=True)
class Wanted:
    """The same kind of change, of some graphs: part and key of each graph, 0 for the others."""

    rate: Float[np.ndarray, " b"]
    key: Int[np.ndarray, " b"]
    given: dict[int, Change]

    def many(self, sizes: Int[np.ndarray, " b"]) -> Int[np.ndarray, " b"]:
        return np.floor(self.rate * sizes + 1e-9).astype(np.int64)


def changed(whole: Together, changes: Sequence[Sequence[Change]]) -> Together:
    """The first change of every graph, then the second of those that have one, and so on."""
    for turn in zip_longest(*changes):
        for kind, wanted in _by_kind(turn):
            whole = KINDS[kind](whole, wanted)
    return whole


def _by_kind(turn: Sequence[Change | None]) -> Iterator[tuple[Alteration, Wanted]]:
    for kind in sorted({change.kind for change in turn if change is not None}):
        given = {i: change for i, change in enumerate(turn) if change is not None and change.kind == kind}
        rate, key = np.zeros(len(turn)), np.zeros(len(turn), np.uint64)
        for i, change in given.items():
            rate[i], key[i] = change.rate, change.key
        yield kind, Wanted(rate, key, given)


def noise(key: Int[np.ndarray, " m"], place: Int[np.ndarray, " m"]) -> Int[np.ndarray, " m"]:
    """64 random bits of a place in a graph, by the graph's key."""
    return mixed(key + place.astype(np.uint64) * np.uint64(0x2545F4914F6CDD1D))


def first(
    graph: Int[np.ndarray, " m"],
    bits: Int[np.ndarray, " m"],
    many: Int[np.ndarray, " b"],
    of: Bool[np.ndarray, " m"] | None = None,
) -> Bool[np.ndarray, " m"]:
    """Whether a thing is among the `many` of its graph with the least bits; these are counted among those of `of`."""
    code = (graph.astype(np.uint64) << np.uint64(BITS)) | (bits >> np.uint64(64 - BITS))
    counted = code if of is None else code[of]
    ordered = np.sort(counted)
    begin = np.searchsorted(ordered, np.arange(len(many), dtype=np.uint64) << np.uint64(BITS))
    if not len(ordered):
        return np.zeros(len(graph), bool)
    limit = ordered[np.minimum(begin + np.maximum(many, 1) - 1, len(ordered) - 1)]
    return (many > 0)[graph] & (code <= limit[graph])


# ---------------------------------------------------------------- each kind


def drop_nodes(whole: Together, wanted: Wanted) -> Together:
    return whole.keep(~_nodes(whole, wanted))


def keep_nodes(whole: Together, wanted: Wanted) -> Together:
    kept = ~np.isin(whole.graph, [*wanted.given])
    for i, change in wanted.given.items():
        kept[whole.starts[i] + change.nodes] = True
    return whole.keep(kept)


def drop_edges(whole: Together, wanted: Wanted) -> Together:
    return _joined(whole, _kept(whole, wanted), np.empty(0, np.int64))


def add_edges(whole: Together, wanted: Wanted) -> Together:
    return _joined(whole, np.ones(len(whole.source), bool), _new(whole, wanted))


def move_edges(whole: Together, wanted: Wanted) -> Together:
    """As many are added as go, as far as there is place, and none of those that go."""
    return _joined(whole, _kept(whole, wanted), _new(whole, replace(wanted, key=mixed(wanted.key))))


def _kept(whole: Together, wanted: Wanted) -> Bool[np.ndarray, " e"]:
    """Both directions of an edge have the same noise, and so the same fate."""
    graph, low, high, once = _pairs(whole)
    bits = noise(wanted.key[graph], (low << 32) + high)
    many = wanted.many(np.bincount(graph[once], minlength=len(whole.sizes)))
    return ~first(graph, bits, many, once)


def _new(whole: Together, wanted: Wanted) -> Int[np.ndarray, " m"]:
    """Pairs that have no edge, drawn at random; those that are there, or loops, again, `AGAIN` times at most."""
    graph, _, _, once = _pairs(whole)
    missing = wanted.many(np.bincount(graph[once], minlength=len(whole.sizes)))
    there, new = whole.source * whole.nodes + whole.target, np.empty(0, np.int64)
    for turn in range(AGAIN):
        if not missing.any():
            break
        pair = _drawn(whole, wanted, missing, turn)
        pair = pair[~(_among(there, pair) | np.isin(pair, new))]
        new = np.concatenate([new, pair])
        missing = missing - np.bincount(whole.graph[pair // whole.nodes], minlength=len(missing))
    return new


def _joined(whole: Together, kept: Bool[np.ndarray, " e"], new: Int[np.ndarray, " m"]) -> Together:
    """The edges that are kept, and new ones in both directions."""
    source, target = whole.source[kept], whole.target[kept]
    if len(new):
        low, high = np.divmod(new, whole.nodes)
        every = np.sort(np.concatenate([source * whole.nodes + target, new, high * whole.nodes + low]))
        source, target = np.divmod(every, whole.nodes)
    return replace(whole, source=source, target=target)


def _drawn(whole: Together, wanted: Wanted, many: Int[np.ndarray, " b"], turn: int) -> Int[np.ndarray, " m"]:
    """Pairs of different nodes, the lower times the number of nodes plus the higher; no pair twice, and no loops."""
    graph = np.repeat(np.arange(len(many)), many)
    place = np.arange(len(graph)) - np.repeat(np.cumsum(many) - many, many) + (turn << 32)
    sizes = whole.sizes[graph].astype(np.uint64)
    one, other = (noise(wanted.key[graph], 2 * place + side) % sizes for side in (0, 1))
    one, other = (whole.starts[graph] + end.astype(np.int64) for end in (one, other))
    pair = np.minimum(one, other) * whole.nodes + np.maximum(one, other)
    return np.unique(pair[one != other])


def _among(ordered: Int[np.ndarray, " m"], x: Int[np.ndarray, " k"]) -> Bool[np.ndarray, " k"]:
    if not len(ordered):
        return np.zeros(len(x), bool)
    return ordered[np.minimum(np.searchsorted(ordered, x), len(ordered) - 1)] == x


def mask(whole: Together, wanted: Wanted) -> Together:
    x, chosen = whole.x.copy(), _nodes(whole, wanted)
    x[chosen] = -1 if x.ndim == 1 else 0
    return replace(whole, x=x)


def with_noise(whole: Together, wanted: Wanted) -> Together:
    x, chosen = whole.features().copy(), np.flatnonzero(_nodes(whole, wanted))
    key, place = wanted.key[whole.graph[chosen]], _places(whole)[chosen]
    at = ((place[:, None] + 1) << 32) + 2 * np.arange(whole.width)  # below 1 << 32 are those that choose nodes
    u, v = ((noise(key[:, None], at + side) >> np.uint64(11)) / 2.0**53 for side in (0, 1))
    normal = np.sqrt(-2 * np.log1p(-u)) * np.cos(2 * np.pi * v)  # Box and Muller
    x[chosen] = NOISE[0] + NOISE[1] * normal
    return replace(whole, x=x)


def _places(whole: Together) -> Int[np.ndarray, " n"]:
    return np.arange(whole.nodes) - whole.starts[whole.graph]


def _nodes(whole: Together, wanted: Wanted) -> Bool[np.ndarray, " n"]:
    graph = whole.graph
    return first(graph, noise(wanted.key[graph], _places(whole)), wanted.many(whole.sizes))


def _pairs(
    whole: Together,
) -> tuple[Int[np.ndarray, " e"], Int[np.ndarray, " e"], Int[np.ndarray, " e"], Bool[np.ndarray, " e"]]:
    """Of each edge its graph, the lower and the higher place of its ends, and whether it is counted (once of two)."""
    graph = whole.graph[whole.source]
    start = whole.starts[graph]
    low, high = np.minimum(whole.source, whole.target) - start, np.maximum(whole.source, whole.target) - start
    return graph, low, high, whole.source <= whole.target


KINDS: dict[Alteration, Callable[[Together, Wanted], Together]] = {
    "drop nodes": drop_nodes,
    "keep nodes": keep_nodes,
    "drop edges": drop_edges,
    "add edges": add_edges,
    "move edges": move_edges,
    "mask": mask,
    "noise": with_noise,
}
