"""Pictures as they are, made small: what every encoder of pictures must stand beside."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from diptych.core import Batch, Encoder, Picture
from diptych.pictures import plan, read
from diptych.pictures.render import render

SIDE = 16


class Pixels(Encoder):
    """The values of a picture at 16 x 16, less gray: 768 numbers. Nothing is learned."""

    dim = 3 * SIDE**2
    waste = 0.0
    before, patch, pooling, side = 0, None, "mean", SIDE

    def __init__(self) -> None:
        super().__init__()
        self.entry, self.map = nn.Identity(), nn.Identity()
        self.gray = nn.Parameter(torch.tensor(0.5), requires_grad=False)

    @property
    def layers(self) -> list[nn.Module]:
        return [self.entry, self.map]

    def prepare(self, raw: Sequence[Any]) -> list[Picture]:
        return [x if isinstance(x, Picture) else Picture(read.pixels(x)) for x in raw]

    def size(self, sample: Picture) -> int:
        h, w = plan.size(sample, SIDE)
        return h * w

    def collate(self, samples: Sequence[Picture]) -> Batch:
        return plan.tensors(samples, SIDE)

    def forward(self, batch: Batch) -> Float[Tensor, "b d"]:
        found: Tensor = self.map(F.adaptive_avg_pool2d(self.entry(render(batch) - self.gray), SIDE))
        return found.flatten(1)

    def save(self, folder: Path) -> None:
        raise ValueError("pictures as they are need no model; there is nothing to save")
