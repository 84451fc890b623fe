"""Encoded pictures to pixels, in order, by as many processes as there are cores."""

import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
from jaxtyping import UInt8

from diptych.data.images.worker import ASKED, PIXELS, REASON
from diptych.pictures.decode import reduced

START = """
import sys
sys.path[:] = {path!r}
from diptych.data.images.worker import serve
serve(sys.stdin.buffer, sys.stdout.buffer)
"""
AHEAD = 16  # pictures that wait for each process
Raw = bytes | Path | UInt8[np.ndarray, "h w 3"]


@dataclass(frozen=True)
class Decoded:
    """Pixels, and whether ends of the picture were cut off; or why there are none."""

    pixels: UInt8[np.ndarray, "h w 3"] | None
    cut: bool = False
    reason: str = ""


def decode(pictures: Iterable[Raw], short: int | None, processes: int | None = None) -> Iterator[Decoded]:
    """The pixels of each picture, its short side reduced to `short` if it is longer; or why there are none.

    What brings a decoder down is a picture that cannot be read, like any other. Arrays are taken as they are, or
    reduced here.
    """
    many = processes or os.cpu_count() or 1
    workers: list[_Worker] = []
    own = threading.local()

    def one(picture: Raw) -> Decoded:
        if isinstance(picture, np.ndarray):
            return Decoded(reduced(picture, short))
        if not hasattr(own, "worker"):
            own.worker = _Worker()
            workers.append(own.worker)
        found: Decoded = own.worker.ask(picture, short)
        return found

    with ThreadPoolExecutor(many, "decoding") as threads:
        try:
            yield from _in_order(threads, one, pictures, AHEAD * many)
        finally:
            for worker in workers:
                worker.close()


def _in_order(
    threads: ThreadPoolExecutor,
    one: Callable[[Raw], Decoded],
    pictures: Iterable[Raw],
    ahead: int,
) -> Iterator[Decoded]:
    """Results in the order of the pictures, of which no more than `ahead` are in memory."""
    waiting: deque[Future[Decoded]] = deque()
    try:
        for picture in pictures:
            waiting.append(threads.submit(one, picture))
            if len(waiting) >= ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


class _Worker:
    """A process, begun anew when it has ended."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def ask(self, picture: bytes | Path, short: int | None) -> Decoded:
        kind, raw = (b"b", picture) if isinstance(picture, bytes) else (b"p", os.fsencode(picture))
        asked, told = self._pipes()
        try:
            asked.write(ASKED.pack(kind, short or 0, len(raw)))
            asked.write(raw)
            asked.flush()
            return _read(told)
        except (EOFError, OSError):
            self.close()
            return Decoded(None, reason="the decoder does not survive it")

    def _pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        """What the process reads and what it writes."""
        if self._process is None:
            code = [sys.executable, "-I", "-S", "-c", START.format(path=sys.path)]
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(code, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
        return self._process.stdin, self._process.stdout  # type: ignore[return-value]

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            for pipe in self._pipes():
                with suppress(OSError):  # of what was written and never read
                    pipe.close()
            self._process.wait()
            self._process = None


def _read(told: IO[bytes]) -> Decoded:
    if _exactly(told, 1) == b"-":
        (length,) = REASON.unpack(_exactly(told, REASON.size))
        return Decoded(None, reason=_exactly(told, length).decode())
    height, width, cut = PIXELS.unpack(_exactly(told, PIXELS.size))
    raw = _exactly(told, height * width * 3)
    return Decoded(np.frombuffer(raw, np.uint8).reshape(height, width, 3), bool(cut))


def _exactly(told: IO[bytes], length: int) -> bytes:
    raw = told.read(length)
    if len(raw) != length:
        raise EOFError
    return raw
