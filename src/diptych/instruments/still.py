"""Looking at a model that learns, so that it learns as if nobody had looked."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from diptych.core import Encoder


@contextmanager
def still(encoder: Encoder) -> Iterator[None]:
    """While open, embedding shows the encoder as it is; then its tables, their optimiser and generators are as before.

    Rows of a table that are looked up are brought up to date by the optimiser, which is a rounding of its own: they
    are put back, with what the optimiser keeps of them.
    """
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with ExitStack() as stack:
        stack.enter_context(torch.random.fork_rng(list(gpus)))
        for table in encoder.tables:
            if getattr(table, "look", None) is not None:
                stack.enter_context(_put_back(table))
        yield


@contextmanager
def _put_back(table: Any) -> Iterator[None]:
    look, weight = table.look, table.weight
    held = [x for x in look.optimiser.state[weight].values() if x.ndim and len(x) == len(weight)]
    saved: list[tuple[Tensor, list[Tensor]]] = []

    def looked(rows: Int[Tensor, " u"]) -> None:
        with torch.no_grad():
            saved.append((rows, [x.index_select(0, rows) for x in (weight, *held)]))
        look(rows)

    table.look = looked
    try:
        yield
    finally:
        table.look = look
        with torch.no_grad():
            for rows, before in reversed(saved):
                for x, old in zip((weight, *held), before, strict=True):
                    x.index_copy_(0, rows, old)
