"""What the runs of inside.py say of the claims of arXiv:2508.03453, arXiv:2303.14537 and arXiv:2405.11297.

    python benchmarks/inside_claims.py FILE [FILE ...] [--blocks 6]

Each line has a claim's number, the arms, and the mean of differences by seed with its 95 % t interval. Scores are the
mean of seven STS sets, or k-NN where documents were learned from.
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import kept
import looks
import numpy as np
from intervals import spread
from written import parsed

from diptych.measure.correlation import spearman
from diptych.measure.phase import phase

FIVE = range(5)  # seeds
PROXIES = {"rank": 1, "rank_centred": 1, "rank_energy": 1, "alignment": -1, "uniformity": -1}  # which end is better
Runs = dict[str, dict[int, dict[str, Any]]]
Number = Callable[[Mapping[str, Any]], float]


def by_arm(every: Iterable[dict[str, Any]]) -> Runs:
    """Runs that ended, by arm and seed."""
    found: Runs = {}
    for run in every:
        if run["after"]:
            found.setdefault(run["arm"], {})[run["seed"]] = run
    return found


def seven(run: Mapping[str, Any]) -> float:
    return float(run["after"][looks.SEVEN])


def dev(run: Mapping[str, Any]) -> float:
    return float(run["after"][looks.DEV])


def test(run: Mapping[str, Any]) -> float:
    return float(run["after"][looks.TEST])


def on(corpus: str) -> Number:
    return lambda run: float(run["knn"][corpus])


def last_rank(run: Mapping[str, Any]) -> float:
    return float(run["curve"][-1]["rank"])


def cka(run: Mapping[str, Any]) -> float:
    return float(run["layers"]["cka"])


def less(runs: Runs, arm: str, other: str, of: Number = seven, digits: int = 2) -> str:
    """One arm less another, by seed."""
    return spread([*each(runs, arm, other, of).values()], digits)


def each(runs: Runs, arm: str, other: str, of: Number = seven) -> dict[int, float]:
    """The same of every seed that both have."""
    shared = sorted(runs.get(arm, {}).keys() & runs.get(other, {}).keys())
    return {s: of(runs[arm][s]) - of(runs[other][s]) for s in shared}


def gain(runs: Runs, arm: str, of: Number, before: Number) -> str:
    """What an arm has more than the encoder that it started from."""
    return spread([of(run) - before(run["before"]) for _, run in sorted(runs.get(arm, {}).items())])


def mean(runs: Runs, arm: str, of: Number = seven) -> float:
    values = [of(run) for run in runs.get(arm, {}).values()]
    return float(np.mean(values)) if values else float("nan")


def std(runs: Runs, arm: str, of: Number = seven) -> float:
    values = [of(run) for run in runs.get(arm, {}).values()]
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def sweep(runs: Runs, base: str, layers: range, arm: str, of: Number) -> None:
    for layer in layers:
        for how in ("stop", "pass"):
            name = arm.format(layer, how)
            if name in runs:
                print(f"  layer {layer} {how}: {less(runs, name, base, of)}  dev {mean(runs, name, dev):.2f}")
        if arm.format(layer, "stop") in runs and arm.format(layer, "pass") in runs:
            stop, through = arm.format(layer, "stop"), arm.format(layer, "pass")
            print(f"  layer {layer} stop less pass: {less(runs, stop, through, of)}")
    blocks = [each(runs, arm.format(i, "stop"), arm.format(i, "pass"), of) for i in layers[1:-1]]
    seeds = sorted(set.intersection(*({*x} for x in blocks)))
    print(f"  stop less pass, mean of the blocks: {spread([float(np.mean([x[s] for x in blocks])) for s in seeds])}")


def alike(runs: Runs, arms: list[str]) -> None:
    """Mean CKA of layers with layers, of runs that were looked into."""
    seen = {arm: {s: run for s, run in seeds.items() if "layers" in run} for arm, seeds in runs.items()}
    print(f"17: CKA of layers less simcse ({mean(seen, 'simcse', cka):.3f})")
    for arm in arms:
        print(f"  {arm}: {less(seen, arm, 'simcse', cka, 4)}  dev {mean(runs, arm, dev):.2f}")


def best(runs: Runs, arms: list[str]) -> str | None:
    """The arm that STS-B dev chooses."""
    there = [arm for arm in arms if arm in runs]
    return max(there, key=lambda arm: mean(runs, arm, dev), default=None)


def deep(runs: Runs, blocks: int) -> None:
    layers, name = range(blocks + 2), "simcse:perturb_layer={}:perturb_rate=0.5:perturb_gradient={}"
    print(f"13, 14: dropout .5 at a layer less simcse ({mean(runs, 'simcse'):.2f} ± {std(runs, 'simcse'):.2f})")
    print(f"  simcse less its start: {gain(runs, 'simcse', seven, lambda b: b[looks.SEVEN])}")
    sweep(runs, "simcse", layers, name, seven)
    stops = best(runs, [name.format(i, "stop") for i in layers])
    for arm in (f"simcse:dropout={x}" for x in (0.02, 0.2, 0.3)):
        print(f"  {arm}: {less(runs, arm, 'simcse')}")
    pcas = [a for a in runs if "perturb_noise=pca" in a]
    for arm in sorted(pcas):
        there = name.format(parsed(arm)[1]["perturb_layer"], "stop")
        print(f"  15 {arm} less simcse: {less(runs, arm, 'simcse')}, less dropout there {less(runs, arm, there)}")
    chosen = best(runs, pcas)
    if stops and chosen:
        print(f"15: best of PCA ({chosen}) less best of dropout ({stops}), by dev: {less(runs, chosen, stops)}")
    alike(runs, [name.format(i, "stop") for i in layers])
    for arm in sorted(a for a in runs if a.endswith("reverse") or ("train_last" in a and a.startswith("simcse"))):
        print(f"  instead {arm} less simcse: {less(runs, arm, 'simcse')}")
    for arm in sorted(a for a in runs if a.startswith("simcse:dropout=0.0:perturb")):
        print(f"  alone {arm} less simcse: {less(runs, arm, 'simcse')}")
    guess = [a for a in runs if a.startswith("simcse:mlm_weight")]
    both = next((a for a in guess if "perturb" in a), "")
    late = next((a for a in runs if a == both.replace("mlm_weight=0.1:", "")), "")
    print(f"18: MLM less simcse {less(runs, 'simcse:mlm_weight=0.1', 'simcse')}; both less MLM "
          f"{less(runs, both, 'simcse:mlm_weight=0.1')}; both less perturbed {less(runs, both, late)}")  # fmt: skip


def labels(runs: Runs) -> None:
    base = "regression@stsb:batch=64:lr=1e-4"
    alone = f"{mean(runs, base, test):.2f} ± {std(runs, base, test):.2f}, rank {mean(runs, base, last_rank):.1f}"
    print(f"16: STS-B test of regression, no perturbation {alone}")
    for arm in sorted(a for a in runs if a.startswith(f"{base}:")):
        rank = f"rank {mean(runs, arm, last_rank):.1f}"
        seven_too = less(runs, arm, base)
        print(f"  {arm.removeprefix(base)} less none: {less(runs, arm, base, test)}, mean of seven {seven_too}, {rank}")


def ranks(runs: Runs) -> None:
    print("20, 21: rank along runs, and Spearman's rho of rank and STS-B dev: in all, up to the peak, after it")
    for arm in ("simcse", "mixcse", "esimcse", "infocse", "promptbert"):
        print(f"  {arm} less simcse: {less(runs, arm, 'simcse')}, STS-B test {less(runs, arm, 'simcse', test)}")
        for seed, run in sorted(runs.get(arm, {}).items()):
            print(f"  {arm} seed {seed}: {traced(run['curve'])}")
    print("22, 23, 24: rank reduction")
    for arm in sorted(a for a in runs if "rank_reduction" in a and "@" not in a):
        plain = arm.split(":rank_reduction")[0]
        print(f"  {arm}: less {plain} {less(runs, arm, plain)}, STS-B test {less(runs, arm, plain, test)}, rank "
              f"{mean(runs, plain, last_rank):.1f} to {mean(runs, arm, last_rank):.1f}, "
              f"{less(runs, arm, plain, last_rank)}, std {std(runs, plain):.2f} to {std(runs, arm):.2f}")  # fmt: skip
    for first in sorted(a for a in runs if a.endswith("rank_reduction_phase=1")):
        print(f"26: phase 2 less phase 1: {less(runs, first.removesuffix('1') + '2', first)}")
    some = [a for a, seeds in runs.items() if len(seeds) >= 5 and "@" not in a]
    x, y = ([f(runs, a) for a in some] for f in (lambda r, a: mean(r, a, last_rank), std))
    if len(some) > 3:
        r, n = float(np.corrcoef(x, y)[0, 1]), len(some)
        ends = np.tanh(np.arctanh(r) + np.array([-1.96, 1.96]) / np.sqrt(n - 3))
        print(f"25: Pearson's r of rank and std over {n} settings: {r:+.2f} [{ends[0]:+.2f}, {ends[1]:+.2f}]")


def proxies(runs: Runs) -> None:
    """How far what needs no labels, at the last look, orders arms of one rate and length as their scores do."""
    own = {"lr", "steps", "batch"}
    whole = [
        arm
        for arm, seeds in runs.items()
        if "@" not in arm and all(s in seeds for s in FIVE) and not own & parsed(arm)[1].keys()
    ]
    plain = mean(runs, "simcse")
    groups = {
        "all": whole,
        "without rank reduction": [arm for arm in whole if "rank_reduction" not in arm],
        "not a point below simcse": [arm for arm in whole if mean(runs, arm) > plain - 1],
    }
    for name, arms in groups.items():
        if len(arms) > 2:
            print(f"choose: Spearman's rho of proxies and the mean of seven by seed, {len(arms)} arms, {name}; lost")
            for proxy, sign in PROXIES.items():
                seen = [[runs[arm][seed] for arm in arms] for seed in FIVE]
                ordered(proxy, [[(sign * _last(run, proxy), seven(run)) for run in seed] for seed in seen])


def ordered(proxy: str, seeds: list[list[tuple[float, float]]]) -> None:
    """Prints rho over the arms of each seed, and what the arm that a proxy is highest for has less than the best."""
    rhos = [spearman(*np.array(arms).T) for arms in seeds]
    lost = [max(score for _, score in arms) - max(arms)[1] for arms in seeds]
    print(f"  {proxy}: {np.mean(rhos):+.2f} ± {np.std(rhos, ddof=1):.2f}; {np.mean(lost):.2f}")


def _last(run: Mapping[str, Any], name: str) -> float:
    return float(next(look[name] for look in reversed(run["curve"]) if name in look))


def traced(curve: list[dict[str, float]]) -> str:
    """Where the rank of a run turned, and how it went with STS-B dev."""
    looked = [(int(x["step"]), x["rank"]) for x in curve if "rank" in x]
    found = phase(looked)
    peak = found.step if found.interior else looked[-1][0]
    scored = [(x["step"], x["rank"], x[looks.DEV]) for x in curve if looks.DEV in x and "rank" in x]
    parts = [[x for x in scored if x[0] <= peak], [x for x in scored if x[0] >= peak]]
    rhos = [f"{spearman(*np.array(part).T[1:]):+.2f}" for part in (scored, *parts) if len(part) > 2]
    some = [round(rank, 1) for _, rank in looked[:: max(1, len(looked) // 8)]]
    return f"{f'peak at {peak}' if found.interior else 'no peak'}, {found.now}; rho {' '.join(rhos)}; ranks {some}"


def early(run: Mapping[str, Any], corpus: str) -> tuple[int | None, ...]:
    """The first looks at which nine tenths of what a run came to are there: of k-NN, and of STS-B dev."""
    found = []
    for key, began in (("knn", run["before"]["knn"][corpus]), (looks.DEV, run["before"][looks.DEV])):
        seen = [(int(x["step"]), x[key] - began) for x in run["curve"] if key in x]
        found.append(next((step for step, gain in seen if gain >= 0.9 * seen[-1][1]), None))
    return tuple(found)


def documents(runs: Runs, corpus: str) -> None:
    crop, drop, own = f"crop@{corpus}", f"dropout@{corpus}", on(corpus)
    print(f"documents of {corpus}: crops {mean(runs, crop, own):.1f}, dropout {mean(runs, drop, own):.1f} k-NN")
    print(f"  gain of crops {gain(runs, crop, own, own)}; crops less dropout {less(runs, crop, drop, own)}")
    print(
        f"2: STS, crops less dropout {less(runs, crop, drop)}; gain {gain(runs, crop, seven, lambda b: b[looks.SEVEN])}"
    )
    for arm in (crop, drop):
        steps = [early(run, corpus) for _, run in sorted(runs.get(arm, {}).items())]
        print(f"3: {arm}: nine tenths of k-NN and of STS-B dev at step {steps}")
    for arm in sorted(a for a in runs if a.startswith((f"{crop}:", f"{drop}:"))):
        print(f"  6, 9, 10, 19: {arm} less crops: {less(runs, arm, crop, own)}; gain {gain(runs, arm, own, own)}")
        print(f"    less dropout {less(runs, arm, drop, own)}; STS less crops {less(runs, arm, crop)}, less dropout "
              f"{less(runs, arm, drop)}; gain {gain(runs, arm, seven, lambda b: b[looks.SEVEN])}")  # fmt: skip
    for name, seeds in sorted(runs.items()):
        if name.startswith("crop@") and ":" not in name:
            for other in looks.CORPORA:
                asked = {name: {s: run for s, run in seeds.items() if other in run["knn"]}}
                print(f"10: {name} judged on {other}: gain {gain(asked, name, on(other), on(other))}")
            layered(name, {s: run for s, run in seeds.items() if "layers" in run})


def layered(name: str, seeds: Mapping[int, Mapping[str, Any]]) -> None:
    """What each layer knows, before and after, and how far its weights went."""
    if not seeds:
        return
    by = np.array([run["layers"]["knn"] for run in seeds.values()])
    was = next(iter(seeds.values()))["before"]["layers"]["knn"]
    went = np.array([run["change"] for run in seeds.values()]).mean(0)
    print(f"8: {name} k-NN by layer before {was}, after {by.mean(0).round(1).tolist()}")
    print(f"   last less first {spread([x[-1] - x[0] for x in by.tolist()])}; change {went.round(3).tolist()}")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("files", type=Path, nargs="+")
    asked.add_argument("--blocks", type=int, default=6)
    asked.add_argument("--corpus", default="iclr2021_papers")
    given = asked.parse_args()
    every = []
    for file in given.files:
        kept.file(asked, file, "FILE")
        every += kept.runs(asked, file, "FILE", ("arm",))
    first: dict[str, dict[str, Any]] = {}
    for run in every:
        if unlike := kept.differing(first.setdefault(run["arm"], run), run):
            asked.error(f"runs of {run['arm']} with other {', '.join(unlike)} are in two files; give each for itself")
    runs = by_arm(every)
    for arm, lost in Counter(run["arm"] for run in every if not run["after"]).items():
        print(f"{arm}: {lost} of {lost + len(runs.get(arm, {}))} seeds diverged, and are left out")
    deep(runs, given.blocks)
    labels(runs)
    ranks(runs)
    proxies(runs)
    documents(runs, given.corpus)


if __name__ == "__main__":
    main()
