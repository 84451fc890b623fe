"""How weights are moved: AdamW, and its rates over a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

Schedule = Literal["linear", "cosine"]  # how the learning rate falls after the warm-up


@dataclass(frozen=True)
class Optimiser:
    """AdamW, linear warm-up over a part of the steps, then linear or cosine decay to zero, or to `lr_end`.

    Warm-up is a part of an epoch, or `warmup_steps`. `rates` gives parameters whose name starts with a prefix a
    learning rate of their own; a rate of 0 freezes them. Those whose name fits a pattern of `late` ("*" is anything)
    stay as they are for so many steps.

    With `layer_decay`, rates are multiplied by it once for each layer between a weight and the end of the encoder: of
    L blocks, those of layer l by `layer_decay` ** (L + 1 - l); what lies behind the last block, and heads, by 1.

    Weight decay goes from `weight_decay` to `weight_decay_end` by half a cosine over the run, if that is given. With
    `decayed="matrices"` vectors and numbers (biases, norms, scales of layers) have none. `clip` is the longest
    gradient, of all weights together, or with `clipped="parts"` of the encoder and of each head for itself.
    """

    lr: float
    warmup: float = 0.1
    weight_decay: float = 0.0
    clip: float | None = None
    betas: tuple[float, float] = (0.9, 0.999)
    rates: Mapping[str, float] = field(default_factory=dict)
    warmup_steps: int | None = None
    schedule: Schedule = "linear"
    lr_end: float | None = None
    late: Mapping[str, int] = field(default_factory=dict)
    layer_decay: float | None = None
    weight_decay_end: float | None = None
    decayed: Literal["matrices"] | None = None
    clipped: Literal["parts"] | None = None

    def __post_init__(self) -> None:
        if not self.lr > 0:
            raise ValueError(f"a learning rate is above 0; got lr={self.lr}")
        if not 0 <= self.warmup <= 1:
            raise ValueError(f"warm-up is a part of an epoch, from 0 to 1; got warmup={self.warmup}")
        if self.clip is not None and not self.clip > 0:
            raise ValueError(f"gradients are cut to a length above 0; got clip={self.clip}")
        if not 0 <= self.weight_decay < float("inf"):
            raise ValueError(f"weight decay is 0 or more; got weight_decay={self.weight_decay}")
        if self.warmup_steps is not None and self.warmup_steps < 0:
            raise ValueError(f"warm-up takes 0 steps or more; got warmup_steps={self.warmup_steps}")
        if self.schedule not in get_args(Schedule):
            raise ValueError(f"a schedule is one of {', '.join(get_args(Schedule))}; got {self.schedule!r}")
        if self.lr_end is not None and not 0 <= self.lr_end <= self.lr:
            raise ValueError(f"the last learning rate is from 0 to lr={self.lr}; got lr_end={self.lr_end}")
        if self.layer_decay is not None and not 0 < self.layer_decay <= 1:
            raise ValueError(f"rates of earlier layers are a part, in (0, 1]; got layer_decay={self.layer_decay}")
        if self.weight_decay_end is not None and not 0 <= self.weight_decay_end < float("inf"):
            raise ValueError(f"weight decay is 0 or more; got weight_decay_end={self.weight_decay_end}")
        if any(steps < 0 for steps in self.late.values()):
            raise ValueError(f"weights stay as they are for 0 steps or more; got late={dict(self.late)}")
        if self.clipped and self.clip is None:
            raise ValueError("the gradients of parts are cut to a length; give clip= too")
        for name, given, only in (("decayed", self.decayed, "matrices"), ("clipped", self.clipped, "parts")):
            if given not in (None, only):
                raise ValueError(f"Optimiser.{name} is {only!r}, or None for everything; got {given!r}")
