"""Time per document and peak memory, from shards on disk to training steps, for corpora of growing size.

    python benchmarks/growth.py [--sizes 10000,100000,1000000] [--format jsonl.gz] [--json] [--plot docs/growth.svg]

Documents are synthetic: a few sentences of words that follow Zipf's law, the same for every call. Each size has a
process and a cache of its own, and one thread. Per document:

    read        shards to the memory-mapped corpus
    vocabulary  the tokens that suit it
    tokens      the memory-mapped tokens
    recipe      what is checked of every document before training
    crops       two views of a document drawn at random, as the training loop asks for them
    train       a step of the static encoder

`microseconds` are those of the clock, `processor` those that were computed: the ones to look at where others share
the machine. Memory is what belongs to the process (RssAnon) at the worst moment of a stage, in MB; `resident` adds
the pages of mapped files, which the system takes back when it needs them. Linux only.
"""

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

STAGES = ("read", "vocabulary", "tokens", "recipe", "crops", "train")
WORDS, SENTENCES, LENGTH = 50_000, (3, 9), (6, 16)  # words there are; sentences of a document, words of a sentence
SHARD = 25_000  # documents of a shard
VOCABULARY, BATCH, STEPS, DRAWN = 8_000, 512, 20, 40  # steps that are trained, and whose crops are drawn before

# ---------------------------------------------------------------- documents


