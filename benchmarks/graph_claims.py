"""What the runs of graphs.py say of GraphCL's numbers and of arXiv:2303.14537 on graphs.

    python benchmarks/graph_claims.py FILE [--protocol graphcl]

For each set: means of differences by seed in points of accuracy with their 95 % t interval. Layers are
those of graph_deep_augmentation, which reads out the last block: it is compared with an untrained network that is read
out there.
"""

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import kept
import numpy as np
from graphs import DEEP, LAYERS, NAME, PUBLISHED
from intervals import spread

Scores = Mapping[str, Mapping[int, float]]  # by arm and seed
FIRST = "graph_deep_augmentation:perturb_layer={}:perturb_noise=pca:perturb_component=1:perturb_gradient={}"
UNTRAINED, UNTRAINED_LAST = "untrained", "untrained:readout=last"
CONSTANT = ("IMDBBINARY", "COLLAB")
SEEN, SEEN_LAST = (f"{arm}:calibrated=true" for arm in (UNTRAINED, UNTRAINED_LAST))


def mean(scores: Scores, arms: list[str]) -> dict[int, float]:
    """The mean over arms of each seed that all have."""
    there = [scores.get(arm, {}) for arm in arms]
    shared = set.intersection(*({*x} for x in there))
    return {seed: float(np.mean([x[seed] for x in there])) for seed in sorted(shared)}


def less(scores: Scores, arms: list[str], others: list[str], digits: int = 2) -> str:
    one, other = mean(scores, arms), mean(scores, others)
    return spread([one[seed] - other[seed] for seed in sorted(one.keys() & other.keys())], digits)


def told(name: str, scores: Scores, protocol: str) -> None:
    published = PUBLISHED.get(name) if protocol == "graphcl" else None  # papers quote that one
    print(f"{name}  published: GraphCL {published[0]}, InfoGraph {published[1]}" if published else name)
    for arm, seeds in scores.items():
        values = [*seeds.values()]
        deviation = f" ± {np.std(values, ddof=1):.2f}" if len(values) > 1 else ""
        print(f"  {arm}: {np.mean(values):.2f}{deviation} ({len(values)} seeds)")
    for arm, number in zip(("graphcl", "infograph"), published or (), strict=False):
        if arm in scores and number:
            print(f"  36: {arm} less published {np.mean([*scores[arm].values()]) - number:+.2f}")
    for other in (UNTRAINED, SEEN):
        for arm in ("graphcl", "infograph"):
            print(f"  36: {arm} less {other} {less(scores, [arm], [other])}")
    print(f"      untrained less Weisfeiler-Lehman {less(scores, [UNTRAINED], ['Weisfeiler-Lehman'])}")
    stop, through = ([DEEP.format(layer, how) for layer in LAYERS] for how in ("stop", "pass"))
    told = "; its nodes are all alike, so that layer 0 has nothing to drop" if name in CONSTANT else ""
    print(f"  13: layer 3 less layer 0, stop {less(scores, [stop[3]], [stop[0]])}{told}")
    for other in (UNTRAINED_LAST, SEEN_LAST):
        print(f"      layer 2, stop, less {other} {less(scores, [stop[2]], [other])}")
    print(f"  14: stop less pass, mean of layers 1 to 4 {less(scores, stop[1:], through[1:])}")
    for layer in LAYERS[1:]:
        print(f"      layer {layer} {less(scores, [stop[layer]], [through[layer]])}")
    first = [FIRST.format(layer, "stop") for layer in (1, 2, 3)]
    print(f"  15: first direction less dropout, stop, mean of layers 1 to 3 {less(scores, first, stop[1:4])}")


def alike(scores: Scores) -> None:
    """Claim 17: the CKA of blocks with each other, its mean off the diagonal."""
    stop = [DEEP.format(layer, "stop") for layer in LAYERS]
    for name, arms, others in (("layers 1 to 4", stop[1:], stop[:1]), ("layer 2", stop[2:3], [SEEN_LAST])):
        print(f"  17: blocks alike, {name}, stop, less {others[0]} {less(scores, arms, others, 4)}")
    print(f"      graphcl less {SEEN} {less(scores, ['graphcl'], [SEEN], 4)}")


def by_layer(arms: Mapping[str, Mapping[int, Mapping[str, Any]]]) -> None:
    """How good the mean over nodes of each layer is, by PyGCL's protocol, the mean over seeds."""
    for arm in (SEEN, "graphcl", "infograph", DEEP.format(2, "stop")):
        rows = [run["layers"] for run in arms.get(arm, {}).values() if "layers" in run]
        if rows:
            print(f"      by layer, {arm}: {', '.join(f'{x:.1f}' for x in np.mean(rows, 0))}")


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("file", type=Path)
    asked.add_argument("--protocol", default="graphcl", choices=["graphcl", "pygcl"])
    given = asked.parse_args()
    kept.file(asked, given.file, "FILE")
    runs = [run for run in kept.runs(asked, given.file, "FILE", NAME) if given.protocol in run["scores"]]
    for name, arms in kept.by_seed(runs, NAME).items():
        scores = {arm: {s: run["scores"][given.protocol] for s, run in seeds.items()} for arm, seeds in arms.items()}
        told(name, scores, given.protocol)
        found = {arm: {s: r["alike"] for s, r in seeds.items() if r.get("alike")} for arm, seeds in arms.items()}
        if any(found.values()):
            alike(found)
        by_layer(arms)


if __name__ == "__main__":
    main()
