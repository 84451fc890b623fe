"""How far the weights of each layer have gone since the start."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from diptych.core import Encoder, Recipe, Snapshot
from diptych.instruments.moments import Moments
from diptych.instruments.still import still
from diptych.measure.weights import change

SAMPLED = 262_139  # weights of a tensor that are looked at; a prime, so that no row or column is preferred
ROWS = 4096  # of a table
LOOKS, LEAST, APART = 20, 6, 30  # looks, and steps for each of them


class Weights:
    """change_0 ... change_L: ||W - W0||_F / ||W0||_F of the weights that learn in the input embedding and every block.

    Of a tensor with more than 262,139 weights as many are taken, evenly spaced; of a table of which steps look up a few
    rows, up to 4,096 rows. It is made before a run begins or is resumed, when the model is at its start, and keeps what
    it takes. A model whose weights are divided among processes is not looked at.
    """

    def __init__(self, encoder: Encoder, every: Moments | int = 200):
        self.every, self.start = every, [_taken(encoder, layer) for layer in encoder.layers]

    @staticmethod
    def of(recipe: Recipe) -> "Weights":
        return Weights(recipe.model.encoder, Moments(recipe.steps, max(LEAST, min(LOOKS, recipe.steps // APART))))

    def __call__(self, snapshot: Snapshot) -> Mapping[str, float]:
        encoder = snapshot.model.encoder
        if snapshot.model.sharded:
            return {}
        with still(encoder), torch.no_grad():
            for table in encoder.tables:
                if (look := getattr(table, "look", None)) is not None:
                    weight: Any = table.weight
                    look(_spaced(len(weight), ROWS, weight.device))
            now = (_taken(encoder, layer, copied=False) for layer in encoder.layers)
            found = [change(after, before) for after, before in zip(now, self.start, strict=True)]
        return {f"change_{i}": x for i, x in enumerate(found) if self.start[i] and math.isfinite(x)}


def _taken(encoder: Encoder, layer: nn.Module, copied: bool = True) -> list[Tensor]:
    """The weights of a layer that learn, flat, or some of each tensor."""
    tables = {id(table.weight) for table in encoder.tables}
    some = [_some(p.detach(), id(p) in tables).cpu() for p in layer.parameters() if p.requires_grad]
    return [x.clone() for x in some] if copied else some


def _some(weight: Tensor, table: bool) -> Tensor:
    if table:
        return weight[_spaced(len(weight), ROWS, weight.device)].flatten()
    flat = weight.flatten()
    return flat if len(flat) <= SAMPLED else flat[_spaced(len(flat), SAMPLED, flat.device)]


def _spaced(n: int, most: int, device: torch.device) -> Int[Tensor, " m"]:
    """All of n places, or some, evenly spaced."""
    many = min(n, most)
    return torch.arange(many, device=device) * n // many
