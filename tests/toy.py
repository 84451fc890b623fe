"""A text encoder small enough to check by hand, and data for it."""

import numpy as np
import torch
from torch import nn

from diptych.core import Encoder, Model, Objective, Optimiser, Recipe, Text


class Toy(Encoder):
    """Mean of a few blocks over the tokens; `padded`, so that micro-batches differ in width."""

    def __init__(self, words=50, dim=16, depth=2, dropout=0.0):
        super().__init__()
        self.dim, self.table = dim, nn.Embedding(words, dim)
        self.recomputes = True  # it says so, and never does
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.Linear(dim, dim), nn.Tanh(), nn.Dropout(dropout)) for _ in range(depth)
        )

    @property
    def layers(self):
        return [self.table, *self.blocks]

    def prepare(self, raw):
        return [Text(np.array([ord(c) % 50 for c in text])) for text in raw]

    def size(self, sample):
        return len(sample.ids)

    def collate(self, samples):
        longest = max(len(s.ids) for s in samples)
        ids = torch.zeros(len(samples), longest, dtype=torch.long)
        real = torch.zeros(len(samples), longest)
        for i, s in enumerate(samples):
            ids[i, : len(s.ids)] = torch.as_tensor(s.ids)
            real[i, : len(s.ids)] = 1
        return {"ids": ids, "real": real}

    def forward(self, batch):
        h = self.table(batch["ids"])
        for block in self.blocks:
            h = block(h)
        real = batch["real"][..., None]
        return (h * real).sum(1) / real.sum(1)

    def save(self, folder):
        raise NotImplementedError


class Sentences:
    """Documents of seven sentences of one to six tokens."""

    fingerprint = "sentences"

    def __init__(self, n=24, words=50):
        self.n, self.words = n, words

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        rng = np.random.default_rng(i)
        starts = np.concatenate([[0], rng.integers(1, 7, 7).cumsum()])
        ids = rng.integers(0, self.words, starts[-1])
        return {"text": Text(ids, np.ones(len(ids), bool), starts[:-1], np.diff(starts))}


def recipe(views, objective: Objective, dropout=0.0, head=None, **settings) -> Recipe:
    torch.manual_seed(0)
    model = Model(Toy(dropout=dropout), head)
    made = {"data": Sentences(), "optimiser": Optimiser(lr=0.05), "batch": 8, "steps": 6} | settings
    return Recipe(model=model, views=views, objective=objective, **made)


class Tiles:
    """Pictures of sixteen patches, of which a step sees some; what is hidden of them is said with them."""

    fingerprint = "tiles"

    def __init__(self, n=24):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        rng = np.random.default_rng(i)
        return {"picture": (rng.normal(size=(1, 6)) + 0.5 * rng.normal(size=(16, 6)), np.zeros(16, bool))}


class SomeTiles:
    """The first patches of a picture in another order, with noise; of those some may be hidden."""

    def __init__(self, many=16, hidden=0.0):
        self.many, self.hidden = many, hidden

    def __call__(self, sample, draw):
        rng = draw.own
        tiles = sample[0][rng.permutation(16)[: self.many]] + 0.1 * rng.normal(size=(self.many, 6))
        hidden = np.zeros(self.many, bool)
        if rng.random() < 0.5:
            hidden[rng.permutation(self.many)[: int(self.hidden * self.many * rng.random())]] = True
        return tiles, hidden


class ToyVision(Encoder):
    """[CLS] and patches through a few blocks that mix them, and a norm; a learned vector stands for hidden patches.

    `register` puts one more token between [CLS] and the patches, as networks do that are to be left alone there.
    """

    waste = 0.0

    def __init__(self, dim=16, depth=2, register=False):
        super().__init__()
        self.dim = dim
        self.embed_tiles = _ToyEmbedding(dim, 1 + register)
        self.blocks = nn.ModuleList(_ToyBlock(dim) for _ in range(depth))
        self.norm = nn.LayerNorm(dim)

    @property
    def layers(self):
        return [self.embed_tiles, *self.blocks]

    @property
    def patches(self):
        return self.norm

    def prepare(self, raw):
        return [(np.asarray(x), np.zeros(len(x), bool)) for x in raw]

    def size(self, sample):
        return len(sample[0])

    def collate(self, samples):
        tiles = torch.tensor(np.stack([tiles for tiles, _ in samples]), dtype=torch.float32)
        hidden = torch.tensor(np.stack([hidden for _, hidden in samples]))
        return {"tiles": tiles} | ({"masked": hidden} if hidden.any() else {})

    def forward(self, batch):
        h = self.embed_tiles(batch["tiles"], batch.get("masked"))
        for block in self.blocks:
            h = block(h)
        return self.norm(h)[:, 0]

    def save(self, folder):
        raise NotImplementedError


class _ToyEmbedding(nn.Module):
    def __init__(self, dim, extra):
        super().__init__()
        self.tiles, self.first = nn.Linear(6, dim), nn.Parameter(torch.randn(extra, dim))
        self.hidden = nn.Parameter(torch.randn(dim))

    def forward(self, tiles, masked):
        h = self.tiles(tiles.to(self.first.dtype))
        if masked is not None:
            h = torch.where(masked[..., None], self.hidden, h)
        return torch.cat([self.first.expand(len(h), -1, -1), h], 1)


class _ToyBlock(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.own, self.others = nn.Linear(dim, dim), nn.Linear(dim, dim, bias=False)

    def forward(self, h):
        return h + torch.tanh(self.own(h) + self.others(h.mean(1, keepdim=True)))


def pictures(views, objective: Objective, head=None, register=False, **settings) -> Recipe:
    torch.manual_seed(0)
    model = Model(ToyVision(register=register), head)
    made = {"data": Tiles(), "optimiser": Optimiser(lr=0.01), "batch": 8, "steps": 6} | settings
    return Recipe(model=model, views=views, objective=objective, **made)
