"""Sums over neighbours, of graphs whose edges go both ways, and over the nodes of each graph.

Shapes: b graphs, n nodes, e edges in both directions, d width.
"""

from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor


class _Sum(torch.autograd.Function):
    """The matrix of edges is its own transpose, so the gradient of the sum is the same sum of gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, starts: Tensor, neighbours: Tensor) -> Tensor:
        ctx.save_for_backward(starts, neighbours)
        return F.embedding_bag(neighbours, x, starts, mode="sum", include_last_offset=True)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        starts, neighbours = ctx.saved_tensors
        return (
            F.embedding_bag(neighbours, gradient.contiguous(), starts, mode="sum", include_last_offset=True),
            None,
            None,
        )


def sums(x: Float[Tensor, "n d"], starts: Int[Tensor, " n+1"], neighbours: Int[Tensor, " e"]) -> Float[Tensor, "n d"]:
    """For each node the sum of its neighbours' rows; no row is copied for each edge. It has no second derivative."""
    found: Tensor = _Sum.apply(x, starts, neighbours)
    return found


class _OfGraphs(torch.autograd.Function):
    """A node's gradient is that of its graph."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, edges: Tensor) -> Tensor:
        ctx.save_for_backward(edges)
        nodes = torch.arange(len(x), device=x.device)
        return F.embedding_bag(nodes, x, edges, mode="sum", include_last_offset=True)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (edges,) = ctx.saved_tensors
        return gradient.repeat_interleave(edges.diff(), 0), None


def of_graphs(x: Float[Tensor, "n d"], edges: Int[Tensor, " b+1"]) -> Float[Tensor, "b d"]:
    """The sum of each graph's nodes, which begin at `edges`. It has no second derivative."""
    found: Tensor = _OfGraphs.apply(x, edges)
    return found


def edge_index(starts: Int[Tensor, " n+1"], neighbours: Int[Tensor, " e"]) -> Int[Tensor, "2 e"]:
    """Edges as PyTorch Geometric has them: from a neighbour, to a node."""
    nodes = torch.arange(len(starts) - 1, device=starts.device)
    return torch.stack([neighbours.long(), torch.repeat_interleave(nodes, starts.diff().long())])
