"""Views made inside the network, objectives and ranks: STS over seeds, from one pre-trained encoder.

    python benchmarks/inside.py --data FOLDER --start MODEL --arms sweep,uniform,pca [--seeds 5] --runs FILE
    python benchmarks/inside.py --table FILE [--baseline simcse]

FOLDER has unlabelled/wiki_sentences.txt and sts/; MODEL is what `diptych train mlm` left (a run or a model folder), or
another encoder. Every run takes the same sentences, steps, batch and rate; an arm changes one thing, and is written
RECIPE or RECIPE:option=value:option=value, a group of arms by its name:

    sweep       deep_augmentation at every layer, with the stop and without, at --dropout-rate
    alone       dropout in one layer alone, for all rows, no other dropout
    uniform     simcse with one rate of dropout in all layers
    pca         the first, and the sixth, principal direction at the layers
    objectives  simcse, mixcse, esimcse, infocse, promptbert
    rank        simcse with rank reduction of several weights
    phases      the same at --weight, in the first phase, the second, always
    views       nothing, crops, a perturbed layer, both

Settings are chosen by STS-B dev; "mean" is the mean of the seven test sets, which nothing is chosen by. Ranks are those
of 1,024 sentences of STS-B dev.
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

SEVEN, DEV, TEST = "mean_of_7_spearman", "stsb/dev_spearman", "stsb_spearman"
EVERY = 25  # steps between scores on STS-B, and ranks
LAYERS = 4  # blocks of the encoder that arms name
SHOWN = ("rank", "rank_centred", "rank_energy", "alignment", "uniformity", DEV)


def groups(rate: float, weight: float) -> dict[str, list[str]]:
    """The arms of each group."""
    layers = range(LAYERS + 2)
    deep = "simcse:perturb_layer={}:perturb_rate={}:perturb_gradient={}"
    pca = "simcse:perturb_layer={}:perturb_noise=pca:perturb_component={}"
    one = "simcse:dropout=0.0:perturb_layer={}:perturb_rate={}:perturb_gradient=pass:perturb_fraction=1.0"
    reduced = "simcse:rank_reduction={}"
    return {
        "sweep": ["simcse", *(deep.format(i, rate, how) for how in ("stop", "pass") for i in layers)],
        "alone": [one.format(i, rate) for i in layers],
        "uniform": [f"simcse:dropout={x}" for x in (0.02, 0.2, 0.3)],
        "pca": [pca.format(i, k) for k in (1, -1) for i in range(1, LAYERS + 1)],
        "objectives": ["simcse", "mixcse", "esimcse", "infocse", "promptbert"],
        "rank": ["simcse", *(reduced.format(x) for x in (-0.01, 0.001, 0.01, 0.03, 0.1, 0.3))],
        "phases": [f"{reduced.format(weight)}:rank_reduction_phase={phase}" for phase in ("1", "2", "all")],
        "views": [
            "simcse",
            "crop:sentences=1",
            deep.format(3, rate, "stop"),
            f"crop:{deep.format(3, rate, 'stop')[7:]}",
        ],
    }


def parsed(arm: str) -> tuple[str, dict[str, Any]]:
    """The recipe of an arm and its options."""
    recipe, *options = arm.split(":")
    found: dict[str, Any] = {}
    for option in options:
        name, _, text = option.partition("=")
        try:
            found[name] = json.loads(text) if name != "rank_reduction_phase" else text
        except ValueError:
            found[name] = text
    return recipe, found


@cache
def tasks(data: Path) -> list[Any]:
    from diptych.evaluate import suites

    return suites.tasks("sts", data / "sts")


def sentences(data: Path) -> list[str]:
    """Sentences of STS-B dev, each once."""
    rows = [json.loads(line) for line in (data / "sts" / "stsb.jsonl").read_text().splitlines()]
    found = [row[side] for row in rows if row["split"] == "dev" for side in ("sentence1", "sentence2")]
    return list(dict.fromkeys(found))[:1024]


def learn(job: tuple[argparse.Namespace, str, int]) -> dict[str, Any]:
    """One run: STS before and after, and the curves."""
    import torch

    from diptych import encoders, recipes
    from diptych.core import Machine
    from diptych.evaluate import along
    from diptych.instruments.asking import Asking
    from diptych.instruments.geometry import Geometry
    from diptych.instruments.rank import Rank
    from diptych.train.loop import train

    torch.set_num_threads(1)
    given, arm, seed = job
    name, options = parsed(arm)
    own = {"steps": given.steps, "batch": given.batch, "lr": given.lr, "init": given.start, "seed": seed}
    corpus = str(given.data / "unlabelled" / "wiki_sentences.txt")
    recipe = getattr(recipes, name)(corpus, **{**own, **options})
    every, few = given.every, [task for task in tasks(given.data) if task.name == "stsb"]
    out: dict[str, Any] = {"arm": arm, "seed": seed, "lr": given.lr, "steps": given.steps}
    out["before"] = _before(given.data, given.start)
    curve: list[dict[str, float]] = []

    def watch(line: Mapping[str, Any]) -> None:
        if DEV in line:
            curve.append({"step": line["step"]} | {k: round(line[k], 4) for k in SHOWN if k in line})

    probe = Rank(recipe.model.encoder.prepare(sentences(given.data)), every)
    looks = [Geometry(), probe, Asking(lambda encode: along.scores(few, encode), every)]
    with tempfile.TemporaryDirectory() as scratch:
        try:
            train(recipe, Path(scratch), Machine(checkpoint=1e9), looks, watch)
        except RuntimeError as error:  # it diverged
            return out | {"after": None, "error": str(error), "curve": curve}
        recipe.model.encoder.save(Path(scratch) / "model")
        encoder = encoders.load(Path(scratch) / "model")
        return out | {"after": along.scores(tasks(given.data), encoder.encode), "curve": curve}


@cache
def _before(data: Path, start: str) -> dict[str, float]:
    from diptych import encoders
    from diptych.evaluate import along

    return along.scores(tasks(data), encoders.load(start).encode)


def table(file: Path, baseline: str) -> None:
    """Prints each arm's means, and the paired difference from the baseline with its 95 % t interval."""
    from diptych.measure import paired

    runs: dict[str, dict[int, Any]] = {}
    for line in file.read_text().splitlines():
        run = json.loads(line)
        if run["after"]:
            runs.setdefault(run["arm"], {})[run["seed"]] = run
    for arm, seeds in runs.items():
        row: dict[str, Any] = {"n": len(seeds)}
        for name, key in (("dev", DEV), ("test", TEST), ("mean", SEVEN)):
            values = [run["after"][key] for run in seeds.values()]
            row[name] = round(float(np.mean(values)), 2)
            row[f"{name}_std"] = round(float(np.std(values, ddof=1)), 2) if len(values) > 1 else None
            shared = sorted(seeds.keys() & runs.get(baseline, {}).keys())
            each = [seeds[s]["after"][key] - runs[baseline][s]["after"][key] for s in shared]
            if arm != baseline and len(each) > 1:
                low, high = paired.repeated(np.array(each))
                row[f"{name}_difference"] = [round(x, 2) for x in (float(np.mean(each)), low, high)]
        ranks = [run["curve"][-1]["rank"] for run in seeds.values() if run["curve"]]
        row["rank"] = round(float(np.mean(ranks)), 1) if ranks else None
        print(f"{arm}\n    {json.dumps(row)}")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--data", type=Path)
    asked.add_argument("--start")
    asked.add_argument("--arms", default="sweep")
    asked.add_argument("--dropout-rate", type=float, default=0.5)
    asked.add_argument("--weight", type=float, default=0.03)
    asked.add_argument("--lr", type=float, default=3e-4)
    asked.add_argument("--steps", type=int, default=300)
    asked.add_argument("--batch", type=int, default=64)
    asked.add_argument("--every", type=int, default=EVERY)
    asked.add_argument("--seeds", default="0,1,2,3,4")
    asked.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    asked.add_argument("--runs", type=Path)
    asked.add_argument("--table", type=Path)
    asked.add_argument("--baseline", default="simcse")
    given = asked.parse_args()
    if given.table:
        table(given.table, given.baseline)
        return
    known = groups(given.dropout_rate, given.weight)
    arms = list(dict.fromkeys(arm for name in given.arms.split(",") for arm in known.get(name, [name])))
    done = set()
    if given.runs and given.runs.exists():
        done = {(run["arm"], run["seed"]) for run in map(json.loads, given.runs.read_text().splitlines())}
    seeds = [int(seed) for seed in given.seeds.split(",")]
    jobs = [(given, arm, seed) for seed, arm in product(seeds, arms) if (arm, seed) not in done]
    with ProcessPoolExecutor(given.workers, get_context("spawn")) as pool:
        for run in pool.map(learn, jobs):
            scores = {
                name: run["after"] and round(run["after"][key], 2) for name, key in (("dev", DEV), ("mean", SEVEN))
            }
            print(f"{run['arm']} seed {run['seed']}: {scores}", file=sys.stderr)
            if given.runs:
                with given.runs.open("a") as file:
                    file.write(json.dumps(run) + "\n")


if __name__ == "__main__":
    main()
