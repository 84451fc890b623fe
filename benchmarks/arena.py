"""Arms of a speed comparison: each in a process of its own, taking turns, so that all see the same machine."""

import ctypes
import gc
import multiprocessing
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any

import torch

Arm = Callable[..., Mapping[str, Any]]


def interleaved(
    arms: Mapping[str, tuple[Arm, Sequence[Any]]], rounds: int, quiet: Sequence[str] = ()
) -> dict[str, list[dict[str, Any]]]:
    """Calls every arm once to warm up, then in turn, `rounds` times; what each returned, and its peak memory in MB.

    The order is turned round from one round to the next. Fields in `quiet` are not told on the way.
    """
    context = multiprocessing.get_context("spawn")
    pools = {name: ProcessPoolExecutor(1, context) for name in arms}
    out: dict[str, list[dict[str, Any]]] = {name: [] for name in arms}
    for turn in range(rounds + 1):
        for name in list(arms)[:: 1 if turn % 2 else -1]:
            try:
                result = pools[name].submit(_called, *arms[name]).result()
            except BrokenProcessPool:
                raise SystemExit(
                    f"the process of {name} died; was there memory for all of {', '.join(arms)}?"
                ) from None
            if turn:
                out[name].append(result)
                told = {k: round(x, 3) for k, x in result.items() if k not in quiet}
                print(f"{turn}/{rounds} {name}: {told}", flush=True, file=sys.stderr)
    for pool in pools.values():
        pool.shutdown()
    return out


def _called(arm: Arm, args: Sequence[Any]) -> dict[str, Any]:
    result = dict(arm(*args))
    gc.collect()
    if sys.platform == "linux":
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # what an arm has freed is there for the others
    return result | {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def spread(values: Sequence[float]) -> dict[str, float]:
    """Median, lower quartile and range."""
    q1 = statistics.quantiles(values, n=4, method="inclusive")[0] if len(values) > 1 else values[0]
    numbers = {"median": statistics.median(values), "q1": q1, "min": min(values), "max": max(values)}
    return {name: round(x, 4) for name, x in numbers.items()}


def ratios(rows: Mapping[str, list[dict[str, Any]]], field: str, ours: str, rival: str) -> list[float]:
    """Ours over the rival's of the same round."""
    return [a[field] / b[field] for a, b in zip(rows[ours], rows[rival], strict=True)]


def peak(device: str = "cpu", dtype: torch.dtype = torch.bfloat16, seconds: float = 1.0) -> float:
    """The best matrix product of a device now, FLOP per second, over a few shapes."""
    wait = torch.cuda.synchronize if device != "cpu" else lambda: None
    best = 0.0
    for n in (1024, 2048, 4096) if device == "cpu" else (4096, 8192, 16384):
        a, b, c = (torch.randn(n, n, device=device).to(dtype) for _ in range(3))
        end = time.perf_counter() + seconds / 3
        wait()
        while (start := time.perf_counter()) < end:
            torch.mm(a, b, out=c)
            wait()
            best = max(best, 2 * n**3 / (time.perf_counter() - start))
    return best
