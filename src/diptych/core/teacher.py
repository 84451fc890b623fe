"""A second model, which follows the one that learns."""

import math
from dataclasses import dataclass
from typing import Literal, get_args

Momentum = Literal["constant", "cosine"]


@dataclass(frozen=True)
class Teacher:
    """A copy of the model that follows it: t <- momentum * t + (1 - momentum) * m. At 1 it is frozen.

    Its head is its own, or that of the model ("shared"); a `Twin` within the objective has always its own. Without
    `dropout` it encodes as after training. `layer` asks for the hidden states of that layer in place of embeddings:
    what lies above it is not computed. With `schedule="cosine"` the momentum rises by half a cosine from `momentum` to
    1 at the end of the run, as in BYOL (arXiv:2006.07733).
    """

    momentum: float = 0.996
    head: Literal["own", "shared"] = "own"
    dropout: bool = True
    layer: int | None = None
    schedule: Momentum = "constant"

    def __post_init__(self) -> None:
        if not 0 <= self.momentum <= 1:
            raise ValueError(f"a teacher's momentum is from 0 to 1; got {self.momentum}")
        if self.schedule not in get_args(Momentum):
            raise ValueError(f"a momentum's schedule is one of {', '.join(get_args(Momentum))}; got {self.schedule!r}")

    def at(self, step: int, steps: int) -> float:
        """The momentum at a step (from 0) of so many."""
        if self.schedule == "constant":
            return self.momentum
        return 1 - (1 - self.momentum) * (math.cos(math.pi * step / steps) + 1) / 2
