"""Graph recipes on the TU sets, over seeds, by both published protocols, beside what needs no training.

    python benchmarks/graphs.py --data FOLDER --sets MUTAG,PTC_MR --arms none,methods,sweep [--seeds 0,1] --runs FILE
    python benchmarks/graphs.py --table FILE [--baseline untrained]

FOLDER has graphs/NAME.npz. A run is a set, an arm and a seed; those that are in FILE already are not made again, and
those of the same set and arm with other settings are refused. The seed decides weights, order, views and the folds,
which are then the same for all arms: the spread over seeds is also that of folds, differences are of the same folds.
An epoch has as many steps as batches begin in it. The model is that of the last step: nothing is chosen by a score. An
arm is written RECIPE or RECIPE:option=value:option=value, a group by its name:

    none        an untrained network with each read-out, the same with the means and variances that its norms see in
                one look at the graphs (`calibrated`), degrees of nodes, subtrees of Weisfeiler and Lehman
    methods     graphcl, graphcl with the positive left out of the denominator, graphcl with both views changed,
                infograph, graph_barlow_twins, graph_byol
    sweep       graph_deep_augmentation at every layer, with the stop and without
    partial     the same with all blocks read out, where the stop is partial
    pca         removal of the first direction, and of the sixth, at the blocks
    besides     graphcl with and without a perturbed layer
    features    graphcl on degrees in the place of constants or labels

For more than 2,000 graphs --protocols pygcl is fast; graphcl trains 350 machines, a minute or two for 5,000 graphs.
"""

import argparse
import json
import math
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import kept
import numpy as np
from written import parsed

BATCH = 128  # graphs of a step, where an arm does not say
LAYERS = range(5)  # features, three blocks, head
PUBLISHED = {  # accuracy by the protocol of GraphCL: GraphCL, InfoGraph; as papers quote them
    "NCI1": (77.87, 76.20), "PROTEINS": (74.39, 74.44), "MUTAG": (86.80, 89.01),
    "COLLAB": (71.36, 70.65), "IMDBBINARY": (71.14, 73.03),
}  # fmt: skip
DEEP = "graph_deep_augmentation:perturb_layer={}:perturb_gradient={}"
GROUPS = {
    "none": [
        *(f"untrained{how}{also}" for how in ("", ":readout=last") for also in ("", ":calibrated=true")),
        "degrees",
        "Weisfeiler-Lehman",
    ],
    "methods": [
        "graphcl",
        "graphcl:denominator=others:ratio=0.1",
        "graphcl:changed=both:ratio=0.2",
        "infograph",
        "graph_barlow_twins",
        "graph_byol",
    ],
    "sweep": [DEEP.format(layer, how) for how in ("stop", "pass") for layer in LAYERS],
    "partial": [f"{DEEP.format(layer, 'stop')}:readout=concat:partial_stop=true" for layer in LAYERS],
    "pca": [
        f"graph_deep_augmentation:perturb_layer={layer}:perturb_noise=pca:perturb_component={k}:perturb_gradient={how}"
        for how in ("stop", "pass")
        for k in (1, -1)
        for layer in (1, 2, 3)
    ],
    "besides": ["graphcl:readout=last", "graphcl:readout=last:perturb_layer=2", "graphcl:perturb_layer=4"],
    "features": ["graphcl:features=degree", "untrained:features=degree"],
}


UNLEARNED = ("untrained", "degrees", "Weisfeiler-Lehman")
NAME = ("set", "arm")  # of a run, beside its seed


def line(given: argparse.Namespace, name: str, arm: str, seed: int) -> dict[str, Any]:
    """The name of a run, and what decides it."""
    decided: dict[str, Any] = {"protocols": sorted(given.protocols.split(",")), "scaled": given.scaled}
    if parsed(arm)[0] not in UNLEARNED:
        from diptych.core.precision import has_bf16

        decided |= {"epochs": None, "steps": given.steps} if given.steps else {"epochs": given.epochs}
        decided["bf16"] = has_bf16("cpu")  # heads of a model are in it where the processor has it, graph layers never
    return {"set": name, "arm": arm, "seed": seed, "settings": decided}


