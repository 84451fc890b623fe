"""What the instruments of a run cost, in per cent of the processor's time that it takes without them.

    python benchmarks/instruments.py [--encoder static] [--steps 276]

Crops of docstrings, halves of a document, as the demo trains them. Every look of every instrument is timed, by the
time of the processor and on one thread, so that what else the machine does counts little.
"""

import argparse
import json
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import torch
import torch._dynamo  # as an optimiser would, for seconds

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
        start = time.thread_time()  # others make views meanwhile
        told = self.see(snapshot)
        self.seconds[self.name] += time.thread_time() - start
        self.looks[self.name] += 1
        return told


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--encoder", default="static")
    asked.add_argument("--steps", type=int)
    given = asked.parse_args()
    torch.set_num_threads(1)
    recipe = recipes.crop("docstrings", rule="halves", encoder=given.encoder, steps=given.steps)
    seconds, looks = Counter[str](), Counter[str]()
    seeing = [*fitting._instruments(recipe), *fitting._guards(recipe, "warn", print)]
    start = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        train(recipe, Path(folder), Machine(), [Timed(see, seconds, looks) for see in seeing])
    without = time.process_time() - start - sum(seconds.values())
    whole = sum(seconds.values())
    print(f"{recipe.steps} steps, {without:.1f} s without, {100 * whole / without:.1f} % for instruments")
    for name, spent in seconds.items():
        print(
            json.dumps({name: {"looks": looks[name], "seconds": round(spent, 2), "%": round(100 * spent / without, 2)}})
        )


if __name__ == "__main__":
    main()
