"""Views made inside the network, objectives, ranks and layers, over seeds, from one encoder.

    python benchmarks/inside.py --data FOLDER --start MODEL --arms sweep,pca [--seeds 0,1,2,3,4] --runs FILE
    python benchmarks/inside.py --table FILE [--baseline simcse]

FOLDER has unlabelled/wiki_sentences.txt, sts/ and text/; MODEL is what `diptych train mlm` left (a run or a model
folder), or another encoder. Every run takes the same steps, batch and rate; an arm changes one thing. It is written
RECIPE[@CORPUS]:option=value:option=value, a group of arms by its name:

    sweep       simcse with dropout at every layer, with the stop and without
    alone       dropout in one layer alone, for all rows, no other dropout
    uniform     simcse with one rate of dropout in all layers
    rates       other rates of dropout at some layers
    pca         the first, and the sixth, principal direction at the layers
    instead     reversal of the gradient, and freezing, in place of the stop
    objectives  simcse, mixcse, esimcse, infocse, promptbert, each with rank reduction of --weight and without
    rank        simcse with rank reduction of several weights
    phases      the same at --weight, in the first phase, the second, always
    guess       masked words beside simcse, with a perturbed layer and without
    labels      regression on STS-B: no perturbation, every layer with the stop, uniform rates; rank reduction
    views       documents: nothing, crops, a perturbed layer, both
    masks       documents: crops with a part of the tokens masked
    depth       documents: crops that train the last blocks alone, the embeddings alone, or all from random weights
    transfer    documents: crops on each corpus, judged on all; and on one after another

CORPUS is a labelled corpus of text/, else the sentences; `stsb` are the training pairs of STS-B. Beside the options
of a recipe an arm may say mask=PART (of the tokens of its views), learn=embeddings, begin=random and first=CORPUS (the
same arm on that corpus before, from which the run goes on; how far weights went is said of the second alone). Settings
are chosen by STS-B dev; "mean" is that of the seven test sets, which nothing is chosen by. Runs of FILE are not made
again; those of the same arm with other settings are refused. Blocks that train_last freezes drop nothing, and those
that learn=embeddings leaves as they are do.
"""

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import cache
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import kept
import looks
import numpy as np
import written

SHOWN = ("rank", "rank_centred", "rank_energy", "alignment", "uniformity", "knn", looks.DEV)
DOCUMENTS = "iclr2021_papers"
NAME = ("arm",)  # of a run, beside its seed


def groups(rate: float, weight: float, blocks: int) -> dict[str, list[str]]:
    """The arms of each group."""
    deep = "simcse:perturb_layer={}:perturb_rate={}:perturb_gradient={}"
    pca = "simcse:perturb_layer={}:perturb_noise=pca:perturb_component={}"
    one = "simcse:dropout=0.0:perturb_layer={}:perturb_rate={}:perturb_gradient=pass:perturb_fraction=1.0"
    late = round(2 * blocks / 3)  # two thirds of the blocks, as the recipe has it
    at, reduced = f"perturb_layer={late}:perturb_rate={rate}", "rank_reduction={}"
    objectives = ("simcse", "mixcse", "esimcse", "infocse", "promptbert")
    crop, labels = f"crop@{DOCUMENTS}", "regression@stsb:batch=64:lr=1e-4"
    masked = [f"{crop}:mask={x}" for x in (0.1, 0.3, 0.5, 0.7)]
    last = [f"{crop}:train_last={k}" for k in range(1, blocks)]
    return {
        "sweep": ["simcse", *(deep.format(i, rate, how) for how in ("stop", "pass") for i in range(blocks + 2))],
        "alone": [one.format(i, rate) for i in range(0, blocks + 2, 2)],
        "uniform": [f"simcse:dropout={x}" for x in (0.02, 0.2, 0.3)],
        "rates": [deep.format(i, x, "stop") for x in (0.125, 0.25) for i in range(2, blocks + 1, 2)],
        "pca": [pca.format(i, k) for k in (1, -1) for i in range(1, blocks + 1)],
        "instead": [
            f"simcse:{at}:perturb_gradient=reverse",
            f"simcse:{at}:train_last={blocks - late}:perturb_gradient=pass",
        ],
        "objectives": [f"{name}{also}" for also in ("", f":{reduced.format(weight)}") for name in objectives],
        "rank": ["simcse", *(f"simcse:{reduced.format(x)}" for x in (-0.001, 0.0001, 0.001, 0.003, 0.01, 0.1))],
        "phases": [f"simcse:{reduced.format(weight)}:rank_reduction_phase={phase}" for phase in ("1", "2", "all")],
        "guess": [f"simcse:mlm_weight=0.1{also}" for also in ("", f":{at}:perturb_gradient=stop")],
        "labels": [
            labels,
            *(f"{labels}:perturb_layer={i}:perturb_rate={rate}" for i in range(1, blocks + 1)),
            *(f"{labels}:dropout={x}" for x in (0.0, 0.2, 0.3)),
            *(f"{labels}:{reduced.format(x)}" for x in (0.001, 0.01, 0.1)),
        ],
        "views": [f"dropout@{DOCUMENTS}", crop, f"dropout@{DOCUMENTS}:{at}", f"{crop}:{at}"],
        "masks": [crop, *masked],
        "depth": [
            crop,
            *last,
            f"{crop}:learn=embeddings",
            f"{crop}:begin=random",
            f"{crop}:begin=random:learn=embeddings",
        ],
        "transfer": [
            *(f"crop@{name}" for name in looks.CORPORA),
            *(f"{crop}:first={name}" for name in looks.CORPORA if name != DOCUMENTS),
        ],
    }


