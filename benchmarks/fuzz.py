"""Hostile input: options, corpora, models and runs, through the entry of the command line, a process for all.

    python benchmarks/fuzz.py [--cases 2000] [--seed 0] [--only KIND] [--case N] [--limit 60] [--json]

A case is decided by the seed and its number. A fault is: an exit code other than 0, 1 or 2, a traceback, an
error that nobody foresaw, a hang, a process that dies, a result of --json that is not one object on one line,
or a document that is neither embedded nor counted. The exit code is 1 if there was a fault.

    options   a good call with options of every kind of value, good and bad
    words     words of the command line in any order
    corpus    files in every format, whole or damaged
    model     a damaged folder of a model
    run       a damaged folder of a run, finished or stopped: --resume, run.toml, compare, and use
    left      damaged rests of an earlier call: OUT.parts, and the cache
    every     every option with every value, in turn; only by --only
"""

import argparse
import json
import os
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from fuzz_cases import KINDS, Case, desk, drawn, every

MEMORY = 6 << 30  # bytes of addresses that a case may ask for beyond what is taken at the start
START = 300.0  # seconds in which a worker has to have laid its desk


class Hang(BaseException):
    """A case took too long."""


# ---------------------------------------------------------------- one case


@contextmanager
def held(number: int) -> Iterator[Any]:
    """While open, what is written to a file descriptor goes to a file."""
    stream = {1: sys.stdout, 2: sys.stderr}[number]
    stream.flush()
    with tempfile.TemporaryFile() as file, os.fdopen(os.dup(number), "wb") as before:
        os.dup2(file.fileno(), number)
        try:
            yield file
        finally:
            stream.flush()
            os.dup2(before.fileno(), number)


def carried_out(tokens: list[str], limit: float) -> tuple[int | str, str, str]:
    """Exit code (or what escaped), stdout and stderr of a command line."""
    from diptych import cli

    alarms = iter([None])

    def stop(*_: Any) -> None:
        for _ in alarms:  # the first: this process itself may have been stopped for a while
            signal.setitimer(signal.ITIMER_REAL, limit)
            return
        raise Hang(f"more than {limit:g} seconds")

    signal.signal(signal.SIGALRM, stop)
    code: int | str
    with held(1) as out, held(2) as err:
        try:
            signal.setitimer(signal.ITIMER_REAL, limit)
            code = cli.run(tokens)
        except BaseException as escaped:
            code = f"{type(escaped).__name__}: {escaped}"
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            sys.stdout.flush()
            sys.stderr.flush()
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode("utf-8", "replace"))
    return code, texts[0], texts[1]


def faults(case: Case, code: int | str, out: str, err: str) -> Iterator[str]:
    """What is wrong with the answer to a case."""
    if code not in (0, 1, 2):
        yield f"exit code {code}"
    if "Traceback" in err + out:
        yield "a traceback"
    if "fault of diptych" in err:
        yield "an error that nobody foresaw"
    if code in (1, 2) and len(err.strip()) < 12:
        yield "no reason"
    if "--json" not in case.tokens or code != 0 or {"--help", "-h", "--version"} & {*case.tokens}:
        return
    told = _object(out)
    if told is None:
        yield f"stdout is not one JSON object: {out[:80]!r}"
    elif case.documents is not None and told.get("documents", case.documents) != case.documents:
        yield f"{told['documents']} documents, not {case.documents}"


def _object(out: str) -> dict[str, Any] | None:
    def refuse(name: str) -> None:
        raise ValueError(name)

    try:
        told = json.loads(out, parse_constant=refuse)
    except ValueError:
        return None
    return told if isinstance(told, dict) and out.count("\n") == 1 else None


def attempt(args: argparse.Namespace, number: int, here: Path, cached: Path) -> Iterator[dict[str, Any]]:
    """One case on a copy of the desk, from which paths are relative: what it is, then what came of it."""
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(scratch) / "place"
        shutil.copytree(here, place)
        os.chdir(place)
        os.environ["DIPTYCH_CACHE"] = str(cached)
        kind, case = drawn(args.seed, number, args.only, place)
        os.environ["DIPTYCH_CACHE"] = str(case.cache or cached)
        told = {"number": number, "kind": kind, "call": ascii(shlex.join(case.tokens))[:400], "done": case.done}
        yield told
        start = time.monotonic()
        code, out, err = carried_out(case.tokens, args.limit)
        os.chdir(here)
    seconds, code = time.monotonic() - start, code if isinstance(code, int) else ascii(code)
    yield told | {"faults": [*faults(case, code, out, err)], "code": code, "seconds": seconds, "err": err[-1200:]}