def judge(job: tuple[argparse.Namespace, str, str, int]) -> dict[str, Any]:
    """One run: scores by each protocol, ranks, and how good each layer is."""
    import torch

    from diptych.data.graphs.corpus import graphs
    from diptych.evaluate.graphs import task
    from diptych.evaluate.graphs.baselines import Degrees, WeisfeilerLehman

    torch.set_num_threads(1)
    given, name, arm, seed = job
    recipe, options = parsed(arm)
    corpus = graphs(given.data / "graphs" / f"{name}.npz", options.get("features"))
    out: dict[str, Any] = line(given, name, arm, seed)
    start = time.perf_counter()
    if recipe in ("degrees", "Weisfeiler-Lehman"):
        look: Any = Degrees() if recipe == "degrees" else WeisfeilerLehman()
    else:
        encoder, told = trained(given, corpus, recipe, {k: x for k, x in options.items() if k != "features"}, seed)
        look, out = encoder.embed, out | told
    learned = time.perf_counter()
    asked, _ = task.tasks(corpus, given.protocols.split(","), seed, given.scaled)
    found = {protocol: each for test in asked for protocol, each in test.judged(look).items()}
    out["scores"] = {protocol: round(100 * each.accuracy, 3) for protocol, each in found.items()}
    if given.layers and recipe not in ("degrees", "Weisfeiler-Lehman"):
        out |= layers(encoder, asked[0], seed)
    return out | {"seconds": [round(learned - start, 1), round(time.perf_counter() - learned, 1)]}


