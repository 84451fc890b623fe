"""Memory and time of InfoNCE, forward and backward, over large batches of pairs.

    python benchmarks/large_batches.py [--batches 1024,4096,16384,65536] [--width 768] [--threads 1] [--json]

Every measurement has a process of its own. `megabytes` is what the peak of its resident memory rose by
after the embeddings were there: gradients, copies and similarities. An arm that would need more than half
of the machine's memory is skipped, and the line says so.

    tiled   diptych.objectives.infonce.InfoNCE
    plain   cross-entropy of the whole matrix
    torch   torch.nn.functional.linear_cross_entropy in chunks (where torch has it)
"""

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from diptych.core import Encoded
from diptych.objectives.infonce import InfoNCE

TEMPERATURE = 0.05
MATRICES = 3  # of b x b numbers that the plain arm holds at its peak, at the least


def tiled(a: Tensor, b: Tensor) -> Tensor:
    return InfoNCE(TEMPERATURE)({"view": [Encoded(x, x) for x in (a, b)]}, {})["infonce"]


def plain(a: Tensor, b: Tensor) -> Tensor:
    return F.cross_entropy(F.normalize(a) @ F.normalize(b).T / TEMPERATURE, torch.arange(len(a)))


def chunked(a: Tensor, b: Tensor) -> Tensor:
    options = torch.nn.LinearCrossEntropyOptions()
    return F.linear_cross_entropy(F.normalize(a) / TEMPERATURE, F.normalize(b), torch.arange(len(a)), options=options)


ARMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"tiled": tiled, "plain": plain, "torch": chunked}


def measured(arm: str, batch: int, width: int, repeats: int) -> dict[str, Any]:
    """One arm at one batch, in this process."""
    generator = torch.Generator().manual_seed(0)
    a = torch.randn(batch, width, generator=generator)
    b = torch.randn(batch, width, generator=generator).add_(a)  # a cosine of about 0.7 to its anchor
    for x in (a, b):
        x.requires_grad_()
    ARMS[arm](*(x.detach()[:64].requires_grad_() for x in (a, b))).backward()  # loads the kernels
    before, seconds = peak(), []
    for _ in range(repeats):
        a.grad = b.grad = None
        started = time.perf_counter()
        loss = ARMS[arm](a, b)
        loss.backward()
        seconds.append(round(time.perf_counter() - started, 4))
    return {"loss": loss.item(), "megabytes": round((peak() - before) / 1e6), "seconds": seconds}


def peak() -> int:
    """The most bytes that this process ever had in memory."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def row(arm: str, batch: int, args: argparse.Namespace) -> dict[str, Any]:
    """One arm at one batch, in a process of its own, or why not."""
    made = {"arm": arm, "batch": batch, "width": args.width}
    if arm == "torch" and not hasattr(F, "linear_cross_entropy"):
        return made | {"skipped": f"torch {torch.__version__} has no linear_cross_entropy"}
    needed = MATRICES * 4 * batch**2 if arm == "plain" else 0
    if needed > os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2:
        return made | {"skipped": f"it would need {needed / 1e9:.0f} GB or more"}
    repeats = args.repeats if batch < 2**14 else 1
    one = ["--one", arm, "--batches", str(batch), "--width", str(args.width), "--repeats", str(repeats)]
    call = [sys.executable, __file__, *one, "--threads", str(args.threads)]
    done = subprocess.run(call, stdout=subprocess.PIPE, text=True)
    return made | (json.loads(done.stdout) if done.returncode == 0 else {"skipped": f"it ended with {done.returncode}"})


def table(rows: list[dict[str, Any]]) -> str:
    lines = ["| pairs | arm | megabytes on top | seconds, least | seconds, most | loss |", "|---|---|---|---|---|---|"]
    for r in rows:
        if "skipped" in r:
            found = [r["skipped"], "", "", ""]
        else:
            found = [f"{r['megabytes']:,}", f"{min(r['seconds']):.3g}", f"{max(r['seconds']):.3g}", f"{r['loss']:.6f}"]
        cells = [f"{r['batch']:,}", r["arm"], *found]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batches", default="1024,4096,16384,65536")
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--width", type=int, default=768)
    parser.add_argument("--repeats", type=int, default=5, help="below 16,384 pairs; 1 from there on")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--one", choices=ARMS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    batches = [int(batch) for batch in args.batches.split(",")]
    if args.one:
        print(json.dumps(measured(args.one, batches[0], args.width, args.repeats)))
        return
    rows = []
    for batch in batches:
        for arm in args.arms.split(","):
            rows.append(row(arm, batch, args))
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    machine = {"machine": platform.machine(), "cores": os.cpu_count(), "threads": args.threads}
    about = machine | {"torch": torch.__version__, "temperature": TEMPERATURE}
    print(json.dumps(about | {"rows": rows}) if args.json else table(rows))


if __name__ == "__main__":
    main()