def parsed(arm: str) -> tuple[str, str | None, dict[str, Any]]:
    """The recipe of an arm, its corpus and its options."""
    named, found = written.parsed(arm)
    recipe, _, corpus = named.partition("@")
    if "rank_reduction_phase" in found:
        found["rank_reduction_phase"] = str(found["rank_reduction_phase"])  # "1", "2" or "all"
    return recipe, corpus or None, found


def line(given: argparse.Namespace, arm: str, seed: int) -> dict[str, Any]:
    """The name of a run, and what decides it: its options, and the start by a hash of its files."""
    own = {name: getattr(given, name) for name in ("lr", "steps", "batch", "every", "ranks", "pairs")}
    decided = own | {k: x for k, x in parsed(arm)[2].items() if k in own} | {"start": _fingerprint(given.start)}
    if parsed(arm)[1] in looks.CORPORA:
        decided["own"] = given.own
    return {"arm": arm, "seed": seed, "settings": decided}


@cache
def _fingerprint(start: str) -> str:
    from diptych.embedding import fingerprint

    return fingerprint(start)


def recipe_of(given: argparse.Namespace, arm: str, seed: int, scratch: Path) -> Any:
    """The recipe that an arm says."""
    from diptych import recipes

    name, corpus, options = parsed(arm)
    mask, learn, begin, first = (options.pop(key, None) for key in ("mask", "learn", "begin", "first"))
    own = {"steps": given.steps, "batch": given.batch, "lr": given.lr, "seed": seed, "init": given.start}
    if first:
        sooner = arm.replace(f"@{corpus}", f"@{first}").replace(f":first={first}", "")
        own["init"] = str(left(given, sooner, seed, scratch / "first"))
    elif begin == "random":
        own["init"] = str(random(given.start, seed, scratch / "random"))
    documents: Any = looks.corpus(given.data, corpus) if corpus in looks.CORPORA else None
    if documents is None:
        documents = str(given.data / ("sts/stsb.jsonl" if corpus == "stsb" else "unlabelled/wiki_sentences.txt"))
    if corpus == "stsb":
        options = {"columns": "sentence1,sentence2,score", "split": "train", **options}
    recipe = getattr(recipes, name)(documents, **{**own, **options})
    if mask:
        from diptych.recipes.masking import mask_tokens
        from diptych.views.input.then import Then

        hide = mask_tokens(recipe.model.encoder, mask)
        recipe = replace(recipe, views=[replace(x, transform=Then(x.transform, hide)) for x in recipe.views])
    if learn == "embeddings":
        recipe = replace(recipe, optimiser=replace(recipe.optimiser, rates={"network.encoder": 0.0}))
    return recipe


def random(start: str, seed: int, folder: Path) -> Path:
    """The same architecture with weights that have learned nothing."""
    import torch

    from diptych import encoders

    encoder: Any = encoders.load(start)
    torch.manual_seed(seed)
    fresh = type(encoder.network)(encoder.network.config)
    encoder.network.load_state_dict(fresh.state_dict())
    encoder.save(folder)
    return folder


