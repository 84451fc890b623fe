"""Recipes for pictures at several sizes of a corpus, with the same steps, over seeds.

    python benchmarks/images.py --data FOLDER --corpora cifar:1000,cifar:5000 --arms strategies --seeds 0,1 --runs FILE
    python benchmarks/images.py --table FILE [--baseline simclr]

FOLDER has images/: cifar10_train20k.parquet, cifar10_test4k.parquet, camvid_ci.npz and rgbd_ci.npz. A corpus is
`cifar:N` or `world:N`, whose first N pictures (of one order for all N) are learned from; the world is 32 pixels wide.
All runs of a corpus are asked the same: 4,000 test pictures, which nobody learns from, by k-NN (k 20) and a linear
probe from the labels of the same 5,000 pictures of the training part (the world: 2,000 and 3,000 pictures of another
seed), how alike augmentations are, and the rank; of networks with patches also masks (CamVid) and depths (RGB-D
frames), by a linear layer on what is frozen. Runs on the world are asked for the masks and depths of the world itself,
of 5,000 pictures of that other seed. With --validate the last 2,000 training pictures are asked in place of the test
pictures, a third seed of the world, and no maps of photographs: settings are chosen by these. An arm is written
RECIPE:option=value:option=value, a group by its name:

    strategies  simclr and dinov2 with each of the four strategies of arXiv:2406.09294
    masks       dinov2 with crops alone: no hidden patches, no iBOT, no KoLeo
    sweep       simclr with dropout at every layer (arXiv:2303.14537), with the stop and without
    uniform     simclr with dropout behind the stem and every stage
    labels      the same under supervision: cross-entropy on the classes
    longer      simclr and dinov2 with crops alone and original, 3 and 10 times the steps
    wide        the strategies at twice the width

Beside the options of a recipe an arm may say uniform=RATE and times=N (of the steps). An arm `supervised` learns from
classes, one augmented view of a picture at a time.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from functools import cache
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import kept
import numpy as np
from written import parsed

STRATEGIES = ("original", "shared", "crop-resize", "crop")
NETWORKS = {  # what they are at this scale
    "simclr": {"encoder": "resnet18", "width": 16, "batch": 128},
    "supervised": {"encoder": "resnet18", "width": 16, "batch": 128},
    "dinov2": {
        "encoder": "dinov2-tiny", "width": 96, "depth": 4, "patch": 8, "batch": 64, "local": 4, "layer_scale": 1.0,
        "prototypes": 512, "bottleneck": 64, "hidden": 256,
    },
}  # fmt: skip
MAPS, VOID = ("camvid_ci.npz", "rgbd_ci.npz"), 11  # the number of CamVid's that is no class
SIDE, TRAIN, LABELLED, VALIDATION, WORLD_TEST = 32, 20_000, 5_000, 2_000, 3_000
STAGES = range(6)  # stem, four stages, head
DEEP = "{}:perturb_layer={}:perturb_gradient={}"
GROUPS = {
    "strategies": [f"{name}:augmentation={x}" for name in ("simclr", "dinov2") for x in STRATEGIES],
    "masks": [f"dinov2:augmentation=crop{also}" for also in (":mask=0", ":ibot=0", ":koleo=0")],
    "sweep": ["simclr", *(DEEP.format("simclr", i, how) for how in ("stop", "pass") for i in STAGES)],
    "uniform": [f"simclr:uniform={x}" for x in (0.05, 0.1, 0.2)],
    "labels": [
        "supervised",
        *(DEEP.format("supervised", i, "stop") for i in STAGES[:-1]),
        *(f"supervised:uniform={x}" for x in (0.05, 0.1, 0.2)),
    ],
    "longer": [
        f"{name}:augmentation={x}:times={n}"
        for name in ("simclr", "dinov2")
        for x in ("original", "crop")
        for n in (3, 10)
    ],
    "wide": [
        f"{name}:augmentation={x}:width={2 * NETWORKS[name]['width']}"
        for name in ("simclr", "dinov2")
        for x in ("original", "crop")
    ],
}
NAME = ("corpus", "arm")  # of a run, beside its seed


@cache
def learned(data: Path, corpus: str) -> Any:
    """The pictures that are learned from, with their classes."""
    from diptych.data.images.corpus import pictures

    name, _, n = corpus.partition(":")
    if name == "world":
        return pictures(f"world:n={n}:size={SIDE}", SIDE)
    whole = pictures(str(data / "images" / "cifar10_train20k.parquet"), SIDE)
    return whole.select(order()[: int(n)])


def order() -> np.ndarray:
    """Of all training pictures: those of a small corpus come first, those of --validate last."""
    return np.random.default_rng(0).permutation(TRAIN)


def elsewhere(validate: bool) -> Any:
    """Pictures of the world that nobody learns from."""
    from diptych.data.images.corpus import pictures

    return pictures(f"world:n={VALIDATION + WORLD_TEST}:size={SIDE}:seed={2 if validate else 1}", SIDE)


@cache
def asked(data: Path, corpus: str, validate: bool) -> Any:
    """Pictures whose classes are asked, and those that are known."""
    from diptych.data.images.corpus import pictures
    from diptych.evaluate.images.arrays import Known
    from diptych.evaluate.images.classes import Classes

    if corpus.startswith("world"):
        whole = elsewhere(validate)
        known, test = whole.select(range(VALIDATION)), whole.select(range(VALIDATION, len(whole)))
    else:
        whole = pictures(str(data / "images" / "cifar10_train20k.parquet"), SIDE)
        known = whole.select(order()[:LABELLED])
        test = pictures(str(data / "images" / "cifar10_test4k.parquet"), SIDE)
        test = whole.select(order()[-VALIDATION:]) if validate else test
    shown = {"train": list(known.items), "test": list(test.items)}
    return Classes(Known(corpus, shown, {"train": np.array(known.labels), "test": np.array(test.labels)}))


@cache
def dense(data: Path, world: bool, validate: bool) -> list[Any]:
    """Masks and depths of pictures that nobody learned from: of the world, or of photographs."""
    from diptych.data.images.corpus import pictures
    from diptych.evaluate.images import depth, segmentation

    if world:
        whole = elsewhere(validate)
        return [segmentation.task(whole), depth.task(whole)]
    if validate:
        return []
    streets, frames = (pictures(str(data / "images" / name), SIDE) for name in MAPS)
    return [segmentation.task(streets, ignore=VOID), depth.task(frames)]


def judged(encoder: Any, job: "Job") -> dict[str, float]:
    """Accuracies, how little augmentations are minded, ranks; of patches also mean IoU and errors of depth."""
    import torch

    from diptych.evaluate.images.invariance import Invariance
    from diptych.measure.rank import effective_rank
    from diptych.recipes.simclr import usual

    given, corpus, _, _ = job
    classes = asked(given.data, corpus, given.validate)
    test = classes.data.pictures["test"]
    same = Invariance(corpus, test[:500], replace(usual(), size=SIDE).transform)
    maps = dense(given.data, corpus.startswith("world"), given.validate) if encoder.patch else []
    found = {line.metric: line.value for task in (classes, same, *maps) for line in task.score(encoder)}
    rows = torch.from_numpy(np.asarray(encoder.embed(test[:1000]), np.float32))
    return {k: round(float(x), 4) for k, x in found.items()} | {"rank": round(float(effective_rank(rows)), 2)}


UNTRAINED: dict[tuple[Any, ...], dict[str, float]] = {}  # by weights, the same for all arms of a network and seed


def before(encoder: Any, job: "Job") -> dict[str, float]:
    """The same of a network that has learned nothing."""
    given, corpus, _, _ = job
    weights = hashlib.sha256(b"".join(x.detach().numpy().tobytes() for x in encoder.parameters())).hexdigest()
    key = (corpus.partition(":")[0], given.validate, weights)
    if key not in UNTRAINED:
        UNTRAINED[key] = judged(encoder, job)
    return UNTRAINED[key]


class Taught:
    """Pictures with the number of their class, to learn from."""

    def __init__(self, pictures: Any):
        self.pictures = pictures
        names = sorted({*pictures.labels})
        self.targets, self.classes = [names.index(x) for x in pictures.labels], len(names)

    @property
    def fingerprint(self) -> str:
        return f"{self.pictures.fingerprint} with classes"

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, i: int) -> dict[str, Any]:
        return self.pictures[i] | {"target": float(self.targets[i])}


def supervised(corpus: Any, **options: Any) -> Any:
    """One augmented view of a picture at a time, and its class: as simclr, but for what is learned from."""
    from diptych import recipes
    from diptych.core import Model, View
    from diptych.encoders import heads
    from diptych.objectives.cross_entropy import CrossEntropy

    made = recipes.simclr(corpus, **options)
    encoder, data = made.model.encoder, Taught(made.data)
    with heads.seeded(options["seed"]):
        objective = CrossEntropy(data.classes, encoder.dim, features="single")
    views = [made.views[0], View("target", "target", by="data")]
    return replace(made, model=Model(encoder), data=data, views=views, objective=objective)


Job = tuple[argparse.Namespace, str, str, int]


def line(given: argparse.Namespace, corpus: str, arm: str, seed: int) -> dict[str, Any]:
    """The name of a run, and what decides it."""
    name, options = parsed(arm)
    lr = options.get("lr", getattr(given, f"lr_{name}", given.lr_simclr))
    decided = {"steps": given.steps, "lr": lr, "validate": given.validate, "network": NETWORKS[name]}
    return {"corpus": corpus, "arm": arm, "seed": seed, "settings": decided}


def learn(job: Job) -> dict[str, Any]:
    """One run: scores of the untrained network and of the trained one, and of each layer of it."""
    import torch

    from diptych import recipes
    from diptych.core import Machine
    from diptych.train.loop import DivergedError, train

    torch.set_num_threads(1)
    given, corpus, arm, seed = job
    name, options = parsed(arm)
    out = line(*job)
    uniform, times = options.pop("uniform", 0.0), options.pop("times", 1)
    own = {"size": SIDE, "steps": given.steps * times, "lr": out["settings"]["lr"], "seed": seed}
    make = supervised if name == "supervised" else getattr(recipes, name)
    recipe = make(learned(given.data, corpus), **{**NETWORKS[name], **own, **options})
    encoder = recipe.model.encoder
    out["before"] = before(encoder.eval(), job)
    encoder.train()
    start, lines = time.perf_counter(), []
    with tempfile.TemporaryDirectory() as scratch, dropped(encoder, uniform):
        try:
            train(recipe, Path(scratch), Machine(checkpoint=1e9, workers=0), [], lines.append)
        except DivergedError as error:
            return out | {"after": None, "error": str(error)}
    out["seconds"] = round(time.perf_counter() - start, 1)
    loss = round(float(np.mean([x["loss"] for x in lines[-10:]])), 4)
    return out | {"after": judged(encoder.eval(), job), "loss": loss}


def dropped(encoder: Any, rate: float) -> ExitStack:
    """While open, dropout behind every layer of an encoder that trains."""
    import torch.nn.functional as F

    stack = ExitStack()
    for layer in encoder.layers if rate else ():

        def hook(layer: Any, _: Any, out: Any) -> Any:
            first = out[0] if isinstance(out, tuple) else out
            noisy = F.dropout(first, rate, layer.training)
            return (noisy, *out[1:]) if isinstance(out, tuple) else noisy

        stack.callback(layer.register_forward_hook(hook).remove)
    return stack


def table(every: Sequence[Mapping[str, Any]], baseline: str) -> None:
    """Means over seeds of each arm, and its paired difference from the baseline with a 95 % t interval, in per cent."""
    from diptych.measure import paired

    for corpus, arms in kept.by_seed(every, NAME).items():
        print(f"\n{corpus}")
        for arm, seeds in arms.items():
            good = [run for run in seeds.values() if run["after"]]
            told = {k: np.mean([run["after"][k] for run in good]) for k in good[0]["after"]} if good else {}
            begun = np.mean([run["before"]["weighted_knn"] for run in good]) if good else np.nan
            maps = f"  IoU {told['mean_iou']:.1f}  RMSE {told['rmse']:.3f}" if "rmse" in told else ""
            print(
                f"  {arm}\n    n={len(good)} of {len(seeds)}  k-NN {begun:.1f} -> "
                f"{told.get('weighted_knn', np.nan):.1f}  linear {told.get('linear', np.nan):.1f}  "
                f"invariance {told.get('invariance', np.nan):.3f}  rank {told.get('rank', np.nan):.1f}{maps}"
            )
            beside = arms.get(baseline, {})
            shared = sorted(s for s in seeds.keys() & beside.keys() if seeds[s]["after"] and beside[s]["after"])
            for metric in ("weighted_knn", "linear") if arm != baseline and len(shared) > 1 else ():
                each = np.array([seeds[s]["after"][metric] - beside[s]["after"][metric] for s in shared])
                low, high = paired.repeated(each)
                print(f"    {metric}: {each.mean():+.2f} [{low:+.2f}, {high:+.2f}]")


def main() -> None:
    asking = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asking.add_argument("--data", type=Path)
    asking.add_argument("--corpora", default="cifar:1000,cifar:5000,cifar:20000")
    asking.add_argument("--arms", default="strategies")
    asking.add_argument("--steps", type=int, default=300)
    asking.add_argument("--lr-simclr", type=float, default=2e-3)
    asking.add_argument("--lr-dinov2", type=float, default=5e-4)
    asking.add_argument("--validate", action="store_true")
    asking.add_argument("--seeds", default="0,1,2,3,4")
    asking.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    asking.add_argument("--runs", type=Path)
    asking.add_argument("--table", type=Path)
    asking.add_argument("--baseline", default="simclr:augmentation=original")
    given = asking.parse_args()
    if given.table:
        kept.file(asking, given.table, "--table")
        table(kept.runs(asking, given.table, "--table", NAME), given.baseline)
        return
    maps = () if given.validate else MAPS
    names = ("cifar10_train20k.parquet", "cifar10_test4k.parquet", *maps)
    kept.folder(asking, given, "data", *(f"images/{name}" for name in names))
    kept.written(asking, given.runs, "--runs")
    arms = list(dict.fromkeys(arm for name in given.arms.split(",") for arm in GROUPS.get(name, [name])))
    seeds = [int(seed) for seed in given.seeds.split(",")]
    jobs = [(given, corpus, arm, seed) for seed, corpus, arm in product(seeds, given.corpora.split(","), arms)]
    there = kept.runs(asking, given.runs, "--runs", NAME)
    jobs = [jobs[i] for i in kept.lacking(asking, given.runs, there, [line(*job) for job in jobs], NAME)]
    for corpus in {job[1] for job in jobs}:  # into the cache, before workers would do it at once
        learned(given.data, corpus), asked(given.data, corpus, given.validate)
    with ProcessPoolExecutor(given.workers, get_context("spawn")) as pool:
        for run in pool.map(learn, jobs):
            score = run["after"] and {k: run["after"][k] for k in ("weighted_knn", "linear")}
            print(f"{run['corpus']} {run['arm']} seed {run['seed']}: {score}", file=sys.stderr, flush=True)
            if given.runs:
                with given.runs.open("a") as file:
                    file.write(json.dumps(run) + "\n")


if __name__ == "__main__":
    main()
