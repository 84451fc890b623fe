"""A network that is tried on something, and is afterwards as it was."""

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def tried(network: nn.Module) -> Iterator[None]:
    """While open, no part of a network trains; then those do that did.

    `network.train()` would not do: it sets all parts, also those that are frozen and stay in evaluation.
    """
    learning = [part for part in network.modules() if part.training]
    network.eval()
    try:
        yield
    finally:
        for part in learning:
            part.training = True
