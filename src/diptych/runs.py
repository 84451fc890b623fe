"""A run is a folder on disk.

run.toml        the call, its seed, versions, commit and the data's fingerprint
start/          the weights it started from
checkpoints/    what it would need to go on
metrics.jsonl   a line per logged step
snapshots/      what it was after so many steps, where that is asked for
model/          what it learned, as a sentence-transformers folder
scores.json     how good that is, beside the start and TF-IDF
evidence/       some documents, and their embeddings before and after
report.html     all of it, as a page
replaced/       the run that this one takes the place of, until it has a model
"""

import errno
import json
import os
import re
import shutil
import subprocess
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

try:
    import fcntl
except ImportError:  # Windows: runs are not locked there
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from diptych.core import Call

REPLACED = "replaced"
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # what a full disk says
VERSIONED = ("diptych", "torch", "transformers", "tokenizers", "numpy", "scikit-learn", "sentencex")


@dataclass(frozen=True)
class Run:
    """A run folder. What it holds so far can be asked; what it does not hold is None or empty."""

    folder: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def start(self) -> Path:
        return self.folder / "start"

    @property
    def snapshots(self) -> Path:
        return self.folder / "snapshots"

    @property
    def evidence(self) -> Path:
        return self.folder / "evidence"

    @property
    def report(self) -> Path:
        return self.folder / "report.html"

    @property
    def call(self) -> dict[str, Any]:
        """What `run.toml` says. Raises ValueError if there is none, or it is no TOML."""
        return read_call(self.folder / "run.toml")

    @property
    def learned(self) -> bool:
        """Whether training came to its end (the model is written last, whole)."""
        return self.model.is_dir()

    @property
    def finished(self) -> bool:
        """Whether nothing is left to do: trained, judged and written up."""
        return self.learned and self.report.is_file()

    @property
    def metrics(self) -> list[dict[str, Any]]:
        """The lines of `metrics.jsonl`. Raises DataError for one that is damaged."""
        path = self.folder / "metrics.jsonl"
        lines = path.read_bytes().splitlines() if path.exists() else []
        return [_object(f"{path}, line {number},", line) for number, line in enumerate(lines, 1)]

    @property
    def scores(self) -> dict[str, Any] | None:
        """What `scores.json` says. Raises DataError if it is damaged."""
        path = self.folder / "scores.json"
        return _scores(path, _object(str(path), path.read_bytes())) if path.exists() else None


def _object(where: str, text: bytes) -> dict[str, Any]:
    from diptych.core import DataError

    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is damaged, it is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise DataError(f"{where} is damaged: a JSON object is due, like {{...}}")
    return found


def _scores(path: Path, found: dict[str, Any]) -> dict[str, Any]:
    from diptych.core import DataError

    for name in ("scores", "errors", "paired"):
        table = found.get(name, {})
        if not isinstance(table, dict) or not all(row is None or isinstance(row, dict) for row in table.values()):
            raise DataError(f"{path} is damaged: {name!r} is no table of rows and metrics")
    try:
        json.dumps(found, allow_nan=False)
    except ValueError as error:
        raise DataError(f"{path} is damaged: it holds what is no number") from error
    return found


def read_call(path: Path) -> dict[str, Any]:
    """A `run.toml`. Raises FileNotFoundError, or ValueError saying what is wrong with it."""
    if path.name == "run.toml" and path.parent.is_dir() and not path.exists():
        raise ValueError(f"{path.parent} is no run: it holds no run.toml (`diptych train` makes runs)")
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        call = tomllib.loads(path.read_text())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no TOML: {error}") from error
    if not isinstance(call.get("recipe"), str):
        example = "recipe = 'diptych.recipes.crop:crop'"
        raise ValueError(f"{path} names no recipe: it needs a line such as {example}")
    return call


def check_free(folder: Path, force: bool = False) -> None:
    """Raises FileExistsError if there is something at `folder` that a new run would overwrite.

    With `force` a run may be there, but nothing else.
    """
    run = Run(folder)
    if folder.exists() and not folder.is_dir():
        raise FileExistsError(f"{folder} is a file; a run is a folder: choose another --out")
    if folder.exists() and any(folder.iterdir()):
        if not (folder / "run.toml").is_file():
            raise FileExistsError(f"{folder} is no run, so nothing in it is touched; choose another --out")
        if not force:
            remedy = "" if run.finished else f"; `diptych train --resume {quote(str(folder))}` finishes it"
            raise FileExistsError(f"{folder} holds a run already; --force replaces it{remedy}")


def begin(folder: Path, call: "Call", facts: Mapping[str, Any], machine: Mapping[str, Any], force: bool = False) -> Run:
    """Makes a run folder with its `run.toml`, in place of an earlier run if `force`.

    `facts` are what the call came to: the data's fingerprint, the view rows, the objective. An earlier
    run that has more than that is kept in `replaced/` until `settle`. Killed at any moment, this leaves the
    earlier run or the new one, at worst in a folder beside, NAME.*.new.
    Raises FileExistsError as `check_free` does, BlockingIOError if another process is writing the earlier run,
    OSError if the folder cannot be written.
    """
    import tomli_w

    check_free(folder, force)
    told = {k: _plain(k, x) for k, x in call.arguments.items() if x is not None}
    written = {
        "recipe": call.function,
        "commit": _commit() or "",
        **facts,
        "arguments": told,
        "machine": {k: x for k, x in machine.items() if x is not None},
        "versions": {name: found for name in VERSIONED if (found := _version(name))},
    }
    text = tomli_w.dumps(written)
    with held(folder) if (folder / "run.toml").is_file() else nullcontext():
        if folder.exists() and {path.name for path in folder.iterdir()} - {"run.toml", REPLACED}:
            _replace(folder.resolve(), text)
        else:
            try:
                _write(folder / "run.toml", text, new=not force)
            except FileExistsError:  # since it was found free
                raise FileExistsError(f"another process has just begun {folder}; choose another --out") from None
    return Run(folder)


