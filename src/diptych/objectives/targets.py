"""From what a teacher's head says of prototypes to what a student is to say.

Shapes: m rows, k prototypes.
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Targets(nn.Module, ABC):
    """Parts of k prototypes for each row, which sum to 1, from a teacher's logits over a temperature.

    The temperature goes from `start` to `end` in a line over the first `warmup` steps. These are counted here, once for
    each call in training mode, and are part of the checkpoint; so is what a kind of targets remembers.

    Raises ValueError for a temperature that is not above 0, and a warm-up below 0 steps.
    """

    steps: Tensor

    def __init__(self, start: float = 0.04, end: float = 0.07, warmup: int = 0):
        super().__init__()
        for given in (start, end):
            if not 0 < given < float("inf"):
                raise ValueError(f"a teacher's temperature is above 0; got {given}")
        if warmup < 0:
            raise ValueError(f"a teacher's temperature takes 0 steps or more to change; got warmup={warmup}")
        self.start, self.end, self.warmup = start, end, warmup
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def forward(self, logits: Float[Tensor, "m k"]) -> Float[Tensor, "m k"]:
        made = self.made(logits.detach(), self.temperature)
        if self.training:
            self.steps += 1
        return made

    @property
    def temperature(self) -> Float[Tensor, ""]:
        """Of the step that comes."""
        part = (self.steps / self.warmup).clamp(max=1) if self.warmup else torch.ones_like(self.steps)
        return self.start + (self.end - self.start) * part

    @abstractmethod
    def made(self, logits: Float[Tensor, "m k"], temperature: Float[Tensor, ""]) -> Float[Tensor, "m k"]: ...


def cross_entropy(
    target: Float[Tensor, "m k"], logits: Float[Tensor, "m k"], temperature: float
) -> Float[Tensor, " m"]:
    """-sum_k target_k log softmax(logits / temperature)_k of each row."""
    return -(target * (logits / temperature).log_softmax(1)).sum(1)