def left(given: argparse.Namespace, arm: str, seed: int, folder: Path) -> Path:
    """The encoder that a run of an arm leaves."""
    from diptych.core import Machine
    from diptych.train.loop import train

    recipe = recipe_of(given, arm, seed, folder)
    train(recipe, folder, Machine(checkpoint=1e9))
    recipe.model.encoder.save(folder / "model")
    return folder / "model"


def learn(job: tuple[argparse.Namespace, str, int]) -> dict[str, Any]:
    """One run: scores before and after, and the curves."""
    import torch

    from diptych import encoders
    from diptych.core import Machine
    from diptych.evaluate import along
    from diptych.instruments.asking import Asking
    from diptych.instruments.geometry import Geometry
    from diptych.instruments.rank import Rank
    from diptych.train.loop import DivergedError, train

    torch.set_num_threads(1)
    given, arm, seed = job
    _, corpus, _ = parsed(arm)
    where = "cuda" if torch.cuda.is_available() else "cpu"
    out: dict[str, Any] = line(given, arm, seed)
    out |= {name: out["settings"][name] for name in ("lr", "steps")}
    curve: list[dict[str, float]] = []

    def watch(line: Mapping[str, Any]) -> None:
        if "rank" in line or looks.DEV in line:
            curve.append({"step": line["step"]} | {k: round(line[k], 4) for k in SHOWN if k in line})

    with tempfile.TemporaryDirectory() as scratch:
        try:
            recipe = recipe_of(given, arm, seed, Path(scratch))
        except DivergedError as error:  # of the corpus that is first
            return out | {"after": None, "error": str(error), "curve": curve}
        encoder = recipe.model.encoder
        begun = str(next(Path(scratch).rglob("random"), given.start))
        first = before.__wrapped__ if begun != given.start else before
        out["before"] = first(given.data, begun, where, corpus, given.pairs)
        encoder.save(Path(scratch) / "start")
        probe = Rank(encoder.prepare(looks.sentences(given.data)), given.ranks)
        seeing: list[Any] = [Geometry(), probe]
        if given.every <= recipe.steps:
            seeing.append(Asking(looks.few(given.data, corpus), given.every))
        if corpus == "stsb":
            seeing = seeing[1:]
        try:
            train(recipe, Path(scratch), Machine(checkpoint=1e9), seeing, watch)
        except DivergedError as error:
            return out | {"after": None, "error": str(error), "curve": curve}
        encoder.save(Path(scratch) / "model")
        encoder = encoders.load(Path(scratch) / "model").to(where)
        out |= {"after": along.scores(looks.tasks(given.data, given.pairs), encoder.encode), "curve": curve}
        if corpus in looks.CORPORA:
            out["knn"] = looks.knn(encoder, given.data, [corpus] if given.own else looks.CORPORA)
        if given.layers:
            out["layers"] = looks.layers(encoder, given.data, corpus)
        return out | {"change": looks.change(encoder, encoders.load(Path(scratch) / "start"))}


@cache
def before(data: Path, start: str, where: str, corpus: str | None, pairs: int | None) -> dict[str, Any]:
    """The same of the encoder that all runs start from."""
    from diptych import encoders
    from diptych.evaluate import along

    encoder = encoders.load(start).to(where)
    found: dict[str, Any] = along.scores(looks.tasks(data, pairs), encoder.encode)
    found["layers"] = looks.layers(encoder, data, corpus)
    return found | ({"knn": looks.knn(encoder, data, looks.CORPORA)} if corpus in looks.CORPORA else {})