def _replace(place: Path, text: str) -> None:
    """A new run takes the place of another, and holds it."""
    new = place.with_name(f"{place.name}.{os.getpid()}.new")
    held = new / REPLACED
    try:
        _write(new / "run.toml", text)
        with writing(place):
            os.replace(place, held)
            os.replace(new, place)
    except BaseException:
        if held.is_dir():
            os.replace(held, place)
        shutil.rmtree(new, ignore_errors=True)
        raise


@contextmanager
def held(folder: Path, *, reading: bool = False, name: str = "run.toml") -> Iterator[None]:
    """While open, no other process writes the run, or `reading`, may begin to.

    The lock is one on the file called `name`, and the system releases it when the process ends, however that
    happens. Where the system or the disk has no locks, there is none. Raises BlockingIOError if another process
    has it, OSError if the run cannot be written.
    """
    path, busy = folder / name, "is being written by another process; wait for its end, or choose another --out"
    if fcntl is None:
        yield
        return
    with ExitStack() as stack:
        replaced = True
        while replaced:  # between opening and locking
            with writing(path):
                file = stack.enter_context(path.open("rb" if reading else "rb+"))
            try:
                fcntl.flock(file, (fcntl.LOCK_SH if reading else fcntl.LOCK_EX) | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise BlockingIOError(error.errno, busy, str(folder)) from error
            except OSError:
                break
            replaced = not (path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat()))
        yield


def settle(run: Run) -> None:
    """Removes the run that this one took the place of."""
    shutil.rmtree(run.folder / REPLACED, ignore_errors=True)


def _plain(name: str, x: Any) -> Any:
    """A value as TOML can hold it; a file or folder is named in full, to be found from anywhere."""
    if isinstance(x, bool | int | float):
        return x
    if isinstance(x, tuple | list):
        return [_plain(name, each) for each in x]
    a_path = isinstance(x, str | Path) and (name in ("corpus", "init", "evaluate") or os.sep in str(x))
    return str(Path(x).resolve()) if a_path and Path(x).exists() else str(x)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit of the code, if it runs from a checkout."""
    here = Path(__file__).parent
    try:
        if not (here.parents[1] / ".git").exists():
            return None
        asked = subprocess.run(["git", "-C", str(here), "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return asked.stdout.strip() or None


@contextmanager
def whole(path: Path, new: bool = False) -> Iterator[Path]:
    """A place to write a file or a folder that appears under `path` only when it is complete.

    Raises OSError as `writing` does, and FileExistsError for a file that is to be `new` and is there when it is done.
    """
    with writing(path):
        if not path.parent.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
        scratch = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    try:
        part = scratch / path.name
        with writing(path):
            yield part
            if part.is_dir() and path.exists():
                os.replace(path, scratch / ".earlier")
            if new:
                os.link(part, path)
            else:
                os.replace(part, path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Lets an error of the disk name `path` and say what to do; one that names a file elsewhere is left as it is.

    A full disk is told without its place, by an OSError or, from safetensors and tokenizers, any Exception.
    """
    try:
        yield
    except Exception as error:
        told = None if isinstance(error, ValueError) else re.search(r"\(os error (\d+)\)", str(error))
        number, named = getattr(error, "errno", None) or (told and int(told[1])), getattr(error, "filename", None)
        here = named and (path.is_relative_to(str(named)) or f".{path.name}." in str(named))
        if number is None or not (here if named else told or number in FULL):
            raise
        remedy = "free space there, or choose another place" if number in FULL else "choose another place"
        raise OSError(number, f"cannot be written ({os.strerror(number)}); {remedy}", str(path)) from error


def sweep(run: Run) -> None:
    """Removes what a process that was killed had half written."""
    for left in [*run.folder.glob(".*"), *run.snapshots.glob(".*")]:
        shutil.rmtree(left, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    _write(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def _write(path: Path, text: str, new: bool = False) -> None:
    with whole(path, new) as part:
        part.write_text(text)


def find(paths: Sequence[Path]) -> list[Run]:
    """The runs at the given paths; a folder of runs (`seed-0`, `seed-1`, ...) stands for all of them.

    Raises FileNotFoundError for a path that is not there, ValueError for one where there is no run.
    """
    runs: list[Run] = []
    for path in paths:
        if not path.exists():
            raise FileNotFoundError(f"there is no run {path}")
        found = [path] if (path / "run.toml").is_file() else sorted(p.parent for p in path.glob("*/run.toml"))
        if not found:
            raise ValueError(f"{path} is no run and holds none: no run.toml in it or one level below")
        runs += map(Run, found)
    return runs


def changed(runs: Sequence[Run], fingerprint: str) -> list[str]:
    """A line for every run that learned from other documents than those with this fingerprint."""
    return [
        f"{run.folder} was trained on other documents: its corpus has changed since"
        for run in runs
        if run.call.get("documents_fingerprint", "") not in ("", fingerprint)
    ]


def started_from(model: Path) -> Path | None:
    """The weights that a model, or the run it is in, started from; None if that is not known."""
    model = model.expanduser().resolve()
    for folder in (model, model.parent):
        if (folder / "run.toml").is_file() and (folder / "start").is_dir():
            return folder / "start"
    return None
