"""Cases for `fuzz.py`: what there is before it is damaged, and command lines over it, decided by a generator."""

import csv
import gzip
import json
import os
import shutil
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, get_args

import damage

SMALL = {"--dim": "8", "--vocabulary": "60", "--steps": "2", "--batch": "8"}
TOPICS = ("The harbour was full of sails. A tide came in.", "Flour and water make a dough. The oven is hot.")


@dataclass
class Case:
    """A command line, what was done to its files, and the documents it must embed, where that is known."""

    tokens: list[str]
    done: str = ""
    documents: int | None = None
    cache: Path | None = None


# ---------------------------------------------------------------- what is there before it is damaged


def desk(folder: Path) -> None:
    """Corpora, a finished and a stopped run, runs of two seeds, and models, in a folder."""
    from diptych import cli, fit, read, recipes
    from diptych.cli import demo
    from diptych.core import Machine
    from diptych.data.vocabulary import train
    from diptych.encoders.tiny import tiny

    folder.mkdir()
    os.chdir(folder)
    rows = [{"text": f"{TOPICS[i % 2]} Note {i}. And {i * i} more.", "label": "ab"[i % 2], "n": i} for i in range(24)]
    Path("docs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    Path("docs.txt").write_text("\n".join(str(row["text"]) for row in rows))
    settings: Any = {"dim": 8, "vocabulary": 60, "batch": 8, "steps": 3}
    fit(recipes.crop("docs.jsonl", **settings), "run")
    for seed in (0, 1):
        fit(recipes.crop("docs.jsonl", seed=seed, **settings), f"seeds/seed-{seed}")

    def stop(metrics: Any) -> None:
        if metrics["step"] == 2:
            raise KeyboardInterrupt

    with suppress(KeyboardInterrupt):
        fit(recipes.crop("docs.jsonl", **settings), "stopped", Machine(checkpoint=0), watch=stop)
    shutil.copytree("run/model", "static")
    tiny(train([str(row["text"]) for row in rows], 60), layers=1, width=16, heads=2, max_tokens=32).save(
        Path("network")
    )
    demo.NAME, demo.docstrings = str(folder / "docs.jsonl"), lambda: read(demo.NAME)  # in place of this machine's
    with refused_files():
        assert cli.run(["embed", "run", "docs.jsonl", "--out", "v.jsonl"]) == 1


@contextmanager
def refused_files() -> Iterator[None]:
    """While open, an embedding stops before its files are written, and leaves its parts."""
    from diptych import embedding

    def refused(*args: Any) -> None:
        raise OSError("stopped")

    write, embedding._write = embedding._write, refused  # type: ignore[assignment]
    try:
        yield
    finally:
        embedding._write = write


# ---------------------------------------------------------------- calls


MODELS = ["run", "run/model", "static", "network", "stopped", "docs.jsonl", "nowhere", "no/where", ".", "", "~nobody"]
CORPORA = ["docs.jsonl", "docs.txt", "run", "nowhere.csv", "no/where", ".", "", "~nobody/x", "x.zip"]
CORPORA += ["<Documents of Python: x>", "s3://nowhere/x.jsonl", "file:///nowhere", "http://[", "memory://x", "*.jsonl"]
CALLS: dict[str, dict[str, str]] = {
    "train crop": {"--corpus": "docs.jsonl", "--out": "new", **SMALL},
    "train dropout": {"--corpus": "docs.jsonl", "--out": "new", **SMALL},
    "train": {"--resume": "stopped"},
    "evaluate": {"--model": "run", "--corpus": "docs.jsonl"},
    "compare": {"--run": "run", "--out": "new.html"},
    "embed": {"--model": "run", "--corpus": "docs.jsonl", "--out": "new.npy"},
    "search": {"--model": "run", "--corpus": "docs.jsonl", "--query": "tide"},
    "demo": {"--out": "new"},
}
LONG = {"--steps": ["0", "1", "3", "-1"], "--epochs": ["0", "1e-300", "0.5", "nan", "inf", "-1"]}  # else for ever
LONG["--seeds"] = ["0,1", "0..1", "3", "1..0", "..", "0,,1", "-1..0", "0,0", "a", "", "9" * 30, "0..99999999999"]
PATHS = [
    "new",
    "run",
    "stopped",
    "docs.jsonl",
    "docs.jsonl/x",
    ".",
    "..",
    "/",
    "/dev/null",
    "/dev/null/x",
    "",
    "x" * 300,
]
PATHS += [
    "new.html",
    "new.npy",
    "new.parquet",
    "new.jsonl",
    "a/b/new.npy",
    "run/run.toml",
    "\udcff.npy",
    "<b>.html",
    "~",
]
NUMBERS = ["0", "1", "2", "-1", "7", "1e3", "1.5", "-0.0", "nan", "inf", "-inf", "1e-300", "1e300", "0x10", "1_0", "٣"]
NUMBERS += [str(10**12), str(2**63), str(2**64), "9" * 400, "9" * 5000, "", " ", "x", "none", "true"]
WORDS = [
    "",
    " ",
    "text",
    "label",
    "n",
    "static",
    "tiny",
    "network",
    "run",
    "x" * 5000,
    "\udcff\udc80",
    "a\nb",
    "--",
    "-",
    "*",
]
WORDS += [
    "<script>alert(1)</script>",
    "%s {0} {{7*7}}",
    "]]>",
    "\N{GRINNING FACE}",
    "cpu",
    "cuda:9",
    "meta",
    "mps",
    "knn",
]
RECIPES = [
    "nope",
    "crops",
    "a:",
    ":b",
    ":",
    "json:nope",
    "nope:nope",
    "math:pi",
    "a.b:c",
    "run",
    "run/run.toml",
    "..:x",
    "crop",
]


@cache
def flags(command: str) -> dict[str, Any]:
    """The flags of a command with their types."""
    from diptych.cli import app

    for name in command.split():
        app = app[name]
    told = {name: each.hint for each in app.assemble_argument_collection() for name in each.names}
    return {name: hint for name, hint in told.items() if name.startswith("--")}


def values(flag: str, hint: Any) -> list[str]:
    """Values for an option, good and bad."""
    if flag in LONG:
        return LONG[flag]
    if flag in ("--model", "--init", "--encoder", "--resume", "--run"):
        return MODELS
    if flag in ("--corpus", "--call"):
        return CORPORA
    kinds = {hint, *get_args(hint)}
    if Path in kinds:
        return PATHS
    if kinds & {int, float}:
        return NUMBERS
    return [*WORDS, *(x for kind in kinds for x in (kind, *get_args(kind)) if isinstance(x, str))]


def is_switch(hint: Any) -> bool:
    return bool in {hint, *get_args(hint)}


@cache
def every() -> list[list[str]]:
    """Every option of every command with every value; the rest of the call is good."""
    found = []
    for command, call in CALLS.items():
        for flag, hint in flags(command).items():
            for value in ["x"] if is_switch(hint) else values(flag, hint):
                pairs = {**call, flag: value}.items()
                found.append([*command.split(), *(token for pair in pairs for token in pair)])
    return found


def call(random: Random, command: str, **fixed: str) -> list[str]:
    """The tokens of a good call with other values for some flags."""
    told = CALLS[command] | {f"--{name}": x for name, x in fixed.items()}
    tokens = [token for pair in told.items() for token in pair]
    return [*command.split(), *tokens, *random.choice([[], ["--json"]])]


def options(random: Random, place: Path) -> Case:
    command = random.choice([name for name in CALLS if name != "demo"] * 6 + ["demo"])
    told: dict[str, str | None] = {**CALLS[command]}
    for flag, hint in random.choices([*flags(command).items()], k=random.choice([1, 1, 2, 3])):
        if is_switch(hint):
            told[flag] = random.choice([None, None, None, "x"])
        else:
            told[flag] = random.choice(values(flag, hint))
    if random.random() < 0.05:
        del told[random.choice([*told])]
    tokens = [f"{flag}={x}" if x is not None and random.random() < 0.5 else (flag, x) for flag, x in told.items()]
    flat = [x for token in tokens for x in ([token] if isinstance(token, str) else token) if x is not None]
    return Case([*command.split(), *flat])


def words(random: Random, place: Path) -> Case:
    known = [*CALLS, *RECIPES, *MODELS, *CORPORA, *NUMBERS, *WORDS, "--help", "--version", "-h", "--json", "--nope"]
    known += [flag for command in ("train crop", "embed", "search", "compare") for flag in flags(command)]
    start = random.choice([[], ["train"], ["train"], ["embed"], ["search"], ["compare"], ["evaluate"]])
    tokens = [*start, *random.choices([word for word in known if word != "demo"], k=random.randrange(6))]
    if tokens[:1] == ["train"] and not {"--steps", "--resume"} & {*tokens}:
        tokens += ["--steps", "1", "--dim", "4"]
    return Case(tokens)


# ---------------------------------------------------------------- corpora


PIECES = [
    "a tide",
    "Flour. Water. ",
    "\n",
    '"',
    ",",
    ";",
    "\t",
    "\r",
    "\ufeff",
    "\x1c",
    "é",
    "\N{GRINNING FACE}",
    "<script>",
    " ",
]


def rows(random: Random) -> list[str | None]:
    def text() -> str:
        return "".join(random.choices(PIECES, k=random.choice([0, 1, 5, 20, 400])))

    return [None if random.random() < 0.1 else text() for _ in range(random.choice([1, 2, 9, 30]))]


def write(path: Path, texts: list[str | None]) -> None:
    table = [{"text": text, "label": "ab"[i % 2]} for i, text in enumerate(texts)]
    if path.suffix == ".parquet":
        import pyarrow as pa
        import pyarrow.parquet as pq

        pq.write_table(pa.Table.from_pylist(table, pa.schema([("text", pa.string()), ("label", pa.string())])), path)
    elif path.suffix in (".csv", ".tsv"):
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(file, ["text", "label"], delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(table)
    elif path.suffix in (".txt", ".md"):
        lines = [" ".join(text.split()) for text in texts if text and text.strip()]
        path.write_text("\n".join(lines), encoding="utf-8-sig")
    elif path.suffix == ".json":
        path.write_text(json.dumps(table))
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in table))


