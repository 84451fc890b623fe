"""The processes of one run, as `torchrun` and `accelerate launch` start them. Alone, nothing is sent.

Every process encodes its part of a step's samples, sees the embeddings of all of them, and adds up the gradients
of the weights: the step is the one that a single process takes.
"""

import atexit
import functools
import gc
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import numpy as np
import torch
import torch.distributed as dist
from jaxtyping import Float
from torch import Tensor, nn

PATIENCE = timedelta(hours=1)  # that a process waits for the others


class ProcessLostError(RuntimeError):
    """Another process of the run is gone."""


@dataclass(frozen=True)
class World:
    """The number of this process, and how many there are."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def part(self, n: int) -> range:
        """The share of this process of n things in order."""
        return range(n * self.rank // self.size, n * (self.rank + 1) // self.size)

    def sum_(self, tensors: Iterable[Tensor]) -> None:
        """Adds up each tensor over all processes, in place."""
        if self.size > 1:
            with _together():
                waiting = [dist.all_reduce(tensor, async_op=True) for tensor in tensors]
                for work in waiting:
                    work.wait()

    def numbers(self, *own: float) -> list[float]:
        """Each number added up over all processes."""
        if self.size == 1:
            return list(own)
        total = torch.tensor(own, dtype=torch.float64)
        self.sum_([total])
        return total.tolist()

    def most(self, own: int) -> int:
        """The largest of a number of each process."""
        return int(max(self.numbers(*(own * (rank == self.rank) for rank in range(self.size)))))

    def rows(self, encode: Callable[[Sequence[str]], np.ndarray], texts: Sequence[str]) -> Float[np.ndarray, "n d"]:
        """What `encode` makes of texts, each process of its part of them."""
        if self.size == 1:
            return encode(texts)
        mine = self.part(len(texts))
        own = torch.from_numpy(np.asarray(encode(texts[mine.start : mine.stop]), np.float32))
        whole = own.new_zeros(len(texts), own.shape[1])
        whole[mine.start : mine.stop] = own
        self.sum_([whole])
        return whole.numpy()

    def wait(self) -> None:
        """Until all processes are here."""
        self.numbers(0)

    def told(self, text: str) -> str:
        """What the first process says."""
        if self.size == 1:
            return text
        said = [text]
        with _together():
            dist.broadcast_object_list(said, src=0)
        return said[0]


ALONE = World()


@functools.cache
def world() -> World:
    """The processes that this one was started with; the first call connects them.

    Raises ValueError if the environment names other processes, but not where to meet them.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return ALONE
    missing = [name for name in ("RANK", "MASTER_ADDR", "MASTER_PORT") if name not in os.environ]
    if missing:
        raise ValueError(f"WORLD_SIZE is {size}, but {', '.join(missing)} is not set; start it with torchrun")
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    with _together():
        dist.init_process_group(backend, timeout=PATIENCE)
    atexit.register(_leave)
    return World(dist.get_rank(), dist.get_world_size())


def _leave() -> None:
    gc.collect()  # a divided model may still hold the connections, whose threads would outlive them
    dist.destroy_process_group()


def gradients(model: nn.Module) -> list[Tensor]:
    """Of every weight that learns; zeros where this process had none."""
    learning = [p for p in model.parameters() if p.requires_grad]
    for p in learning:
        if p.grad is None:
            p.grad = torch.zeros_like(p)
        if p.grad.is_sparse:  # others have other rows
            p.grad = p.grad.to_dense()
    return [p.grad for p in learning if p.grad is not None]


@contextmanager
def _together() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise ProcessLostError(
            f"another process of this run is gone ({str(error).splitlines()[0][:200]}); its last checkpoint is whole: "
            "`diptych train --resume RUN` goes on, with any number of processes"
        ) from error
