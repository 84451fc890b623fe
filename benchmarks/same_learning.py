"""Whether speed costs learning: packed, in bf16, with keyed dropout, against padded, in fp32, with torch's dropout.

    python benchmarks/same_learning.py --data DIR [--seeds 3] [--steps 24] [--json]

MiniLM-L6 on crops of arXiv abstracts, batch 64, the defaults of the recipe. Both arms begin with the same weights and
see the same crops in the same order. Told are the loss over the first and the last quarter of the steps, and k-NN
accuracy with every abstract asked.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

import kept
from arms import folded
from text_training import model_path

from diptych import recipes
from diptych.core import Machine
from diptych.data.documents import Documents, read
from diptych.train.loop import train

MACHINES = {"fast": Machine(checkpoint=1e9), "plain": Machine(checkpoint=1e9, precision="fp32")}
LAST = (0.25, 0.75)


def learned(arm: str, documents: Documents, seed: int, steps: int) -> dict[str, Any]:
    """The losses of a run, and how good its embeddings are."""
    made = recipes.crop(documents, encoder=model_path(), max_tokens=128, seed=seed, steps=steps)
    encoder = made.model.encoder
    if arm == "plain":
        encoder.__dict__["padded"] = True  # then its dropout is torch's
    losses: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        train(made, Path(folder), MACHINES[arm], watch=lambda line: losses.append(line["loss"]))
    first, last = (round(steps * part) for part in LAST)
    told = {"arm": arm, "seed": seed, "first": statistics.fmean(losses[:first])}
    told |= {"last": statistics.fmean(losses[last:]), **folded(encoder.encode, documents, 10)}
    print(json.dumps(told), file=sys.stderr, flush=True)
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=24)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    kept.folder(parser, args, "data", "arxiv_lite.*")
    documents = read(next(args.data.glob("arxiv_lite.*")))
    rows = [learned(arm, documents, seed, args.steps) for seed in range(args.seeds) for arm in MACHINES]
    out: dict[str, Any] = {}
    for name in ("first", "last", "knn"):
        values = {arm: [row[name] for row in rows if row["arm"] == arm] for arm in MACHINES}
        differences = [a - b for a, b in zip(values["fast"], values["plain"], strict=True)]
        out[name] = {arm: [round(x, 4) for x in many] for arm, many in values.items()}
        out[name] |= {"difference": round(statistics.fmean(differences), 4)}
        out[name] |= {"spread": round(statistics.stdev(values["plain"]), 4)}
    print(json.dumps(out) if args.json else json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