def corpus(random: Random, place: Path) -> Case:
    """A file or a folder of them; half are damaged, and of the others every document is to be embedded."""
    name = random.choice(["a", "<b>", "\N{GRINNING FACE}", "a b", "%s"])
    ending = random.choice([".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet", ".txt", ".md"])
    path, texts = place / f"{name}{ending}", rows(random)
    write(path, texts)
    done, full = ending, sum(bool(text and text.strip()) for text in texts)
    whole = random.random() < 0.5
    if not whole:
        done = damage.file(random, path)
    if path.is_file() and random.random() < 0.3:
        packed = gzip.compress(path.read_bytes(), 1)
        path.unlink()
        path = path.with_name(f"{path.name}.gz")
        path.write_bytes(packed if whole or random.random() < 0.5 else damage.raw(random, packed))
    if random.random() < 0.2 and ending not in (".txt", ".md"):
        (place / "folder" / "in").mkdir(parents=True)
        if path.exists():
            path = path.rename(place / "folder" / "in" / path.name)
        path = place / "folder"
    command = random.choice(["embed", "embed", "search", "evaluate", "train crop"])
    tokens = call(random, command, corpus=str(path))
    return Case(tokens, done, full if whole and full else None)


# ---------------------------------------------------------------- models, runs, rests


