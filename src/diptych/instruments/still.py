"""Looking at a model that learns, so that it learns as if nobody had looked."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from diptych.core import Encoder


@contextmanager
def still(encoder: Encoder) -> Iterator[None]:
    """While open, embedding shows the encoder as it is; then its generators are as before.

    Tables, whose rows an optimiser brings up to date when a step looks them up, are asked for rows as they would be:
    to move them sooner would be a rounding of its own.
    """
    gpus = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    tables: list[Any] = [table for table in encoder.tables if getattr(table, "look", None) is not None]
    looks = [table.look for table in tables]
    with torch.random.fork_rng(list(gpus)):
        for table, look in zip(tables, looks, strict=True):
            table.look = look.seen
        try:
            yield
        finally:
            for table, look in zip(tables, looks, strict=True):
                table.look = look