def table(every: Sequence[Mapping[str, Any]], baseline: str) -> None:
    """Prints each arm's means, and the paired difference from the baseline with its 95 % t interval."""
    runs: dict[str, dict[int, Any]] = {run["arm"]: {} for run in every}
    lost = Counter(run["arm"] for run in every if not run["after"])
    for run in every:
        if run["after"]:
            runs[run["arm"]][run["seed"]] = run
    for arm, seeds in runs.items():
        beside = runs.get(baseline, {}) if arm != baseline else {}
        row: dict[str, Any] = {"n": len(seeds), **({"diverged": lost[arm]} if lost[arm] else {})}
        if not seeds:
            print(f"{arm}\n    {json.dumps(row)}")
            continue
        numbers = {"dev": looks.DEV, "test": looks.TEST, "mean": looks.SEVEN}
        for name, key in numbers.items():
            row |= _compared(name, {s: run["after"][key] for s, run in seeds.items()}, beside, key, "after")
        for name in looks.CORPORA:
            asked = {s: run["knn"][name] for s, run in seeds.items() if name in run.get("knn", ())}
            row |= _compared(name, asked, beside, name, "knn") if asked else {}
        ranks = [run["curve"][-1]["rank"] for run in seeds.values() if run["curve"]]
        row["rank"] = round(float(np.mean(ranks)), 1) if ranks else None
        some = [run["layers"] for run in seeds.values() if "layers" in run]
        if some:
            row["cka"] = round(float(np.mean([x["cka"] for x in some])), 3)
        print(f"{arm}\n    {json.dumps(row)}")


def _compared(name: str, values: dict[int, float], beside: dict[int, Any], key: str, where: str) -> dict[str, Any]:
    """Mean and deviation of a number, and how far it is from the baseline's, seed by seed."""
    from diptych.measure import paired

    found: dict[str, Any] = {name: round(float(np.mean([*values.values()])), 2)}
    if len(values) > 1:
        found[f"{name}_std"] = round(float(np.std([*values.values()], ddof=1)), 2)
    each = [
        values[s] - beside[s][where][key]
        for s in sorted(values.keys() & beside.keys())
        if key in beside[s].get(where, {})
    ]
    if len(each) > 1:
        found[f"{name}_difference"] = [round(x, 2) for x in (float(np.mean(each)), *paired.repeated(np.array(each)))]
    return found


def blocks_of(start: str) -> int:
    from diptych import encoders

    return len(encoders.load(start).layers) - 1


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--data", type=Path)
    asked.add_argument("--start")
    asked.add_argument("--arms", default="sweep")
    asked.add_argument("--dropout-rate", type=float, default=0.5)
    asked.add_argument("--weight", type=float, default=0.001)
    asked.add_argument("--lr", type=float, default=1e-4)
    asked.add_argument("--steps", type=int, default=250)
    asked.add_argument("--batch", type=int, default=64)
    asked.add_argument("--every", type=int, default=50, help="steps between scores; none in a shorter run")
    asked.add_argument("--ranks", type=int, default=25, help="steps between ranks")
    asked.add_argument("--pairs", type=int, help="test pairs of each STS set, evenly spaced (default: all)")
    asked.add_argument("--layers", action=argparse.BooleanOptionalAction, default=True, help="look into every layer")
    asked.add_argument("--own", action="store_true", help="documents: k-NN on the corpus of the arm, not on all three")
    asked.add_argument("--seeds", default="0,1,2,3,4")
    asked.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    asked.add_argument("--runs", type=Path)
    asked.add_argument("--table", type=Path)
    asked.add_argument("--baseline", default="simcse")
    given = asked.parse_args()
    if given.table:
        kept.file(asked, given.table, "--table")
        table(kept.runs(asked, given.table, "--table", NAME), given.baseline)
        return
    kept.folder(asked, given, "data", "unlabelled/wiki_sentences.txt", "sts/stsb.jsonl", "text")
    kept.model(asked, given.start, "--start")
    kept.written(asked, given.runs, "--runs")
    known = groups(given.dropout_rate, given.weight, blocks_of(given.start))
    arms = list(dict.fromkeys(arm for name in given.arms.split(",") for arm in known.get(name, [name])))
    seeds = [int(seed) for seed in given.seeds.split(",")]
    jobs = [(given, arm, seed) for seed, arm in product(seeds, arms)]
    there = kept.runs(asked, given.runs, "--runs", NAME)
    jobs = [jobs[i] for i in kept.lacking(asked, given.runs, there, [line(*job) for job in jobs], NAME)]
    with ProcessPoolExecutor(given.workers, get_context("spawn")) as pool:
        for run in pool.map(learn, jobs):
            scores = {
                k: run["after"] and round(run["after"][x], 2) for k, x in (("dev", looks.DEV), ("mean", looks.SEVEN))
            }
            print(f"{run['arm']} seed {run['seed']}: {scores}", file=sys.stderr, flush=True)
            if given.runs:
                with given.runs.open("a") as file:
                    file.write(json.dumps(run) + "\n")


if __name__ == "__main__":
    main()
