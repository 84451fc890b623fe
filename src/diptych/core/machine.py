"""How a recipe is carried out."""

from dataclasses import dataclass

from diptych.core.precision import Precision


@dataclass(frozen=True)
class Machine:
    """How a recipe is carried out: speed and memory, not what is learned.

    `tokens`, `graph` and `workers` change no more than the rounding of sums (and, with a library's own
    dropout, which numbers are dropped); `precision` and `device` change the numbers themselves.

    Graphs of a step are kept up to `graph` tokens; beyond it every micro-batch is encoded twice
    (GradCache), in the memory of one.
    """

    tokens: int | None = None
    """Tokens of a micro-batch (what suits the encoder)."""
    graph: int = 131072
    """Tokens of a step up to which it is encoded once."""
    precision: Precision = "auto"
    """Numbers that the network runs in; auto takes bf16 where the hardware multiplies it."""
    workers: int = 1
    """Threads that make views while the model learns."""
    device: str = "auto"
    """cpu, cuda, cuda:1, ...; auto takes a GPU if there is one."""
    recompute: bool = False
    """Keep nothing within the blocks of a network, and compute it again for the gradient (gradient checkpointing): less
    memory, for a second pass forward."""
    checkpoint: float = 60.0
    """Seconds between checkpoints."""
    shard: bool = False
    """Divide weights, gradients and the optimiser's state among the processes (FSDP2), for a model that one device
    cannot hold."""

    def __post_init__(self) -> None:
        for name, least in (("tokens", 1), ("graph", 0), ("workers", 0), ("checkpoint", 0)):
            given = getattr(self, name)
            if given is not None and given < least:
                raise ValueError(f"{name} is {least} or more; got {given}")
