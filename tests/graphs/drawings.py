"""Graphs to test with."""

import numpy as np

from diptych.core import Graph


def graph(n, pairs, nodes=None):
    """Of n nodes and pairs of them, edges both ways and sorted."""
    edges = sorted({(a, b) for a, b in pairs} | {(b, a) for a, b in pairs})
    nodes = np.zeros(n, np.int32) if nodes is None else nodes
    return Graph(nodes, np.array(edges, np.int32).reshape(-1, 2).T)


def ring(n, nodes=None):
    return graph(n, [(i, (i + 1) % n) for i in range(n)], nodes)


def random(seed, n=12, p=0.4, labels=5):
    rng = np.random.default_rng(seed)
    pairs = [(i, j) for i in range(n) for j in range(i) if rng.random() < p]
    return graph(n, pairs, rng.integers(0, labels, n).astype(np.int32))


def pairs(batch, i):
    """The edges of graph i of a batch, each once, by place in the graph."""
    a, b = batch["edges"][i : i + 2].tolist()
    starts, ends = batch["starts"].tolist(), batch["neighbours"].tolist()
    found = [(node - a, other - a) for node in range(a, b) for other in ends[starts[node] : starts[node + 1]]]
    assert all(0 <= x < b - a for pair in found for x in pair)
    assert {(y, x) for x, y in found} == {*found}
    return {(x, y) for x, y in found if x <= y}


def rows(batch, i):
    a, b = batch["edges"][i : i + 2].tolist()
    return batch["x"][a:b].numpy()
