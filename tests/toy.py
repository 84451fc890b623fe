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
