"""How far the weights of each layer have gone since the start."""

import math
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from diptych.core import Encoder, Recipe, Snapshot
from diptych.instruments.moments import Moments
from diptych.measure.rows import spaced
from diptych.measure.weights import change

SAMPLED = 262_139  # weights of a tensor that are looked at; a prime, so that no row or column is preferred
ROWS = 2048  # of a table
LOOKS, LEAST, APART = 20, 6, 45  # looks, and steps for each of them


class Weights:
    """change_0 ... change_L: ||W - W0||_F / ||W0||_F of the weights that learn in the input embedding and every block.

    Of a tensor with more than 262,139 weights as many are taken, evenly spaced; of a table of which steps look up a few
    rows, up to 2,048 rows. It is made before a run begins or is resumed, when the model is at its start, and keeps what
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
        now = (_taken(encoder, layer, copied=False) for layer in encoder.layers)
        found = [change(after, before) for after, before in zip(now, self.start, strict=True)]
        return {f"change_{i}": x for i, x in enumerate(found) if self.start[i] and math.isfinite(x)}


def _taken(encoder: Encoder, layer: nn.Module, copied: bool = True) -> list[Tensor]:
    """The weights of a layer that learn, flat, or some of each tensor."""
    tables = {id(table.weight): table for table in encoder.tables}
    learn = (p for p in layer.parameters() if p.requires_grad)
    some = [(_rows(tables[id(p)]) if id(p) in tables else _some(p.detach())).cpu() for p in learn]
    return [x.clone() for x in some] if copied else some


def _rows(table: Any) -> Tensor:
    """Some rows of a table, as they would be looked up now."""
    weight, look = table.weight.detach(), getattr(table, "look", None)
    rows = spaced(len(weight), ROWS, weight.device)
    return (weight[rows] if look is None else look.seen(rows)).flatten()


def _some(weight: Tensor) -> Tensor:
    flat = weight.flatten()
    return flat if len(flat) <= SAMPLED else flat[spaced(len(flat), SAMPLED, flat.device)]
