"""Centring: no prototype is liked by all."""

import torch
from jaxtyping import Float
from torch import Tensor

from diptych.objectives.targets import Targets


class Centring(Targets):
    """softmax((logits - c) / t), with c <- momentum * c + (1 - momentum) * mean of the logits.

    The mean is over the rows of a step and counts from the next step on; c begins as 0. A step without rows leaves it
    as it is. Temperatures are those of `Targets`.

    Raises ValueError for a momentum outside [0, 1], and fewer than one prototype.
    """

    paper = "arXiv:2104.14294"
    centre: Tensor

    def __init__(self, prototypes: int, start: float = 0.04, end: float = 0.07, warmup: int = 0, momentum: float = 0.9):
        super().__init__(start, end, warmup)
        if not 0 <= momentum <= 1:
            raise ValueError(f"a centre's momentum is from 0 to 1; got {momentum}")
        if prototypes < 1:
            raise ValueError(f"there is a prototype or more; got {prototypes}")
        self.momentum = momentum
        self.register_buffer("centre", torch.zeros(prototypes))

    def made(self, logits: Float[Tensor, "m k"], temperature: Float[Tensor, ""]) -> Float[Tensor, "m k"]:
        found = ((logits - self.centre) / temperature).softmax(1)
        if self.training and len(logits):
            self.centre.lerp_(logits.mean(0).to(self.centre.dtype), 1 - self.momentum)
        return found
