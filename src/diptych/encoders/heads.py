"""Heads: what stands on an encoder while it trains, and is thrown away.

Shapes: b samples, m rows of any kind, d width of an embedding, p width of a projection, k prototypes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

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


def relu(width: int, hidden: int, out: int, seed: int = 0) -> nn.Module:
    """(b d) to (b p): linear, ReLU, linear, as in SimCLR (arXiv:2002.05709); each row for itself.

    Raises ValueError for a width below one.
    """
    if min(hidden, out) < 1:
        raise ValueError(f"a head is 1 wide or more; got {hidden} and {out}")
    with seeded(seed):
        return nn.Sequential(nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, out))


def projector(width: int, hidden: int, out: int, layers: int = 2, seed: int = 0) -> nn.Module:
    """(b d) to (b p): linear layers with batch normalisation and ReLU between, as in BYOL (2) and Barlow Twins (3).

    It looks at the batch, and keeps no running means: see `mlp`. Raises ValueError for fewer than one layer.
    """
    if layers < 1:
        raise ValueError(f"a projector has one layer or more; got {layers}")
    widths, made = [width, *[hidden] * (layers - 1)], []
    with seeded(seed):
        for before, after in pairwise(widths):
            normed = nn.BatchNorm1d(after, track_running_stats=False)
            made += [nn.Linear(before, after, bias=False), normed, nn.ReLU()]
        return nn.Sequential(*made, nn.Linear(widths[-1], out))


class Prototypes(nn.Module):
    """(m d) to (m k): an MLP with GELU down to a bottleneck, a unit vector, and its cosines to k prototypes.

    A prototype's cosine is multiplied by a gain of its own, which begins as 1 and learns. Linear layers begin with a
    truncated normal of 0.02 and no bias, `last` in the directions of torch's own. It looks at each row alone.
    Source: the head of DINO (arXiv:2104.14294) as in DINOv2. Raises ValueError for fewer than one layer.
    """

    def __init__(
        self, width: int, prototypes: int, hidden: int = 2048, bottleneck: int = 256, layers: int = 3, seed: int = 0
    ):
        super().__init__()
        if layers < 1:
            raise ValueError(f"a head has one layer or more before its prototypes; got {layers}")
        widths: list[int] = [width, *[hidden] * (layers - 1), bottleneck]
        with seeded(seed):
            linear = [nn.Linear(a, b) for a, b in pairwise(widths)]
            for each in linear:
                nn.init.trunc_normal_(each.weight, std=STD)
                nn.init.zeros_(each.bias)
            last = nn.Linear(bottleneck, prototypes, bias=False)
        self.mlp = nn.Sequential(*[x for each in linear for x in (each, nn.GELU())][:-1])
        self.last = weight_norm(last)
        nn.init.ones_(self.last.parametrizations.weight.original0)

    def forward(self, x: Float[Tensor, "m d"]) -> Float[Tensor, "m k"]:
        cosines: Tensor = self.last(F.normalize(self.mlp(x), dim=1))
        return cosines


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


class FeedForward(nn.Module):
    """(m d) to (m d): three linear layers, each with ReLU, beside a linear one; as in InfoGraph (arXiv:1908.01000)."""

    def __init__(self, width: int, seed: int = 0):
        super().__init__()
        with seeded(seed):
            self.deep = nn.Sequential(*[part for _ in range(3) for part in (nn.Linear(width, width), nn.ReLU())])
            self.straight = nn.Linear(width, width)

    def forward(self, x: Float[Tensor, "m d"]) -> Float[Tensor, "m d"]:
        found: Tensor = self.deep(x) + self.straight(x)
        return found
