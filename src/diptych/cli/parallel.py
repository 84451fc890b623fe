"""Several runs side by side: a process each, of one thread each, so that they do not disturb one another."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

THREADS = "OMP_NUM_THREADS"  # where torch reads how many threads it may take


def threads() -> int:
    """Threads of a run that has others beside it: as OMP_NUM_THREADS says, or one."""
    said = os.environ.get(THREADS, "")
    return int(said) if said.isdecimal() and int(said) else 1


def jobs_for(asked: int) -> int:
    """How many runs go side by side; 0 asks for as many as the cores have threads for. Raises ValueError below 0."""
    if asked < 0:
        raise ValueError(f"--jobs is a number of runs side by side, 0 for as many as there are cores; got {asked}")
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return asked or max(1, cores // threads())


def side_by_side(folders: Sequence[Path], jobs: int, flags: Sequence[str], say: Callable[[str], None]) -> list[Path]:
    """Finishes runs that were begun, `jobs` at a time, and returns those that failed.

    What a run says comes with its name before it. Interrupted, it lets every run write a checkpoint, then raises
    KeyboardInterrupt; interrupted again, it ends them at once.
    """
    crew = _Crew(flags, say)
    with ThreadPoolExecutor(jobs) as pool:
        codes = {folder: pool.submit(crew.finish, folder) for folder in folders}
        try:
            wait(codes.values())
        except KeyboardInterrupt:
            crew.stop(signal.SIGINT)
            try:
                wait(codes.values())
            except KeyboardInterrupt:
                crew.stop(signal.SIGKILL)
            raise KeyboardInterrupt("stopped, each run with a checkpoint of its last step") from None
    return [folder for folder, code in codes.items() if code.result()]


class _Crew:
    """Processes under way. After `stop` none begins."""

    def __init__(self, flags: Sequence[str], say: Callable[[str], None]):
        self.flags, self.say = flags, say
        self.busy, self.stopped, self.lock = set[subprocess.Popen[str]](), False, threading.Lock()

    def finish(self, folder: Path) -> int:
        """Finishes a run in a process of its own, which Ctrl-C does not reach; returns its exit code."""
        with self.lock:
            if self.stopped:
                return 0
            process = subprocess.Popen(
                [sys.executable, "-m", "diptych", "train", "--resume", str(folder), *self.flags],
                env={**os.environ, THREADS: str(threads())},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                errors="backslashreplace",
                start_new_session=True,
            )
            self.busy.add(process)
        assert process.stderr is not None
        with process, process.stderr:
            for line in process.stderr:
                self._tell(folder.name, line.rstrip())
        self.busy.discard(process)
        return process.returncode

    def _tell(self, name: str, line: str) -> None:
        asks = self.stopped and "--resume" in line  # each would say how to go on
        if line and not asks:
            self.say(line if line.startswith(f"{name} ") else f"{name}  {line}")

    def stop(self, number: int) -> None:
        with self.lock:
            self.stopped = True
            for process in [*self.busy]:
                process.send_signal(number)
