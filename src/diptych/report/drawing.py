"""Graphs drawn: places of nodes by springs, from a spectral start, as a small SVG.

Shapes: n nodes, m edges.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from markupsafe import Markup

from diptych.plural import counted

MOST = 150  # nodes that are drawn
STEPS = 150  # of the springs
PULL = 0.3  # towards the middle, so that what is apart stays in sight
COLOURS = 12
SIDE, EDGE = 100.0, 6.0  # of the picture, and what is left free at its edges
NOTHING = Markup("")


@dataclass(frozen=True)
class Drawn:
    """A graph to be drawn: nodes are numbered from 0, an edge is a pair, colours are numbers from 1 or 0 for none."""

    nodes: int
    edges: Sequence[tuple[int, int]]
    colours: Sequence[int] = ()


def places(nodes: int, edges: Sequence[tuple[int, int]]) -> Float[np.ndarray, "n 2"]:
    """Places in a square of side 1; the same for the same graph.

    Springs of Fruchterman and Reingold (Software: Practice and Experience 21, 1991): neighbours attract by d^2 / k, all
    repel by k^2 / d, and each step is shorter than the last. They start from the eigenvectors of the Laplacian that
    belong to its second and third smallest eigenvalues, a little apart where these have several nodes at one place.
    """
    near = np.zeros((nodes, nodes))
    pairs: Int[np.ndarray, "m 2"] = np.array([pair for pair in edges if pair[0] != pair[1]], np.int64).reshape(-1, 2)
    near[pairs[:, 0], pairs[:, 1]] = near[pairs[:, 1], pairs[:, 0]] = 1
    if nodes < 2:
        return np.full((nodes, 2), 0.5)
    axes = np.linalg.eigh(np.diag(near.sum(0)) - near)[1][:, 1:3]
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])
    x = np.pad(axes, ((0, 0), (0, 2 - axes.shape[1])))
    x = x / np.abs(x).max() + 0.05 * np.random.default_rng(0).standard_normal(x.shape)
    k = 2 / nodes**0.5
    for step in range(STEPS):
        apart = x[:, None] - x[None]
        distance = np.maximum(np.linalg.norm(apart, axis=2), 1e-3)
        force = (apart * (k**2 / distance**2 - near * distance / k)[..., None]).sum(1) - PULL * x
        length = np.maximum(np.linalg.norm(force, axis=1, keepdims=True), 1e-9)
        x = x + force / length * np.minimum(length, 0.2 * (1 - step / STEPS))
    low, high = x.min(0), x.max(0)
    return (x - (low + high) / 2) / max(float((high - low).max()), 1e-9) + 0.5


def svg(graph: Drawn | None) -> Markup:
    """A drawing; of a graph that is too large, or none, there is none."""
    if graph is None or not 1 <= graph.nodes <= MOST:
        return NOTHING
    at = (EDGE + (SIDE - 2 * EDGE) * places(graph.nodes, graph.edges)).round(1).tolist()
    radius = round(max(1.2, min(4.0, 18 / graph.nodes**0.5)), 1)
    lines = "".join(f"M{at[a][0]} {at[a][1]}L{at[b][0]} {at[b][1]}" for a, b in graph.edges if a != b)
    colours = [c if 0 < c <= COLOURS else 0 for c in graph.colours] or [0] * graph.nodes
    dots = "".join(
        f'<circle cx="{x}" cy="{y}" r="{radius}" fill="var(--c{c})"/>' for (x, y), c in zip(at, colours, strict=True)
    )
    told = f"a graph of {graph.nodes} nodes and {counted(len(graph.edges), 'edge')}"
    return Markup(  # of numbers alone
        f'<svg class="graph" viewBox="0 0 100 100" role="img" aria-label="{told}">'
        f'<path d="{lines}" fill="none" stroke="currentColor" stroke-width="0.6" opacity="0.5"/>{dots}</svg>'
    )
