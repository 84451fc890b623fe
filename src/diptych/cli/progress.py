"""What a person sees while a run is under way: one live line, or plain lines where there is no terminal."""

import os
import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

from diptych.report.snippet import legible

EVERY = 10.0  # seconds between plain lines


class Live:
    """A watch for `train`: loss, alignment, uniformity, tokens per second, padding, time left."""

    def __init__(self, title: str, stream: TextIO | None = None):
        self.title, self.stream = title, stream or sys.stderr
        self.first: Mapping[str, Any] | None = None
        self.last_line = 0.0

    def __call__(self, metrics: Mapping[str, Any]) -> None:
        self.first = self.first or metrics
        over = metrics["step"] == metrics["steps"]
        line = f"{self.title}  {' · '.join(self._parts(metrics))}"
        if self.stream.isatty():
            self.stream.write(f"\r\x1b[2K{line}" + ("\n" if over else ""))
        elif over or time.monotonic() - self.last_line >= EVERY:
            self.last_line = time.monotonic()
            self.stream.write(line + "\n")
        self.stream.flush()

    def _parts(self, metrics: Mapping[str, Any]) -> list[str]:
        parts = [f"step {metrics['step']:,}/{metrics['steps']:,}", f"loss {metrics['loss']:.3f}"]
        parts += [f"{name} {metrics[name]:.2f}" for name in ("alignment", "uniformity") if name in metrics]
        parts += [f"{metrics['tokens_per_second']:,} tokens/s", f"padding {metrics['padding']:.2f}"]
        return [*parts, self._left(metrics)]

    def _left(self, metrics: Mapping[str, Any]) -> str:
        if metrics["step"] == metrics["steps"]:
            return f"{_clock(metrics['seconds'])} in all"
        assert self.first is not None
        steps = metrics["step"] - self.first["step"]
        if not steps:
            return "..."
        pace = (metrics["seconds"] - self.first["seconds"]) / steps
        return f"{_clock(pace * (metrics['steps'] - metrics['step']))} left"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def speaks() -> bool:
    """Whether this process is the one of several that says what all of them do."""
    return os.environ.get("WORLD_SIZE", "1") == "1" or os.environ.get("RANK") == "0"


def note(*lines: str) -> None:
    """Says something beside the results: on stderr."""
    for line in lines if speaks() else ():
        print(legible(line), file=sys.stderr, flush=True)


class Counter:
    """A watch for work that is counted: documents done, of how many."""

    def __init__(self, title: str, stream: TextIO | None = None):
        self.title, self.stream, self.last_line = title, stream or sys.stderr, time.monotonic()

    def __call__(self, done: int, of: int) -> None:
        if not speaks():
            return
        line, over = f"{self.title}  {done:,}/{of:,} documents", done == of
        if self.stream.isatty():
            self.stream.write(f"\r\x1b[2K{line}" + ("\n" if over else ""))
        elif time.monotonic() - self.last_line >= EVERY:
            self.last_line = time.monotonic()
            self.stream.write(line + "\n")
        self.stream.flush()
