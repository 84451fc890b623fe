"""Heads: what stands on an encoder while it trains, and is thrown away.

Shapes: b samples, d width of an embedding, p width of a projection.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

STD = 0.02  # of a linear layer's weights at the start, as in BERT


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """While open, modules get the weights that a seed decides; torch's own generator goes on as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield


def tanh(width: int, seed: int = 0) -> nn.Module:
    """(b d) to (b d): a linear layer and tanh, as in SimCSE (arXiv:2104.08821)."""
    with seeded(seed):
        linear = nn.Linear(width, width)
        nn.init.normal_(linear.weight, std=STD)
    nn.init.zeros_(linear.bias)
    return nn.Sequential(linear, nn.Tanh())


def mlp(width: int, hidden: int, out: int, seed: int = 0) -> nn.Module:
    """(b d) to (b p): linear, batch normalisation, ReLU, linear, batch normalisation without weights.

    Linear layers have no bias, for normalisation takes it away. It looks at the batch and keeps no running means, so it
    belongs in `Headed`, which shows it all of a step.
    """
    with seeded(seed):
        return nn.Sequential(
            nn.Linear(width, hidden, bias=False),
            nn.BatchNorm1d(hidden, track_running_stats=False),
            nn.ReLU(),
            nn.Linear(hidden, out, bias=False),
            nn.BatchNorm1d(out, affine=False, track_running_stats=False),
        )
