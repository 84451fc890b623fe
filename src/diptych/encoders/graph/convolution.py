"""A graph convolution by its name, with its options: GIN, or an import path of PyTorch Geometric or of one's own.

Shapes: n nodes, a and d widths of the input and the output.
"""

import copy
import importlib
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import Tensor, nn

from diptych.encoders.graph.neighbours import edge_index, sums
from diptych.graphs.geometric import library

GIN = "GIN"  # stands for GINConv with an MLP of two layers
PYG = "torch_geometric."  # where convolutions may be loaded from
TRUTHS = {"true": True, "false": False, "none": None}


def made(conv: str, a: int, d: int) -> nn.Module:
    """A convolution of nodes (n a), and of `starts` and `neighbours` of a batch, to nodes (n d).

    Raises ValueError for a name that is none, and for what is not made and called so; ImportError without PyTorch
    Geometric.
    """
    geometric = library()
    if conv == GIN:
        first, last = nn.Linear(a, d), nn.Linear(d, d)
        layer = _Isomorphism(geometric.nn.GINConv(nn.Sequential(first, nn.ReLU(), last)))  # which draws them anew
        for linear in (first, last):
            nn.init.xavier_uniform_(linear.weight)
            nn.init.zeros_(linear.bias)
        return layer
    module, _, rest = conv.partition(":")
    name, *asked = rest.split(":")
    found, options = _imported(conv, module, name), _options(conv, asked)
    try:
        other = _Other(found(a, d, **options))
        _try(other, a, d)
        return other
    except Exception as error:  # a class can do anything with two numbers
        raise ValueError(
            f"{conv} is not made of two widths, and called with nodes and edges ({type(error).__name__}: {error}); "
            f"give its options, as {module}:{name}:option=value, or wrap it in a class of your own whose __init__ "
            "takes the widths of its input and its output, and name that"
        ) from error


def _imported(conv: str, module: str, name: str) -> type[nn.Module]:
    """The class that is named. Raises ValueError where none is, or one that was not imported."""
    if not name:
        raise ValueError(f"conv is {GIN}, or MODULE:CLASS such as torch_geometric.nn:SAGEConv; got {conv!r}")
    if not module.startswith(PYG) and module not in sys.modules:
        raise ValueError(
            f"conv is {GIN}, or a class of torch_geometric such as torch_geometric.nn:SAGEConv; one of your own, "
            f"{conv!r}, is to be imported before: a model's folder runs no code that it names"
        )
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"{conv} is no convolution that can be imported: {error}") from error
    if not (isinstance(found, type) and issubclass(found, nn.Module)):
        raise ValueError(f"{conv} is no class of a torch module")
    return found


def _options(conv: str, asked: Sequence[str]) -> dict[str, Any]:
    """What "heads=4", "concat=false", "aggr=max" say: numbers, truths and words, since a model's folder may say it."""
    found: dict[str, Any] = {}
    for part in asked:
        option, _, text = part.partition("=")
        value = _value(text)
        if not option.isidentifier() or option in found or value == "":
            raise ValueError(f"{conv}: {part!r} is no option with a number, true, false or a word, once, as heads=4")
        found[option] = value
    return found


def _value(text: str) -> bool | int | float | str | None:
    """A truth, a number or a word; "" for anything else."""
    if text.lower() in TRUTHS:
        return TRUTHS[text.lower()]
    for kind in (int, float):
        with suppress(ValueError):
            return kind(text)
    return text if text.isidentifier() else ""


def _try(layer: nn.Module, a: int, d: int) -> None:
    """A copy makes d numbers of each of two nodes with an edge. Raises what it raises, or ValueError."""
    try:
        tried = copy.deepcopy(layer).eval()
    except RuntimeError:  # of weights that are computed from others there is no copy, and no trial
        return
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        found = tried(torch.ones(2, a), torch.tensor([0, 1, 2]), torch.tensor([1, 0]))
    if found.shape != (2, d):
        raise ValueError(f"two nodes become {list(found.shape)}, and {d} numbers of each are due")


class _Isomorphism(nn.Module):
    """A GINConv, whose sum over neighbours copies no row for each edge."""

    def __init__(self, conv: Any):
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor, starts: Tensor, neighbours: Tensor) -> Tensor:
        found: Tensor = self.conv.nn(sums(x, starts, neighbours) + (1 + self.conv.eps) * x)
        return found


class _Other(nn.Module):
    def __init__(self, conv: Any):
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor, starts: Tensor, neighbours: Tensor) -> Tensor:
        found: Tensor = self.conv(x, edge_index(starts, neighbours))
        return found
