"""What a person sees while a run is under way: one live line, or plain lines where there is no terminal."""

import os
import shutil
import sys
import time
from collections.abc import Mapping
from typing import Any, TextIO

from diptych.measure.phase import PATIENCE, phase
from diptych.report.snippet import legible

EVERY = 10.0  # seconds between plain lines


class Live:
    """A watch for `train`: loss, alignment, uniformity, rank and its phase, tokens per second, padding, time left.

    Of pictures and graphs, which are not counted in tokens, `samples` says what they are and how many are in a step.
    """

    def __init__(self, title: str, stream: TextIO | None = None, samples: tuple[str, int] | None = None):
        self.title, self.stream, self.samples = title, stream or sys.stderr, samples
        self.first: Mapping[str, Any] | None = None
        self.last_line = 0.0
        self.ranks: list[tuple[int, float]] = []

    def __call__(self, metrics: Mapping[str, Any]) -> None:
        self.first = self.first or metrics
        if "rank" in metrics:
            self.ranks.append((metrics["step"], metrics["rank"]))
        over = metrics["step"] == metrics["steps"]
        line = self._line(self._parts(metrics))
        if self.stream.isatty():
            self.stream.write(f"\r\x1b[2K{line}" + ("\n" if over else ""))
        elif over or time.monotonic() - self.last_line >= EVERY:
            self.last_line = time.monotonic()
            self.stream.write(line + "\n")
        self.stream.flush()

    def _line(self, parts: list[str]) -> str:
        """With the rank before the speed, where a terminal has room for it."""
        behind = 2 if self.samples else 3
        line, longer = (
            f"{self.title}  {' · '.join(told)}" for told in (parts, [*parts[:-behind], *self._rank(), *parts[-behind:]])
        )
        fits = not self.stream.isatty() or len(longer) < shutil.get_terminal_size().columns
        return longer if fits else line

    def _rank(self) -> list[str]:
        """ "rank 143 rising", once there are looks enough to tell."""
        if not self.ranks:
            return []
        known = len(self.ranks) > PATIENCE
        return [f"rank {self.ranks[-1][1]:.0f}" + (f" {phase(self.ranks).now}" if known else "")]

    def _parts(self, metrics: Mapping[str, Any]) -> list[str]:
        parts = [f"step {metrics['step']:,}/{metrics['steps']:,}", f"loss {metrics['loss']:z.3f}"]
        parts += [f"{name} {metrics[name]:z.2f}" for name in ("alignment", "uniformity") if name in metrics]
        return [*parts, *self._speed(metrics), self._left(metrics)]

    def _speed(self, metrics: Mapping[str, Any]) -> list[str]:
        if self.samples is None:
            return [f"{metrics['tokens_per_second']:,} tokens/s", f"padding {metrics['padding']:.2f}"]
        things, batch = self.samples
        return [f"{metrics['step'] * batch / max(1e-9, metrics['seconds']):,.0f} {things}/s"]

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
    """Says something beside the results: on stderr, in the place of a live line, which comes again."""
    for line in lines if speaks() else ():
        print(("\r\x1b[2K" if sys.stderr.isatty() else "") + legible(line), file=sys.stderr, flush=True)


class Counter:
    """A watch for work that is counted: documents done, of how many."""

    def __init__(self, title: str, stream: TextIO | None = None, noun: str = "documents"):
        self.title, self.stream, self.noun = title, stream or sys.stderr, noun
        self.last_line = time.monotonic()

    def __call__(self, done: int, of: int) -> None:
        if not speaks():
            return
        line, over = f"{self.title}  {done:,}/{of:,} {self.noun}", done == of
        if self.stream.isatty():
            self.stream.write(f"\r\x1b[2K{line}" + ("\n" if over else ""))
        elif time.monotonic() - self.last_line >= EVERY:
            self.last_line = time.monotonic()
            self.stream.write(line + "\n")
        self.stream.flush()