def trained(
    given: argparse.Namespace, corpus: Any, name: str, options: dict[str, Any], seed: int
) -> tuple[Any, dict[str, Any]]:
    """A network at the end of its training, or an untrained one; and its ranks."""
    from diptych import recipes
    from diptych.core import Machine
    from diptych.encoders.graph.network import GraphNetwork
    from diptych.instruments.geometry import Geometry
    from diptych.instruments.rank import Rank
    from diptych.train.loop import train

    if name == "untrained":
        seen = options.pop("calibrated", False)
        network = GraphNetwork(corpus.features, seed=seed, **options)
        return (calibrated(network, corpus) if seen else network).eval(), {}
    epochs = options.pop("epochs", given.epochs)
    own = {"steps": given.steps or max(1, round(epochs * math.ceil(len(corpus) / options.get("batch", BATCH))))}
    recipe = getattr(recipes, name)(corpus, seed=seed, **{**own, **options})
    lines: list[Mapping[str, Any]] = []
    shown = np.random.default_rng(0).permutation(len(corpus))[:512]  # files are sorted by class
    probe = Rank(corpus.select(shown).items, max(1, recipe.steps // 5))
    with tempfile.TemporaryDirectory() as scratch:
        train(recipe, Path(scratch), Machine(checkpoint=1e9, workers=0), [Geometry(), probe], lines.append)
    names = ("loss", "alignment", "uniformity", "rank", "rank_centred", "batch_rank")
    told = {k: round(float(lines[-1][k]), 4) for k in names if k in lines[-1]}
    return recipe.model.encoder.eval(), {"steps": recipe.steps, "last": told}


def calibrated(network: Any, corpus: Any) -> Any:
    """A network whose norms have the mean and the variance of one look at every graph, as those of a trained one do."""
    import torch

    for part in network.modules():
        if isinstance(part, torch.nn.BatchNorm1d):
            part.momentum = None  # a mean of all batches
    items = corpus.select(np.random.default_rng(0).permutation(len(corpus))).items  # files are sorted by class
    with torch.no_grad():
        for start in range(0, len(items), BATCH):
            network.train()(network.collate(items[start : start + BATCH]))
    return network


def layers(encoder: Any, asked: Any, seed: int) -> dict[str, Any]:
    """Of the mean state of nodes at each layer: accuracy by the protocol of PyGCL, and how alike layers are (CKA)."""
    from diptych.encoders.hidden import hidden
    from diptych.evaluate.graphs.svm import judge
    from diptych.measure.similarity import mean_off_diagonal
    from diptych.measure.similarity import table as cka

    found = hidden(encoder, encoder.prepare(asked.graphs))
    scores = [round(100 * judge("pygcl", rows, asked.classes, seed).accuracy, 2) for rows in found]
    try:
        alike = round(float(mean_off_diagonal(cka(found[1:], None, "linear"))), 4)  # features may be the same for all
    except ValueError:
        alike = None
    return {"layers": scores, "alike": alike}


def table(every: Sequence[Mapping[str, Any]], baseline: str) -> None:
    """Means and spread over seeds of each arm, and its paired difference from the baseline with a 95 % t interval."""
    from diptych.measure import paired

    runs: dict[tuple[str, str], dict[str, dict[int, float]]] = {}
    for run in every:
        for protocol, score in run["scores"].items():
            runs.setdefault((run["set"], protocol), {}).setdefault(run["arm"], {})[run["seed"]] = score
    for (name, protocol), arms in sorted(runs.items()):
        told = PUBLISHED.get(name)
        beside = f"   published: GraphCL {told[0]}, InfoGraph {told[1]}" if told and protocol == "graphcl" else ""
        print(f"\n{name}, protocol {protocol}{beside}")
        for arm, seeds in arms.items():
            values = np.array(list(seeds.values()))
            spread = f"± {values.std(ddof=1):5.2f}" if len(values) > 1 else "       "
            line = f"  {values.mean():6.2f} {spread}  n={len(values)}  {arm}"
            shared = sorted(seeds.keys() & arms.get(baseline, {}).keys())
            if arm != baseline and len(shared) > 1:
                each = np.array([seeds[seed] - arms[baseline][seed] for seed in shared])
                low, high = paired.repeated(each)
                line += f"   {each.mean():+.2f} [{low:+.2f}, {high:+.2f}]"
            print(line)


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--data", type=Path)
    asked.add_argument("--sets", default="MUTAG,PTC_MR,PROTEINS,NCI1,IMDBBINARY,COLLAB")
    asked.add_argument("--arms", default="none,methods")
    asked.add_argument("--protocols", default="graphcl,pygcl")
    asked.add_argument("--scaled", action="store_true")
    asked.add_argument("--epochs", type=float, default=20)
    asked.add_argument("--steps", type=int)
    asked.add_argument("--layers", action="store_true")
    asked.add_argument("--seeds", default="0,1,2,3,4")
    asked.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    asked.add_argument("--runs", type=Path)
    asked.add_argument("--table", type=Path)
    asked.add_argument("--baseline", default="untrained")
    given = asked.parse_args()
    if given.table:
        kept.file(asked, given.table, "--table")
        table(kept.runs(asked, given.table, "--table", NAME), given.baseline)
        return
    kept.folder(asked, given, "data", *(f"graphs/{name}.npz" for name in given.sets.split(",")))
    kept.written(asked, given.runs, "--runs")
    arms = list(dict.fromkeys(arm for name in given.arms.split(",") for arm in GROUPS.get(name, [name])))
    seeds = [int(seed) for seed in given.seeds.split(",")]
    jobs = [(given, name, arm, seed) for seed, name, arm in product(seeds, given.sets.split(","), arms)]
    there = kept.runs(asked, given.runs, "--runs", NAME)
    jobs = [jobs[i] for i in kept.lacking(asked, given.runs, there, [line(*job) for job in jobs], NAME)]
    with ProcessPoolExecutor(given.workers, get_context("spawn")) as pool:
        for run in pool.map(judge, jobs):
            print(f"{run['set']} {run['arm']} seed {run['seed']}: {run['scores']} {run['seconds']}", file=sys.stderr)
            if given.runs:
                with given.runs.open("a") as file:
                    file.write(json.dumps(run) + "\n")


if __name__ == "__main__":
    main()
