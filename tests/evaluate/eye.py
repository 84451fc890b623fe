"""An encoder of pictures small enough to know what it sees: patches of two by two pixels, and a token for all."""

import torch
from torch import nn

from diptych.core import Encoder, Picture
from diptych.pictures import plan
from diptych.pictures.render import render

SIDE, PATCH = 8, 2


class Patches(nn.Module):
    """Twelve numbers of each patch, behind a token that is half their mean."""

    def __init__(self, token):
        super().__init__()
        self.token, self.scale = token, nn.Parameter(torch.ones(()))

    def forward(self, x):
        b = len(x)
        tokens = nn.functional.unfold(x * self.scale, PATCH, stride=PATCH).transpose(1, 2)
        return torch.cat([tokens.mean(1, keepdim=True) / 2, tokens], 1) if self.token else tokens.reshape(b, -1, 12)


class Double(nn.Module):
    def forward(self, x):
        return 2 * x


class Shift(nn.Module):
    """The norm: told apart from none by what it adds."""

    def forward(self, x):
        return x + 100


class Eye(Encoder):
    """Blocks double what they are given."""

    dim, patch, side, waste = 12, PATCH, SIDE, 0.0

    def __init__(self, depth=2, token=True):
        super().__init__()
        self.before, self.pooling = int(token), "cls" if token else "mean"
        self.first, self.blocks, self.norm = Patches(token), nn.ModuleList(Double() for _ in range(depth)), Shift()

    @property
    def layers(self):
        return [self.first, *self.blocks]

    @property
    def patches(self):
        return self.norm

    def prepare(self, raw):
        return [x if isinstance(x, Picture) else Picture(x) for x in raw]

    def size(self, sample):
        h, w = plan.size(sample, SIDE)
        return (h // PATCH) * (w // PATCH) + self.before

    def collate(self, samples):
        return plan.tensors(samples, SIDE)

    def forward(self, batch):
        h = self.first(render(batch))
        for block in self.blocks:
            h = block(h)
        h = self.norm(h)
        return h[:, 0] if self.pooling == "cls" else h.mean(1)

    def save(self, folder):
        raise NotImplementedError


class Maps(Eye):
    """The same without patches: a map of three channels, half as large after each stage."""

    patch, dim, before, pooling = None, 3, 0, "mean"

    def __init__(self):
        super().__init__(token=False)
        self.first, self.before = nn.Conv2d(3, 3, 1, bias=False), 0
        nn.init.dirac_(self.first.weight)
        self.blocks = nn.ModuleList(nn.AvgPool2d(2) for _ in range(2))

    @property
    def patches(self):
        raise AssertionError("there is no norm")

    def forward(self, batch):
        h = self.first(render(batch))
        for block in self.blocks:
            h = block(h)
        return h.mean((2, 3))
