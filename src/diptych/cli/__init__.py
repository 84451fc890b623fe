"""The command line. Each command lives in a file of its own and is imported when it is called."""

import io
import os
import re
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from cyclopts import App, CycloptsError

from diptych.cli.progress import speaks

app = App(
    name="diptych",
    help="Learn embeddings from two views of the same thing, without labels.",
    version="0.1.0",
    suppress_keyboard_interrupt=False,
)
for name, purpose in {
    "demo": "From the docstrings on this machine to an embedding model, in minutes.",
    "doctor": "Look at a recipe and its data before training.",
    "train": "Train an encoder by a recipe, without labels.",
    "evaluate": "Judge a model: on a corpus, by suites of tasks, or by mteb.",
    "analyse": "Look inside models: spectrum, ranks, and what each layer is like.",
    "compare": "Put runs side by side: a table and a page.",
    "cite": "Print BibTeX of what a run used.",
    "choose": "Rank snapshots of runs without labels.",
    "embed": "Turn a corpus into embeddings.",
    "mine": "Find hard negatives for pairs of texts.",
    "search": "Find the documents nearest to a query.",
}.items():
    app.command(f"diptych.cli.{name}:app", name=name, help=purpose)


def main() -> None:
    """The `diptych` command. Exit code 0: done; 1: it failed; 2: the call must change; 130: stopped."""
    for number in (signal.SIGINT, signal.SIGTERM):  # shells have the first ignored by what they begin in the background
        signal.signal(number, signal.default_int_handler)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a path may be no Unicode, a terminal may know little of it
    if not speaks():
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    sys.exit(run(sys.argv[1:]))


def run(tokens: Sequence[str]) -> int:
    """Carries out a command line and returns its exit code."""
    try:
        if tokens and tokens[0] in ("train", "doctor"):
            import_module(f"diptych.cli.{tokens[0]}").with_recipe(tokens[1:])
        return app(tokens, exit_on_error=False, print_error=False, result_action="return_value") or 0
    except CycloptsError as error:
        return _say(
            str(error),
            2,
            f"`diptych {' '.join(error.command_chain or [])}".rstrip() + " --help` lists the options",
        )
    except KeyboardInterrupt as error:
        return _say(str(error) or "stopped", 130)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except BaseException as error:
        panic = type(error).__name__ == "PanicException"  # of a library in Rust; it is no Exception
        if not (panic or isinstance(error, Exception)) or os.environ.get("DIPTYCH_DEBUG"):
            raise
        return _report(error)


def _report(error: BaseException) -> int:
    from diptych.core import DataError
    from diptych.data import cache
    from diptych.instruments.guard import CollapsedError
    from diptych.train.loop import DivergedError
    from diptych.train.processes import ProcessLostError

    if isinstance(error, OSError) and error.strerror and error.filename:
        code = 2 if isinstance(error, FileNotFoundError) else 1
        cached = Path(str(error.filename)).is_relative_to(cache.folder()) and "DIPTYCH_CACHE" not in error.strerror
        hint = "that is in the cache; DIPTYCH_CACHE names another folder for it" if cached else ""
        return _say(f"{error.filename}: {error.strerror}", code, hint)
    if isinstance(error, (DataError, OSError, ImportError, DivergedError, CollapsedError, ProcessLostError)):
        usage = isinstance(error, (FileNotFoundError, FileExistsError, NotADirectoryError, ConnectionError))
        return _say(str(error), 2 if usage else 1)
    if isinstance(error, ValueError):
        return _say(str(error), 2)
    if isinstance(error, MemoryError) or re.search(r"can't allocate memory|not enough memory", str(error)):
        said = str(error).partition("\n")[0] or "allocation failed"
        return _say(f"there is not enough memory for that: {said}", 1)
    if type(error).__name__ == "SafetensorError":  # also of a full disk
        return _say(f"a safetensors file cannot be read or written: {error}", 1)
    return _say(f"{type(error).__name__}: {error}", 1, "DIPTYCH_DEBUG=1 shows where; this is a fault of diptych")


def _say(message: str, code: int, hint: str = "") -> int:
    from diptych.report.snippet import legible

    print(legible(f"error: {message}" + (f"\n\nhint: {hint}" if hint else "")), file=sys.stderr)
    return code
