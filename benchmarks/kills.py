"""SIGKILL at random moments: what was killed is resumed, and must end in the bytes of what was not.

    python benchmarks/kills.py [--kills 100] [--seed 0] [--steps 150] [--folder FOLDER] [--json]

A case is a call of the command line, `train` (with its cache, or without, so that the token store is built) or
`embed`, in a process of its own that is forked from this one and killed at a moment drawn uniformly over the time
that the call takes. Then it is resumed: `train --resume RUN`, or the same call again where there is no run yet; a
third of these calls are killed as well. Compared are start/, model/, the newest checkpoint and metrics.jsonl
without its clocks, or the file of embeddings. A call that ended before its moment is no kill. The exit code is 1
if anything differed or failed.
"""

import argparse
import importlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

os.environ.setdefault("OMP_NUM_THREADS", "1")
NEEDED = (
    "cli.train",
    "cli.embed",
    "cli.evaluate",
    "fitting",
    "recipes",
    "encoders",
    "encoders.static",
    "report.written",
)
TOPICS = ("The harbour was full of sails. A tide came in.", "Flour and water make a dough. The oven is hot.")
KINDS = ("train", "train", "train without a cache", "embed")
PATIENCE = 300.0  # seconds that a call may take


class Call:
    """A command line in a process of its own, with a cache of its own."""

    def __init__(self, tokens: list[str], cache: Path):
        self.tokens, self.began, self.log = tokens, time.monotonic(), cache.with_suffix(".log")
        self.process = os.fork()
        if not self.process:
            self._carry_out(cache)

    def _carry_out(self, cache: Path) -> None:
        code = 70
        try:
            for stream in (1, 2):
                os.dup2(os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644), stream)
            os.environ["DIPTYCH_CACHE"] = str(cache)
            from diptych.cli import run

            code = run(self.tokens)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def end(self, after: float = PATIENCE) -> bool:
        """Whether it came to its end within that many seconds; else it is killed. Raises RuntimeError if it failed."""
        while time.monotonic() - self.began < after:
            ended, status = os.waitpid(self.process, os.WNOHANG)
            if ended:
                if status:
                    raise RuntimeError(f"diptych {' '.join(self.tokens)}: {status}\n{self.log.read_text()}")
                return True
            time.sleep(0.0005)
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        return False

    def seconds(self) -> float:
        """How long it takes, unkilled."""
        if not self.end():
            raise RuntimeError(f"diptych {' '.join(self.tokens)} hangs")
        return time.monotonic() - self.began


class Case:
    """A run or a file of embeddings, in a folder of its own."""

    def __init__(self, kind: str, folder: Path, desk: Path, steps: int):
        self.kind, self.cache, self.out = kind, folder / "cache", folder / ("v.jsonl" if kind == "embed" else "run")
        corpus = str(desk / "docs.jsonl")
        make = ["--corpus", corpus, "--dim", "32", "--vocabulary", "300", "--batch", "16", "--checkpoint", "0"]
        self.call = ["train", "crop", *make, "--steps", str(steps), "--out", str(self.out)]
        if kind == "embed":
            self.call = ["embed", str(desk / "first" / "run"), corpus, "--out", str(self.out)]
        folder.mkdir()
        if kind == "train":
            shutil.copytree(desk / "first" / "cache", self.cache)

    def start(self) -> Call:
        """The call, or what takes it up where it was killed."""
        begun = self.kind != "embed" and (self.out / "run.toml").exists()
        return Call(["train", "--resume", str(self.out)] if begun else self.call, self.cache)

    def where(self) -> str:
        """How far it has come, by what is there."""
        if self.kind == "embed":
            parts = self.out.with_name(f"{self.out.name}.parts")
            return "embed: at its end" if self.out.exists() else "embed: parts" if parts.exists() else "embed: before"
        checkpoints, stages = self.out / "checkpoints", {
            "at its end": self.out / "report.html", "judging": self.out / "model",
        }  # fmt: skip
        for name, path in stages.items():
            if path.exists():
                return name
        if checkpoints.is_dir():
            return "writing a checkpoint" if any(checkpoints.glob("*.part")) else "steps"
        if (self.out / "run.toml").exists():
            return "writing start/" if not (self.out / "start").exists() else "before the first checkpoint"
        half = next(self.cache.glob("*/.new-*"), None)
        return f"building {half.parent.name} of the cache" if half else "before the run"

    def left(self) -> dict[str, bytes | list[object]]:
        """What it leaves, by name."""
        from diptych.train.loop import WALL_CLOCK
        from diptych.train.state import checkpoints

        if self.kind == "embed":
            return {path.name: path.read_bytes() for path in self.out.parent.glob(f"{self.out.name}*")}
        lines = [json.loads(line) for line in (self.out / "metrics.jsonl").read_text().splitlines()]
        files = [path for part in ("start", "model") for path in (self.out / part).rglob("*") if path.is_file()]
        files += checkpoints(self.out / "checkpoints")[-1:]
        told: dict[str, bytes | list[object]] = {str(path.relative_to(self.out)): path.read_bytes() for path in files}
        hidden = [str(path) for path in self.out.glob(".*")]
        return told | {
            "metrics": [{k: x for k, x in line.items() if k not in WALL_CLOCK} for line in lines],
            "": [*hidden],
        }


