"""What the runs of images.py say of arXiv:2406.09294, and of arXiv:2303.14537 on pictures.

    python benchmarks/image_claims.py FILE [--metric linear]

Differences are by seed, in points of accuracy, or in the units of another metric, with their 95 % t interval. A corpus
is NAME:SIZE. Of depths, rmse is better when it is lower.
"""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import kept
import numpy as np
from images import DEEP, NAME, NETWORKS, STAGES
from intervals import spread

METRICS = ("linear", "weighted_knn", "mean_iou", "rmse", "delta1")  # the last three of patches alone
Seeds = Mapping[int, Mapping[str, Any]]
Runs = Mapping[str, Mapping[str, Seeds]]  # by corpus, arm, and seed


def each(seeds: Seeds, others: Seeds, metric: str) -> dict[int, float]:
    """How far one arm is from another, by seed."""
    shared = sorted(seeds.keys() & others.keys())
    return {s: seeds[s]["after"][metric] - others[s]["after"][metric] for s in shared}


def less(runs: Runs, corpus: str, arm: str, other: str, metric: str, digits: int = 2) -> str:
    arms = runs.get(corpus, {})
    return spread([*each(arms.get(arm, {}), arms.get(other, {}), metric).values()], digits)


def sizes(runs: Runs, name: str) -> list[str]:
    """The corpora of a name, the smallest first."""
    return sorted((x for x in runs if x.startswith(f"{name}:")), key=lambda x: int(x.partition(":")[2]))


def strategies(runs: Runs, recipe: str, metric: str) -> None:
    """Claims 31 to 34: what each strategy costs as a corpus grows."""
    arm = f"{recipe}:augmentation={{}}".format
    for name in ("cifar", "world"):
        there = [corpus for corpus in sizes(runs, name) if arm("original") in runs[corpus]]
        gaps = [each(runs[x][arm("original")], runs[x].get(arm("crop"), {}), metric) for x in there]
        for corpus, gap in zip(there, gaps, strict=True):
            seeds = runs[corpus][arm("original")].values()
            gain = spread([x["after"][metric] - x["before"][metric] for x in seeds])
            print(f"{recipe} {corpus}: original less untrained {gain}; original less crop {spread([*gap.values()])}")
            for other in ("shared", "crop-resize", "crop"):
                scores = less(runs, corpus, arm(other), arm("original"), metric)
                alike = less(runs, corpus, arm(other), arm("original"), "invariance", 4)
                print(f"  32, 33: {other} less original {scores}, invariance {alike}")
            for times in (3, 10):
                for which in ("original", "crop"):
                    if f"{arm(which)}:times={times}" not in runs[corpus]:
                        continue
                    longer = less(runs, corpus, f"{arm(which)}:times={times}", arm(which), metric)
                    print(f"  34: {which}, {times} times the steps, less once {longer}")
        for times in ("", ":times=3", ":times=10"):
            shrinks(runs, name, arm("original") + times, arm("crop") + times, metric)


def shrinks(runs: Runs, name: str, original: str, crop: str, metric: str) -> None:
    """Claim 31: how much nearer two arms come from the smallest corpus that has both to the largest."""
    there = [corpus for corpus in sizes(runs, name) if {original, crop} <= runs[corpus].keys()]
    if len(there) < 2:
        return
    small, large = (each(runs[x][original], runs[x][crop], metric) for x in (there[0], there[-1]))
    shared = sorted(small.keys() & large.keys())
    told = f"the gap of {original} at {there[0]} less that at {there[-1]}"
    print(f"31: {told}: {spread([small[s] - large[s] for s in shared])}; there {spread([large[s] for s in shared])}")


def ablations(runs: Runs, corpus: str, metric: str) -> None:
    base = "dinov2:augmentation=crop"
    for without in ("mask", "ibot", "koleo"):
        if f"{base}:{without}=0" not in runs[corpus]:
            continue
        found = less(runs, corpus, f"{base}:{without}=0", base, metric)
        print(f"  35 {corpus}: without {without} less with it {found}")


def widths(runs: Runs, corpus: str, metric: str) -> None:
    """Claim 31 at twice the width."""
    for recipe in ("simclr", "dinov2"):
        arm = f"{recipe}:augmentation={{}}{{}}".format
        for width in ("", f":width={2 * NETWORKS[recipe]['width']}"):
            if arm("original", f":width={2 * NETWORKS[recipe]['width']}") in runs[corpus]:
                gap = less(runs, corpus, arm("original", width), arm("crop", width), metric)
                print(f"  31 {corpus}: {arm('original', width)} less crop {gap}")


def deep(runs: Runs, corpus: str, metric: str) -> None:
    """Claims 13, 14, 16: dropout at a stage, without labels and with them."""
    arms = runs[corpus]
    for recipe in ("simclr", "supervised"):
        for stage in STAGES:
            stop, through = (DEEP.format(recipe, stage, how) for how in ("stop", "pass"))
            if stop in arms:
                print(f"  13, 16 {corpus}: {stop} less {recipe} {less(runs, corpus, stop, recipe, metric)}; "
                      f"stop less pass {less(runs, corpus, stop, through, metric)}")  # fmt: skip
        for rate in (0.05, 0.1, 0.2):
            uniform = f"{recipe}:uniform={rate}"
            if uniform in arms:
                print(f"  13, 16 {corpus}: {uniform} less {recipe} {less(runs, corpus, uniform, recipe, metric)}")
    both = [
        each(arms.get(DEEP.format("simclr", i, "stop"), {}), arms.get(DEEP.format("simclr", i, "pass"), {}), metric)
        for i in STAGES[1:-1]
    ]
    shared = sorted(set.intersection(*({*x} for x in both)))
    if not shared:
        return
    means = [float(np.mean([x[seed] for x in both])) for seed in shared]
    print(f"  14 {corpus}: stop less pass, mean of stages {spread(means)}")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("file", type=Path)
    asked.add_argument("--metric", default="linear", choices=METRICS)
    given = asked.parse_args()
    kept.file(asked, given.file, "FILE")
    every = kept.runs(asked, given.file, "FILE", NAME)
    runs = kept.by_seed([run for run in every if given.metric in (run["after"] or {})], NAME)
    for recipe in ("simclr", "dinov2"):
        strategies(runs, recipe, given.metric)
    parts: list[Callable[[Runs, str, str], None]] = [ablations, widths, deep]
    for corpus in runs:
        for part in parts:
            part(runs, corpus, given.metric)


if __name__ == "__main__":
    main()
