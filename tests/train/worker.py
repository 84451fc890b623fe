"""One process of several: `python worker.py JOB OUT`, with the environment that torchrun sets."""

import os
import signal
import sys
from copy import deepcopy
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from networks import build
from torch import nn
from toy import Sentences, SomeTiles, pictures, recipe

from diptych.core import Machine, Model, Optimiser, Perturb, Recipe, Text, Twin, View
from diptych.encoders import heads
from diptych.objectives.centring import Centring
from diptych.objectives.dino import DINO
from diptych.objectives.ibot import IBOT
from diptych.objectives.infonce import InfoNCE
from diptych.objectives.koleo import KoLeo
from diptych.objectives.sinkhorn import SinkhornKnopp
from diptych.objectives.sum import Sum
from diptych.train import processes
from diptych.train.batches import work
from diptych.train.loop import train
from diptych.train.sharding import gathered, shard
from diptych.train.step import backward
from diptych.views.input.text.crop import Crop
from diptych.views.network.dropout import Dropout


class Tokens:
    """Texts of 3 to 39 random tokens."""

    fingerprint = "tokens"

    def __len__(self):
        return 14

    def __getitem__(self, i):
        rng = np.random.default_rng(i)
        return {"text": Text(rng.integers(5, 60, rng.integers(3, 40)).astype(np.int32))}


def toy():
    views = [View(transform=Crop(), perturb=Perturb(1, Dropout(0.5)))] * 2
    torch.manual_seed(5)
    return recipe(views, InfoNCE(), head=nn.Linear(16, 8), batch=7, data=Sentences())


def bert():
    """With its dropout on: it is keyed."""
    views = [View(perturb=Perturb(2, Dropout(0.5), 0.5))] * 2
    return Recipe(Model(build("Bert")), views, InfoNCE(0.1), Tokens(), Optimiser(1e-3), batch=7, steps=6)


def dinov2():
    """Global crops, some of their patches masked, and local ones; a teacher with heads of its own."""
    large = View("global", "picture", SomeTiles(16, hidden=0.6), by="both")
    views = [large, large, *[View("local", "picture", SomeTiles(4))] * 3]
    dino, ibot = (Twin(heads.Prototypes(16, 12, hidden=10, bottleneck=6, seed=seed)) for seed in (1, 2))
    return pictures(views, Sum(DINO(dino, Centring(12)), IBOT(ibot, SinkhornKnopp()), (0.1, KoLeo())), batch=7)


def gradient(made, out, graph=1 << 40, divided=False):
    r, world = made(), processes.world()
    model = r.model.train()
    if divided and world.size > 1:
        model = shard(model, torch.device("cpu"), world)
    w = work(r, 0, Machine(tokens=60), world)
    helper = deepcopy(model).eval() if any(view.by == "both" for view in r.views) else None
    terms, _ = backward(model, r.objective, r.views, w, helper, graph=graph, world=world)
    learned = [*model.named_parameters(), *r.objective.named_parameters("objective")]
    found = {name: gathered(p.grad) for name, p in learned if p.grad is not None}
    kept = dict(r.objective.named_buffers("objective"))
    torch.save({**found, **kept, "loss": torch.stack(list(terms.values())).sum()}, f"{out}.{world.rank}")


def trained(out, dies=False, divided=False, clip=None, precision="fp32"):
    r, world = bert(), processes.world()

    def watch(metrics):
        if dies and metrics["step"] == 3:
            os.kill(os.getpid(), signal.SIGKILL)

    r = replace(r, optimiser=replace(r.optimiser, clip=clip))
    train(r, Path(out), Machine(checkpoint=0.0, precision=precision, shard=divided), watch=watch)
    if world.first:
        torch.save(r.model.state_dict(), f"{out}/end")


JOBS = {
    "toy": lambda out: gradient(toy, out),
    "toy twice": lambda out: gradient(toy, out, graph=0),
    "bert": lambda out: gradient(bert, out),
    "dinov2": lambda out: gradient(dinov2, out),
    "dinov2 twice": lambda out: gradient(dinov2, out, graph=0),
    "train": trained,
    "die": lambda out: trained(out, dies=True),
    "toy divided": lambda out: gradient(toy, out, divided=True),
    "bert divided": lambda out: gradient(bert, out, divided=True),
    "bert divided twice": lambda out: gradient(bert, out, graph=0, divided=True),
    "train clipped": lambda out: trained(out, clip=0.5),
    "train divided": lambda out: trained(out, divided=True, clip=0.5),
    "train divided bf16": lambda out: trained(out, divided=True, precision="bf16"),
    "die divided": lambda out: trained(out, dies=True, divided=True, clip=0.5),
}

if __name__ == "__main__":
    torch.set_num_threads(1)
    JOBS[sys.argv[1]](sys.argv[2])