def damaged(random: Random, folder: Path) -> str:
    """Damages one or two files of a folder; says how."""
    done = []
    for _ in range(random.choice([1, 1, 1, 2])):
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        done += [damage.file(random, random.choice(files))] if files else []
    return ", ".join(done)


def model(random: Random, place: Path) -> Case:
    shutil.copytree(random.choice(["static", "network", "network"]), "hurt")
    done = damaged(random, place / "hurt")
    command = random.choice(["embed", "search", "evaluate", "train crop"])
    if command != "train crop":
        return Case(call(random, command, model="hurt"), done)
    return Case(["train", "crop", "--corpus", "docs.jsonl", "--init", "hurt", "--steps", "1", "--out", "new"], done)


def run(random: Random, place: Path) -> Case:
    source = random.choice(["run", "stopped", "stopped", "seeds"])
    shutil.copytree(source, "hurt")
    done = damaged(random, place / "hurt")
    if random.random() < 0.3:
        (place / "hurt" / "model").is_dir() and shutil.rmtree(place / "hurt" / "model")
    tokens = {
        "resume": ["train", "--resume", "hurt"],
        "again": ["train", "hurt/run.toml", "--out", "new"],
        "compare": ["compare", "hurt", "run"],
        "evaluate": call(random, "evaluate", model="hurt"),
        "search": call(random, "search", model="hurt"),
    }
    kind = random.choice(["resume", "resume", "again", "compare", "compare", "evaluate", "search"])
    kind = "compare" if kind == "again" and endless(place / "hurt" / "run.toml") else kind
    more = ["--json"] if kind in ("resume", "again", "compare") and random.random() < 0.5 else []
    return Case([*tokens[kind], *more], f"{source}: {done}")


def endless(call: Path) -> bool:
    """Whether a run.toml asks for more steps than a case has time for."""
    with suppress(OSError, ValueError, TypeError, KeyError):
        return bool(tomllib.loads(call.read_text())["arguments"]["steps"] > 200)
    return False


def left(random: Random, place: Path) -> Case:
    if random.random() < 0.5:
        done = damaged(random, place / "v.jsonl.parts")
        return Case(call(random, "embed", out="v.jsonl"), done)
    shutil.copytree(os.environ["DIPTYCH_CACHE"], "cache")
    done = damaged(random, place / "cache")
    return Case(call(random, random.choice(["search", "embed", "train crop"])), done, cache=place / "cache")


KINDS: dict[str, Callable[[Random, Path], Case]] = {
    "options": options,
    "words": words,
    "corpus": corpus,
    "model": model,
    "run": run,
    "left": left,
}
WEIGHTS = [6, 2, 4, 4, 4, 1]


def drawn(seed: int, number: int, only: str | None, place: Path) -> tuple[str, Case]:
    """The kind of a case, and the case; its files are in `place`, the folder that this process is in."""
    if only == "every":
        return only, Case(every()[number])
    random = Random(f"{seed} {number}")
    kind = only or random.choices([*KINDS], WEIGHTS)[0]
    return kind, KINDS[kind](random, place)
