"""Dropout at one layer, as a view made inside the network (arXiv:2303.14537)."""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from diptych.draws import uniform


@dataclass(frozen=True)
class Dropout:
    """Zeroes each number with probability `rate` and scales the others by 1 / (1 - rate)."""

    rate: float = 0.5

    def __post_init__(self) -> None:
        if not 0 <= self.rate < 1:
            raise ValueError(f"a dropout rate is in [0, 1); got {self.rate}")

    def __call__(self, h: Tensor, key: Int[Tensor, " b"]) -> Tensor:
        rows = h.shape[1:-1].numel()
        kept = uniform(key, rows, h.shape[-1]).view(h.shape) >= self.rate
        return torch.where(kept, h / (1 - self.rate), 0.0)
