"""How far proxies without labels order the checkpoints of runs as labels do: `diptych choose --json`, joined.

    diptych train crop --corpus CORPUS --seeds 0..4 --snapshots 8 --train-only --out RUNS
    diptych choose RUNS --json > FILE
    python benchmarks/choosing.py NAME=FILE[,FILE...] [NAME=FILE...]

For each name (its files are of different runs, of one kind) and each proxy: Spearman's rho with the labelled score
within a run, turned so that higher is better, its mean over runs with the standard deviation; and what the checkpoint
that it suggests in a run has less than the best of that run, the mean over runs. `step` is the plain rule to train on.
"""

import argparse
import json
from itertools import groupby
from pathlib import Path

import kept
import numpy as np

from diptych.choosing import JUDGED, LABELS, Checkpoint, correlations, lost, suggestions


def found(files: list[Path]) -> list[Checkpoint]:
    """The checkpoints of some files, by run and step; runs of two files are two runs, whatever they are called."""
    lines = [
        line | {"run": f"{file}:{line['run']}"}
        for file in files
        for line in json.loads(file.read_text())["checkpoints"]
    ]
    numbers = [{key: x for key, x in line.items() if isinstance(x, int | float)} for line in lines]
    every = [
        Checkpoint(line["run"], line["step"], Path(line["folder"]), scores)
        for line, scores in zip(lines, numbers, strict=True)
    ]
    return sorted(every, key=lambda each: (each.run, each.step))


def told(name: str, every: list[Checkpoint]) -> None:
    label = next((label for label in reversed(LABELS) if all(label in each.scores for each in every)), None)
    if label is None:
        print(f"{name}: there are no labelled scores that all have")
        return
    runs = [[*part] for _, part in groupby(every, key=lambda each: each.run)]
    ranges = np.mean([np.ptp([each.scores[label] for each in run]) for run in runs])
    print(f"{name}: {label}, {len(runs)} runs, {len(every)} checkpoints; best less worst of a run {ranges:.3f}")
    each = correlations(every, label)
    for proxy in JUDGED:
        picks = [(run, suggestions(run).get(proxy)) for run in runs]
        losses = [lost(run, pick, label) for run, pick in picks if pick]
        less = f"{np.mean(losses):.3f}" if losses else "-"
        spread = "-" if each[proxy].spread is None else f"{each[proxy].spread:.2f}"
        print(f"  {proxy:15} {_rho(each[proxy].within)} ± {spread} ({each[proxy].runs})  lost {less}")


def _rho(x: float | None) -> str:
    return "-" if x is None else f"{x:+.2f}"


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("sets", nargs="+", metavar="NAME=FILE[,FILE...]")
    for text in asked.parse_args().sets:
        name, _, files = text.partition("=")
        if not name or not files:
            asked.error(f"{text}: NAME=FILE is needed, a name for what `diptych choose --json` wrote to a file")
        places = [Path(x) for x in files.split(",")]
        for place in places:
            kept.file(asked, place, name)
        told(name, found(places))


if __name__ == "__main__":
    main()
