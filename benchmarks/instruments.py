"""What the instruments of a run cost, in per cent of the time that it takes without them.

    python benchmarks/instruments.py [--encoder static] [--steps 276] [--threads 2]

Crops of docstrings, halves of a document, as the demo trains them. Every look of every instrument is timed.
"""

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import torch

from diptych import fitting, recipes
from diptych.core import Instrument, Machine, Snapshot
from diptych.train.loop import train


class Timed:
    """An instrument, and the seconds and looks that it has taken so far."""

    def __init__(self, see: Instrument, seconds: Counter[str], looks: Counter[str]):
        self.see, self.name, self.seconds, self.looks = see, type(see).__name__, seconds, looks
        if hasattr(see, "every"):
            self.every = see.every

    def __call__(self, snapshot: Snapshot) -> Mapping[str, float]:
        start = time.perf_counter()
        told = self.see(snapshot)
        self.seconds[self.name] += time.perf_counter() - start
        self.looks[self.name] += 1
        return told


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--encoder", default="static")
    asked.add_argument("--steps", type=int)
    asked.add_argument("--threads", type=int, default=torch.get_num_threads())
    given = asked.parse_args()
    torch.set_num_threads(given.threads)
    recipe = recipes.crop("docstrings", rule="halves", encoder=given.encoder, steps=given.steps)
    seconds, looks = Counter[str](), Counter[str]()
    seeing = [*fitting._instruments(recipe), *fitting._guards(recipe, "warn", print)]
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        train(recipe, Path(folder), Machine(), [Timed(see, seconds, looks) for see in seeing])
    without = time.perf_counter() - start - sum(seconds.values())
    print(f"{recipe.steps} steps, {without:.1f} s without")
    for name, spent in seconds.items():
        print(
            json.dumps({name: {"looks": looks[name], "seconds": round(spent, 2), "%": round(100 * spent / without, 2)}})
        )


if __name__ == "__main__":
    main()