def differing(a: dict, b: dict) -> list[str]:
    return sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))


def desk(folder: Path, documents: int) -> None:
    """A corpus of that many documents."""
    random = Random(0)
    words = [word for topic in TOPICS for word in topic.replace(".", "").lower().split()]
    with (folder / "docs.jsonl").open("w") as file:
        for i in range(documents):
            text = " ".join(f"{' '.join(random.choices(words, k=8))}." for _ in range(4))
            file.write(json.dumps({"text": f"{TOPICS[i % 2]} {text} Note {i}.", "label": "ab"[i % 2]}) + "\n")


def kill(case: Case, random: Random, seconds: float) -> list[str]:
    """Kills a case, and what resumes it now and then, until it is finished; says where each kill hit."""
    hits: list[str] = []
    while not hits or random.random() < 1 / 3:
        if case.start().end(random.uniform(0, seconds)):
            return hits
        hits.append(case.where())
    case.start().seconds()
    return hits


def main() -> int:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--kills", type=int, default=100)
    asked.add_argument("--seed", type=int, default=0)
    asked.add_argument("--steps", type=int, default=150)
    asked.add_argument("--documents", type=int, default=400)
    asked.add_argument("--kinds", default=",".join(KINDS), help="of train, train without a cache, embed")
    asked.add_argument("--folder", type=Path, help="keep all runs here (a temporary folder, if not given)")
    asked.add_argument("--json", action="store_true")
    given = asked.parse_args()
    for name in NEEDED:
        importlib.import_module(f"diptych.{name}")
    began, hits, wrong = time.monotonic(), Counter[str](), []
    with tempfile.TemporaryDirectory(prefix="kills-") as scratch:
        folder = (given.folder or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        desk(folder, given.documents)
        whole, seconds = {}, {}
        for kind, name in {"train without a cache": "first", "train": "second", "embed": "third"}.items():
            case = Case(kind, folder / name, folder, given.steps)
            seconds[kind], whole[kind] = case.start().seconds(), case.left()
        wrong += [f"two unkilled runs: {name}" for name in differing(whole["train"], whole["train without a cache"])]
        number = 0
        while hits.total() < given.kills:
            random, number = Random(f"{given.seed} {number}"), number + 1
            case = Case(random.choice(given.kinds.split(",")), folder / str(number), folder, given.steps)
            try:
                hit = kill(case, random, seconds[case.kind])
                wrong += [f"case {number}, {case.kind}, {hit}: {x}" for x in differing(whole[case.kind], case.left())]
            except (RuntimeError, OSError, ValueError) as error:
                hit = [case.where()]
                wrong.append(f"case {number}, {case.kind}: {error}")
            hits.update(hit)
            print(f"{hits.total():4} kills  case {number}, {case.kind}: {', '.join(hit) or 'ended'}", file=sys.stderr)
            if given.folder is None:
                shutil.rmtree(folder / str(number))
    told = {"kills": hits.total(), "cases": number, "wrong": wrong, "where": dict(hits.most_common())}
    told |= {"seconds": round(time.monotonic() - began), "call": {k: round(x, 2) for k, x in seconds.items()}}
    if given.json:
        print(json.dumps(told))
    else:
        print("\n".join([*(f"{n:4}  {name}" for name, n in hits.most_common()), f"{len(wrong)} wrong", *wrong]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