def word(rank: int) -> str:
    """A word of two syllables or more; another for every rank."""
    spelt, number = "", rank + 100
    while number:
        number, syllable = divmod(number, 100)
        spelt += "bcdfghjklmnprstvwxyz"[syllable // 5] + "aeiou"[syllable % 5]
    return spelt


def shard(number: int, documents: int) -> Iterator[dict[str, str]]:
    """Documents of a shard; the number of the shard decides them."""
    rng = np.random.default_rng(number)
    names = np.array([word(rank) for rank in range(WORDS)])
    chances = np.cumsum(1 / (2.7 + np.arange(WORDS)))
    for _ in range(documents):
        lengths = rng.integers(*LENGTH, rng.integers(*SENTENCES))
        words = names[np.searchsorted(chances, rng.random(lengths.sum()) * chances[-1])]
        sentences = (" ".join(part).capitalize() + "." for part in np.split(words, lengths.cumsum()[:-1]))
        yield {"text": " ".join(sentences), "label": f"class {rng.integers(20)}"}


def write(folder: Path, documents: int, format: str) -> None:
    for number, start in enumerate(range(0, documents, SHARD)):
        rows = shard(number, min(SHARD, documents - start))
        path = folder / f"{number:05}.{format}"
        if format == "parquet":
            import pyarrow as pa
            import pyarrow.parquet as pq

            pq.write_table(pa.Table.from_pylist(list(rows)), path)
        else:
            with gzip.open(path, "wt", compresslevel=1) as file:
                file.writelines(json.dumps(row) + "\n" for row in rows)


# ---------------------------------------------------------------- one size, in this process


def status(name: str) -> float:
    """A field of this process's memory, in MB."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) / 1024 for line in file if line.startswith(name))


class Stages:
    """Runs stages, and keeps the time per document and the worst memory of each."""

    def __init__(self) -> None:
        self.made: dict[str, Any] = {"start": {"anonymous": round(status("RssAnon"))}}

    def __call__(self, name: str, documents: int, run: Callable[[], Any]) -> Any:
        worst, over = [status("RssAnon")], threading.Event()

        def watch() -> None:
            while not over.wait(0.02):
                worst[0] = max(worst[0], status("RssAnon"))

        watching = threading.Thread(target=watch)
        watching.start()
        start, begun = time.perf_counter(), time.process_time()
        try:
            return run()
        finally:
            seconds, computed = time.perf_counter() - start, time.process_time() - begun
            over.set()
            watching.join()
            self.made[name] = {
                "microseconds": round(1e6 * seconds / documents, 2),
                "processor": round(1e6 * computed / documents, 2),
                "anonymous": round(worst[0]),
            }


def measured(folder: Path, n: int) -> dict[str, Any]:
    """All stages of the n documents in a folder, after a few documents that load what is loaded once."""
    import torch

    torch.set_num_threads(1)
    few = folder.parent / "few"
    few.mkdir()
    write(few, BATCH, "parquet")
    staged(few, BATCH)
    made = staged(folder, n)
    return {"stages": made, "anonymous": max(x["anonymous"] for x in made.values())}


def staged(folder: Path, n: int) -> dict[str, Any]:
    from diptych import Machine, recipes
    from diptych.data import store, vocabulary
    from diptych.data.documents import read
    from diptych.recipes.start import LEARNED
    from diptych.train.batches import epoch_steps, work
    from diptych.train.loop import train

    stage = Stages()
    documents = stage("read", n, lambda: read(folder))
    assert len(documents) == n
    some = documents.texts[:: 1 + sum(map(len, documents.texts)) // LEARNED]  # as the recipe chooses them
    tokenizer = stage("vocabulary", n, lambda: vocabulary.train(some, VOCABULARY, punctuation=False))
    tokens = stage("tokens", n, lambda: store.build(documents, tokenizer))
    settings = {"vocabulary": VOCABULARY, "dim": 256, "batch": BATCH, "steps": STEPS}
    recipe = stage("recipe", n, lambda: recipes.crop(documents, **settings))
    assert recipe.data.fingerprint == tokens.fingerprint
    machine = Machine(workers=0, device="cpu", precision="fp32")
    places = np.random.default_rng(0).integers(epoch_steps(recipe), size=DRAWN).tolist()
    stage("crops", DRAWN * BATCH, lambda: [work(recipe, place, machine) for place in places] and None)
    with tempfile.TemporaryDirectory(dir=folder.parent) as run:
        stage("train", STEPS * BATCH, lambda: train(recipe, Path(run), machine))
    return stage.made


def row(n: int, format: str, scratch: Path | None) -> dict[str, Any]:
    """One size, in a process of its own."""
    with tempfile.TemporaryDirectory(dir=scratch) as made:
        folder = Path(made) / "shards"
        folder.mkdir()
        write(folder, n, format)
        size = sum(file.stat().st_size for file in folder.iterdir())
        call = [sys.executable, __file__, "--measure", str(folder), "--sizes", str(n)]
        alone = os.environ | {
            "DIPTYCH_CACHE": str(Path(made) / "cache"),
            "OMP_NUM_THREADS": "1",
            "TOKENIZERS_PARALLELISM": "false",
        }
        done = subprocess.run(call, env=alone, stdout=subprocess.PIPE, text=True, check=True)
        cached = sum(file.stat().st_size for file in (Path(made) / "cache").rglob("*") if file.is_file())
    told = {"documents": n, "shards_mb": round(size / 1e6), "cache_mb": round(cached / 1e6)}
    return told | json.loads(done.stdout)


# ---------------------------------------------------------------- the plot


COLOURS = ("#1f5fa8", "#c2571a", "#2f7d4f", "#8a3f8f", "#a8871f", "#b03050")
WIDTH, HEIGHT, LEFT, TOP = 300, 190, 60, 40


def panel(title: str, rows: list[dict[str, Any]], series: dict[str, list[float]], shift: int) -> str:
    """Curves over the logarithm of the number of documents, from zero up."""
    from diptych.report.plots import plot

    ns = [x["documents"] for x in rows]
    across = [float(np.log(n / ns[0])) for n in ns]
    floor = ("", 0, [(0.0, 0.0), (across[-1], 0.0)])
    lines = [(name, i, list(zip(across, ys, strict=True))) for i, (name, ys) in enumerate(series.items())]
    made = plot(title, [floor, *lines])
    assert made is not None
    ticks = [(100 * x / across[-1], f"{n:,}") for x, n in zip(across, ns, strict=True)]
    parts = [f'<g transform="translate({LEFT + shift} {TOP})">', f'<text class="title" x="-30" y="-20">{title}</text>']
    for y, text in made.up:
        at = y * HEIGHT / 100
        parts.append(
            f'<path class="rule" d="M0 {at:.1f}H{WIDTH}"/><text x="-6" y="{at + 4:.1f}" class="end">{text}</text>'
        )
    parts += [f'<text x="{x * WIDTH / 100:.1f}" y="{HEIGHT + 18}" class="middle">{text}</text>' for x, text in ticks]
    ends = sorted(((line.end[1] * HEIGHT / 100, line) for line in made.lines[1:]), key=lambda pair: pair[0])
    free = 0.0
    for y, line in ends:
        free, colour = max(y, free + 13), COLOURS[line.colour]
        path = f'<path transform="scale({WIDTH / 1000} {HEIGHT / 1000})" d="{line.path}" stroke="{colour}"/>'
        parts.append(f'{path}<text x="{WIDTH + 6}" y="{free + 4:.1f}" style="fill:{colour}">{line.name}</text>')
    return "\n".join([*parts, "</g>"])


def drawn(rows: list[dict[str, Any]]) -> str:
    """The SVG: time per document and memory, by stage."""
    times = {name: [x["stages"][name]["processor"] for x in rows] for name in STAGES}
    parts = {"to tokens": STAGES[:3], "to training": STAGES[3:], "before": ("start",)}
    memory = {
        name: [max(x["stages"][stage]["anonymous"] for stage in part) for x in rows] for name, part in parts.items()
    }
    across = LEFT + WIDTH + 90
    style = (
        "text{font:11.5px system-ui,sans-serif;fill:#777}.title{font-weight:600;fill:#222;font-size:13px}"
        ".end{text-anchor:end}.middle{text-anchor:middle}.rule{stroke:#ddd}"
        "path{fill:none;stroke-width:1.75;vector-effect:non-scaling-stroke}"
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {2 * across} {HEIGHT + TOP + 40}" role="img">',
            f"<title>Time per document and memory over the number of documents</title><style>{style}</style>",
            '<rect width="100%" height="100%" fill="#fff"/>',
            panel("Processor time per document, µs", rows, times, 0),
            panel("Memory at the worst moment, MB", rows, memory, across),
            "</svg>\n",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--format", choices=("jsonl.gz", "parquet"), default="jsonl.gz")
    parser.add_argument("--scratch", type=Path, help="a folder for shards and caches: 1.5 GB for a million documents")
    parser.add_argument("--plot", type=Path, help="an SVG to write")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()

    sizes = [int(n) for n in args.sizes.split(",")]
    if args.measure:
        print(json.dumps(measured(args.measure, sizes[0]) | {"resident": round(status("VmHWM"))}))
        return
    rows = []
    for n in sizes:
        rows.append(row(n, args.format, args.scratch))
        print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    if args.plot:
        args.plot.write_text(drawn(rows), encoding="utf-8")
    told = {"format": args.format, "rows": rows}
    print(json.dumps(told) if args.json else json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