# ---------------------------------------------------------------- a process that carries out many


def work(args: argparse.Namespace) -> None:
    """Carries out cases from args.worker on; a line of JSON before and after each."""
    sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    with tempfile.TemporaryDirectory() as scratch:
        here, cached = Path(scratch) / "desk", Path(scratch) / "cache"
        os.environ["DIPTYCH_CACHE"] = str(cached)
        with held(2):
            desk(here)
        resource.setrlimit(resource.RLIMIT_AS, (addresses() + MEMORY, resource.RLIM_INFINITY))
        for number in range(args.worker, args.cases):
            for told in attempt(args, number, here, cached):
                print(json.dumps(told), flush=True)
        os.chdir("/")


def addresses() -> int:
    """Bytes of addresses that this process has taken."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def results(args: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """What came of each case. A worker that dies, or says nothing for too long, is replaced."""
    number, own = args.worker, [arg for arg in sys.argv[1:] if arg != "--json"]
    while number < args.cases:
        call = [sys.executable, __file__, *own, "--cases", str(args.cases), "--worker", str(number)]
        told: dict[str, Any] = {}
        with subprocess.Popen(call, stdout=subprocess.PIPE, text=True) as worker:
            assert worker.stdout is not None
            patience = START
            while line := _in_time(worker, patience):
                told, patience = json.loads(line), 5 * args.limit  # code that is not Python does not hear the alarm
                if "code" in told:
                    number = told["number"] + 1
                    yield told
        if worker.returncode:
            if told.get("number") != number:
                raise SystemExit(f"a worker ended with {worker.returncode} before its first case")
            yield told | {"faults": [f"the process ended with {worker.returncode}"], "code": "died", "seconds": 0.0}
            number += 1


def _paused(pid: int) -> bool:
    """Whether a process was told to stop for a while."""
    with suppress(OSError):
        return "T (stopped)" in Path(f"/proc/{pid}/status").read_text()
    return False


def _in_time(worker: subprocess.Popen[str], patience: float) -> str:
    """The next line of a worker; it is killed if there is none for so long."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(patience):
            if not _paused(worker.pid):
                worker.kill()

    threading.Thread(target=watch, daemon=True).start()
    try:
        return worker.stdout.readline() if worker.stdout else ""
    finally:
        done.set()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=[*KINDS, "every"])
    parser.add_argument("--case", type=int, help="this one alone, with what it says")
    parser.add_argument("--limit", type=float, default=60.0, help="seconds of a case")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    os.environ |= {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    if args.worker is not None:
        work(args)
        return 0
    args.worker = args.case or 0
    many = len(every()) if args.only == "every" else 2000
    args.cases = args.case + 1 if args.case is not None else args.cases or many
    exits: Counter[str] = Counter()
    wrong, slowest, start = 0, 0.0, time.monotonic()
    for found in results(args):
        exits[f"{found['kind']} {found['code'] if isinstance(found['code'], int) else 'escaped'}"] += 1
        slowest, wrong = max(slowest, found["seconds"]), wrong + bool(found["faults"])
        if found["faults"] or args.case is not None:
            say(found)
    told = {"cases": sum(exits.values()), "faults": wrong, "exits": dict(sorted(exits.items()))}
    told |= {"slowest": round(slowest, 1), "seconds": round(time.monotonic() - start)}
    print(json.dumps(told) if args.json else "\n".join(f"{name:8} {x}" for name, x in told.items()))
    return int(wrong > 0)


def say(found: dict[str, Any]) -> None:
    print(f"case {found['number']} ({found['kind']}): {'; '.join(found['faults']) or 'fine'}", file=sys.stderr)
    print(f"  diptych {found['call']}   {found['done']}", file=sys.stderr)
    print(f"  {found['code']}: {found.get('err', '').strip()}\n", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
