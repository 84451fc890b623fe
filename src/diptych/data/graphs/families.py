"""Graphs from a seed, of known families; all of it known, any number of them.

    families                              1,000 graphs of 30 nodes on average, of four families
    families:n=5000:nodes=50:kind=motifs  other numbers; any of n, nodes, degree, seed, kind

    kind=random    random graphs of Erdos and Renyi, of Barabasi and Albert, of Watts and Strogatz, of blocks
    kind=blocks    stochastic blocks, 1 to 4 of them
    kind=motifs    a random tree of Barabasi and Albert, to which rings, houses, stars or cliques are attached, one for
                   every twelve nodes; and edges within the tree, fewer where a motif has more

Families of a kind have as many nodes and as many edges: a mean degree of 4, or as asked (with motifs a bit over two, up
to the rounding of their number), so that size does not tell them apart. A graph is decided by the seed and its number
alone: the first graphs of a larger corpus are those of a smaller one. The networks are those of the literature, made
here so that a graph costs a few array operations.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from jaxtyping import Int

from diptych.data import cache
from diptych.data.graphs.item import Item
from diptych.data.tally import Tally

NAME = "families"  # stands for this corpus where a path could be
FORMAT = "3"  # of what a seed makes; another number makes old entries unused
BOUNDS = {"n": (2, 10**8), "nodes": (10, 10_000), "degree": (2, 100), "seed": (0, 2**62)}
INSIDE = 4.0  # edges within blocks, for each that goes between two as likely pairs
SHARE, LEAST = 12, 14  # nodes for each motif that is attached; nodes of a graph with one
EXCESS = 3  # edges for each motif that there are beyond those of a tree: a clique has them all
Edges = Int[np.ndarray, "2 e"]


@dataclass(frozen=True)
class Families:
    """What a corpus is made of. `degree` is the mean number of neighbours. Raises ValueError for what makes none."""

    n: int = 1_000
    nodes: int = 30
    degree: int = 4
    seed: int = 0
    kind: str = "random"

    def __post_init__(self) -> None:
        for name, (least, most) in BOUNDS.items():
            if not least <= (given := getattr(self, name)) <= most:
                raise ValueError(f"{name} of families is from {least} to {most:,}; got {given}")
        if self.kind not in KINDS:
            raise ValueError(f"families are of kind {', '.join(KINDS)}; got {self.kind!r}")
        if self.kind == "random" and self.degree % 2:
            raise ValueError(
                f"each new node of a random graph has degree / 2 edges; got degree={self.degree}, choose an even one"
            )
        if 3 * self.degree > self.nodes:
            raise ValueError(f"graphs of {self.nodes} nodes have up to {self.nodes // 3} neighbours; got {self.degree}")

    @classmethod
    def of(cls, text: str) -> Self:
        """What "families:n=1000:kind=motifs" says. Raises ValueError for other names and what is no number."""
        names = [field.name for field in fields(cls)]
        found: dict[str, int | str] = {}
        for part in filter(None, text.split(":")[1:]):
            name, _, value = part.partition("=")
            try:
                found[names[names.index(name.strip())]] = value if name.strip() == "kind" else int(value)
            except ValueError:
                choices = ", ".join(f"{k}={'WORD' if k == 'kind' else 'NUMBER'}" for k in names)
                raise ValueError(f"{text!r:.60}: {part!r} is none of {choices}") from None
        return cls(**found)  # type: ignore[arg-type]

    @property
    def name(self) -> str:
        return NAME

    @property
    def digest(self) -> str:
        return cache.key(NAME, FORMAT, repr(self))

    def items(self, tally: Tally) -> tuple[str, Iterator[Item]]:
        return f"{self.kind} graphs of about {self.nodes} nodes, made by seed {self.seed}", map(
            self.item, range(self.n)
        )

    def item(self, i: int) -> Item:
        """Graph i, decided by the seed and its number alone."""
        rng = np.random.Generator(np.random.Philox(key=[self.seed, i]))
        made = KINDS[self.kind]
        label = [*made][int(rng.integers(len(made)))]
        n = int(rng.integers(self.nodes * 2 // 3, self.nodes * 4 // 3 + 1))
        nodes, edges = made[label](rng, n, self.degree)
        order = rng.permutation(nodes)  # numbers say nothing of how it was made
        return Item(nodes, order[edges], label, origin=f"{NAME} {i}")


def named(path: str) -> bool:
    """Whether a path is the name of families."""
    return path == NAME or path.startswith(f"{NAME}:")


# ---------------------------------------------------------------- families

Maker = Callable[[np.random.Generator, int, int], tuple[int, Edges]]


def _pairs(rng: np.random.Generator, n: int, degree: int, likely: np.ndarray | float = 1.0) -> Edges:
    """n degree / 2 of the pairs of n nodes, the more likely the greater `likely`, of all or of each of them."""
    pairs = np.stack(np.triu_indices(n, 1))
    ranked = rng.standard_exponential(pairs.shape[1]) / likely
    return pairs[:, np.sort(np.argpartition(ranked, n * degree // 2)[: n * degree // 2])]


def erdos_renyi(rng: np.random.Generator, n: int, degree: int) -> tuple[int, Edges]:
    return n, _pairs(rng, n, degree)


def barabasi_albert(rng: np.random.Generator, n: int, degree: int) -> tuple[int, Edges]:
    """Each new node has degree / 2 edges, to nodes chosen by their degrees; the first nodes know each other all."""
    return n, _grown(rng, n, degree // 2, [(i, j) for i in range(degree + 1) for j in range(i)])


def _grown(rng: np.random.Generator, n: int, many: int, edges: list[tuple[int, int]]) -> Edges:
    """A graph to which nodes with so many edges are added, one after the other, until there are n."""
    edges, ends = [*edges], [end for edge in edges for end in edge]
    for new in range(max(ends) + 1, n):
        chosen: set[int] = set()
        while len(chosen) < many:
            chosen.add(ends[int(rng.integers(len(ends)))])
        for old in sorted(chosen):
            edges.append((new, old))
            ends += [new, old]
    return np.array(edges).T


def watts_strogatz(rng: np.random.Generator, n: int, degree: int) -> tuple[int, Edges]:
    """A ring in which each node knows its degree / 2 next ones; of each edge one end is moved with probability 0.1.

    It is moved to a node that the other end does not know.
    """
    known: list[set[int]] = [{(i + k) % n for k in range(-(degree // 2), degree // 2 + 1)} for i in range(n)]
    source, step = np.repeat(np.arange(n), degree // 2), np.tile(np.arange(1, degree // 2 + 1), n)
    target = (source + step) % n
    for edge in np.flatnonzero(rng.random(len(source)) < 0.1).tolist():
        one, old = int(source[edge]), int(target[edge])
        new = int(rng.integers(n))
        while new in known[one]:
            new = int(rng.integers(n))
        known[one] ^= {old, new}
        known[old] ^= {one}
        known[new] ^= {one}
        target[edge] = new
    return n, np.stack([source, target])


def blocks(k: int) -> Maker:
    """k blocks of as many nodes; a pair within one is INSIDE times as likely as one between two."""

    def made(rng: np.random.Generator, n: int, degree: int) -> tuple[int, Edges]:
        one, other = np.triu_indices(n, 1)
        same = one * k // n == other * k // n
        return n, _pairs(rng, n, degree, np.where(same, INSIDE, 1.0))

    return made


RING = [(i, (i + 1) % 6) for i in range(6)]
HOUSE = [(0, 1), (1, 2), (2, 3), (3, 0), (0, 4), (1, 4)]
STAR = [(0, i) for i in range(1, 6)]
CLIQUE = [(i, j) for i in range(4) for j in range(i)]


def with_motif(motif: list[tuple[int, int]]) -> Maker:
    """A tree, copies of a motif, each tied to a node of it, and edges within the tree; as many in all for any motif."""

    def made(rng: np.random.Generator, n: int, degree: int) -> tuple[int, Edges]:
        one, n = np.array(motif).T, max(n, LEAST)
        size, copies = int(one.max()) + 1, n // SHARE
        trunk = n - copies * size
        parts = [_grown(rng, trunk, 1, [(0, 1)])]
        for copy in range(copies):
            start = trunk + copy * size
            parts += [one + start, np.array([[start], [int(rng.integers(trunk))]])]
        beyond = one.shape[1] + 1 - size
        return n, np.concatenate([*parts, _further(rng, parts[0], trunk, copies * (EXCESS - beyond))], 1)

    return made


def _further(rng: np.random.Generator, there: Edges, n: int, many: int) -> Edges:
    """So many edges between n nodes that are not there."""
    taken = {tuple(sorted(edge)) for edge in there.T.tolist()}
    found: list[tuple[int, ...]] = []
    while len(found) < many:
        edge = tuple(sorted(rng.choice(n, 2, replace=False).tolist()))
        if edge not in taken:
            taken.add(edge)
            found.append(edge)
    return np.array(found, np.int64).reshape(-1, 2).T


KINDS: dict[str, dict[str, Maker]] = {
    "random": {
        "erdos-renyi": erdos_renyi,
        "barabasi-albert": barabasi_albert,
        "watts-strogatz": watts_strogatz,
        "blocks": blocks(3),
    },
    "blocks": {f"{k} block{'s' if k > 1 else ''}": blocks(k) for k in (1, 2, 3, 4)},
    "motifs": {name: with_motif(motif) for name, motif in
               (("ring", RING), ("house", HOUSE), ("star", STAR), ("clique", CLIQUE))},
}  # fmt: skip
