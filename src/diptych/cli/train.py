"""`diptych train`: a recipe's flags are its arguments, and their help is its docstring."""

import importlib
import inspect
import json as jsonlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from pathlib import Path
from shlex import quote
from typing import Annotated, Any

from cyclopts import App, Parameter

from diptych import recipes, runs
from diptych.cli import sweep
from diptych.cli.described import described
from diptych.cli.kinds import hints, unfit
from diptych.cli.parallel import jobs_for, side_by_side, threads
from diptych.cli.progress import Live, note
from diptych.core import Machine, Recipe
from diptych.data.docstrings import corpus_of
from diptych.data.documents import Documents
from diptych.fitting import begin, fit
from diptych.fitting import resume as resume_run
from diptych.fitting import verify as verify_run
from diptych.instruments.guard import Watchfulness
from diptych.plural import counted
from diptych.report.snippet import legible
from diptych.report.table import table, turned
from diptych.train import precision, processes

app = App(name="train", help="Train an encoder by a recipe, without labels.")


@dataclass(frozen=True)
class Output:
    """Where a run goes."""

    out: Path | None = None
    """Folder of the run (runs/RECIPE-CORPUS, if not given)."""
    seeds: str | None = None
    """Several seeds, as 0,1,2 or 0..4: a run each, in OUT/seed-0, OUT/seed-1, ..."""
    sweep: tuple[str, ...] = ()
    """Several values of an option, as perturb_layer=none,0..6 (none does without it): a run each, with every seed."""
    jobs: int = 1
    """Runs of --seeds and --sweep that go side by side, a process of one thread each; 0 is as many as there are
    cores."""
    force: bool = False
    """Replace a run that is there already."""
    snapshots: int = 0
    """Save the encoder about so many times on the way, evenly spaced, to `diptych choose` among; the last at the
    end."""
    json: bool = False
    """Print one JSON object on stdout, and nothing else there."""
    guard: Watchfulness = "warn"
    """What to do where embeddings collapse: warn, stop the run, or do not look (off). Other trouble is only told."""


HERE, THIS = Output(), Machine()
MANY = 1000  # seeds


def command_of(function: Callable[..., Recipe], do: Callable[..., Any], output: Any) -> Callable[..., Any]:
    """A recipe as a command: its own arguments, where the result goes (of the kind of `output`), and the machine.

    The command calls `do` with the function, its arguments, and these two.
    """
    own = inspect.signature(function)

    def command(*args: Any, output: Any = output, machine: Machine = THIS, **kwargs: Any) -> Any:
        call = own.bind(*args, **kwargs)
        settings = dict(call.arguments)
        settings |= settings.pop("settings", {})
        return do(function, settings, output, machine)

    flat, beside = [Parameter(name="*")], {"output": output, "machine": THIS}
    extra = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=x, annotation=Annotated[type(x), *flat])
        for name, x in beside.items()
    ]
    parameters = [p.replace(annotation=str) if isinstance(p.annotation, str) else p for p in own.parameters.values()]
    last = [described(p) for p in parameters if p.kind is inspect.Parameter.VAR_KEYWORD]
    parameters = [p for p in parameters if p.kind is not inspect.Parameter.VAR_KEYWORD] + extra + last
    command.__signature__ = own.replace(parameters=parameters, return_annotation=None)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__doc__, command.__name__ = function.__doc__, function.__name__
    return command


NAMES = {recipe.__name__.replace("_", "-"): recipe for recipe in recipes.ALL}


def with_recipe(tokens: Sequence[str]) -> None:
    """Makes a command of a recipe named by its import path, `package.module:function`.

    Raises ValueError if the first word can be no recipe at all, or --resume or a run.toml have flags beside them.
    """
    name = tokens[0] if tokens else "-"
    flags = [token.partition("=")[0] for token in tokens if token.startswith("--")]
    if "--resume" in flags:
        beside = [name] if not name.startswith("-") else []
        known = {"--resume", "--verify", "--json", "--guard", "--jobs"}
        _alone([*beside, *flags], known, "--resume finishes a run with the settings it began with")
    elif name.endswith(".toml"):
        _alone(flags, {f"--{each.name}" for each in fields(Output)}, f"{name} is repeated with its own settings")
    if name.startswith("-") or name.endswith(".toml") or name in NAMES:
        return
    if ":" not in name:
        near = get_close_matches(name, NAMES, 1)
        nearest = f"; did you mean {near[0]!r}?" if near else ""
        if Path(name).is_dir():
            nearest = f"; to finish the run {name}: --resume {name}, to repeat it: {name}/run.toml"
        raise ValueError(f"no recipe is called {name!r}; there are {', '.join(NAMES)}{nearest}")
    if name not in app:
        app.command(command_of(imported(name), _train, HERE), name=name)


def _alone(given: Sequence[str], known: set[str], why: str) -> None:
    others = [flag for flag in given if flag not in known | {"--help", "--no-json", "--no-force", "--no-verify"}]
    if others:
        raise ValueError(f"{why}; leave {', '.join(others)} out (other settings make a new run: --init RUN)")


def recorded(told: Mapping[str, Any], where: Path) -> tuple[Callable[..., Recipe], Mapping[str, Any], Machine]:
    """The recipe, its arguments and the machine of a run.toml. Raises ValueError for one that cannot be repeated."""
    function = imported(told["recipe"])
    arguments = told.get("arguments", {})
    try:
        inspect.signature(function).bind(**arguments)
        machine = Machine(**told.get("machine", {}))
    except TypeError as error:
        raise ValueError(f"{where} cannot be repeated: {error}") from error
    if wrong := [*unfit(arguments, function), *unfit(vars(machine), Machine)]:
        raise ValueError(f"{where} cannot be repeated: {'; '.join(wrong)}")
    return function, arguments, machine


def imported(path: str) -> Callable[..., Recipe]:
    module, _, name = path.partition(":")
    sys.path.insert(0, str(Path.cwd()))
    try:
        found = getattr(importlib.import_module(module), name)
    except Exception as error:
        raise ValueError(f"{path} is no recipe that can be imported (from here, or installed): {error}") from error
    finally:
        sys.path.pop(0)
    if not (inspect.isfunction(found) or getattr(found, "is_recipe", False)):
        raise ValueError(f"{path} is no recipe (a function that returns one), so it is not called")
    return found


@app.default
def again(
    call: Path | None = None,
    *,
    resume: Path | None = None,
    verify: bool = False,
    output: Annotated[Output, Parameter(name="*")] = HERE,
) -> None:
    """Repeat a run from its run.toml, finish one that was stopped, or verify one.

    Parameters
    ----------
    call
        A run.toml: the same call, started anew in --out.
    resume
        A run folder: go on where it stopped.
    verify
        With --resume: take the run's last steps again, elsewhere, and compare the bytes. The run stays as it is.
    """
    if (call is None) == (resume is None):
        raise ValueError(f"train needs a recipe ({', '.join(NAMES)}), a run.toml, or --resume RUN")
    if verify and resume is None:
        raise ValueError("--verify takes the last steps of a run again: `diptych train --resume RUN --verify`")
    if resume is not None and verify:
        _verify(resume, output)
    elif resume is not None:
        _resume(resume, output)
    elif call is not None:
        told = runs.read_call(call)
        if output.out is None:
            raise ValueError(f"--out is needed: a folder for the new run of {call}")
        function, arguments, machine = recorded(told, call)
        _train(function, arguments, replace(output, snapshots=output.snapshots or told.get("snapshots", 0)), machine)


def _resume(folder: Path, output: Output) -> None:
    found = runs.find([folder])
    note(*_alone_of(output, len(found)))
    if _jobs(output, len(found)) > 1:
        for run in found:
            recorded(run.call, run.folder / "run.toml")
        _side_by_side(folder, found, output)
        return
    for run in found:
        if run.finished:
            note(f"{run.folder} is finished; nothing is left to do")
            continue
        function, arguments, _ = recorded(run.call, run.folder / "run.toml")
        recipe = function(**arguments)
        with _resumable(folder):
            resume_run(recipe, run.folder, guard=output.guard, watch=_live(run.name, recipe), say=note)
    _tell(found, output.json)


def _verify(folder: Path, output: Output) -> None:
    told = []
    for run in runs.find([folder]):
        function, arguments, _ = recorded(run.call, run.folder / "run.toml")
        recipe = function(**arguments)
        try:
            first, last = verify_run(recipe, run.folder, watch=_live(run.name, recipe), say=note)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"stopped; nothing in {run.folder} was changed") from None
        told.append({"run": str(run.folder), "verified": [first, last]})
        if not output.json:
            print(f"verified: steps {first}..{last} again, same bytes  ({run.folder})")
    if output.json:
        print(jsonlib.dumps(told[0] if len(told) == 1 else {"runs": told}))


def _live(title: str, recipe: Recipe) -> Live:
    """Pictures and graphs are counted as such, texts in tokens."""
    noun = getattr(recipe.documents, "noun", None)
    return Live(title, samples=(f"{noun}s", recipe.batch) if noun else None)


@contextmanager
def _resumable(out: Path) -> Iterator[None]:
    """Says how to go on with what was stopped."""
    try:
        yield
    except KeyboardInterrupt as error:
        stopped = str(error).partition(";")[0] or "stopped"
        raise KeyboardInterrupt(f"{stopped}; `diptych train --resume {quote(str(out))}` goes on") from error


def _train(function: Callable[..., Recipe], settings: Mapping[str, Any], output: Output, machine: Machine) -> None:
    out = Path(processes.world().told(str(output.out or _default_out(function, settings))))
    seeds = _seeds(output.seeds)
    precision.device(machine.device)
    if seeds and "seed" in settings:
        raise ValueError(f"--seed {settings['seed']} and --seeds {output.seeds} say the same thing; give one of them")
    many = sweep.calls(function, settings, seeds, output.sweep)
    calls = {out / name: arguments for name, arguments in many.items()}
    if "" not in many and (out / "run.toml").exists():
        raise FileExistsError(f"{out} is a run, and --seeds and --sweep make a folder of runs; choose another --out")
    jobs = _jobs(output, len(calls))
    note(*_alone_of(output, len(calls)))
    for folder in calls:
        runs.check_free(folder, output.force)
    said = documents.notes if (documents := documents_of(function, settings)) else []
    note(*said)
    ready = [function(**next(iter(calls.values())))]
    note(*(line for line in ready[0].notes if line not in said))
    for arguments in [*calls.values()][1:] if output.sweep else ():
        function(**arguments)  # one that cannot be is refused before any is begun
    for number, (folder, arguments) in enumerate(calls.items()):  # all, so that --resume finishes those that come later
        recipe = function(**arguments) if output.sweep and number else _for_seed(ready[0], arguments)
        begin(recipe, folder, machine, force=output.force, snapshots=output.snapshots)
    made: list[runs.Run] = []
    if jobs > 1:
        ready.clear()
        _side_by_side(out, [runs.Run(folder) for folder in calls], output)
        return
    with _resumable(out):
        for folder, arguments in calls.items():
            recipe = ready.pop() if ready else function(**arguments)
            also: dict[str, Any] = {"force": True, "snapshots": output.snapshots, "guard": output.guard}
            made.append(fit(recipe, folder, machine, **also, watch=_live(folder.name, recipe), say=note))
    _tell(made, output.json)


def _jobs(output: Output, many: int) -> int:
    """How many runs go side by side. Raises ValueError if that is no number, or one run has processes of its own."""
    jobs = min(jobs_for(output.jobs), many)
    if jobs > 1 and processes.world().size > 1:
        raise ValueError("--jobs makes runs side by side, torchrun makes one run in several processes; choose one")
    return jobs


def _alone_of(output: Output, many: int) -> list[str]:
    """What is to be known of --jobs where there is one run."""
    if output.jobs == 1 or many != 1:
        return []
    return [f"--jobs {output.jobs} changes nothing: it puts runs of --seeds and --sweep side by side, and this is one"]


def _side_by_side(out: Path, found: Sequence[runs.Run], output: Output) -> None:
    """Finishes runs that were begun, several at a time. Raises ChildProcessError naming those that failed."""
    left = [run.folder for run in found if not run.finished]
    jobs, each = max(1, _jobs(output, len(left))), threads()
    note(f"{counted(len(left), 'run')} to finish, {jobs} side by side, {counted(each, 'thread')} each")
    with _resumable(out):
        failed = side_by_side(left, jobs, ["--guard", output.guard], note)
    ended = [run for run in found if run.folder not in failed]
    if ended:
        _tell(ended, output.json)
    if failed:
        raise ChildProcessError(
            f"{len(failed)} of {counted(len(found), 'run')} failed: {', '.join(map(str, failed))}; what is "
            f"said above tells why, and `diptych train --resume {quote(str(out))}` tries again"
        )


def documents_of(function: Callable[..., Recipe], settings: Mapping[str, Any]) -> Documents | None:
    """The documents that a recipe will read, before the work that takes long; one of one's own reads what it likes."""
    asked = hints(function)  # recipes of rows of texts, of pictures or of graphs read no documents
    own = asked.keys() & {"columns", "image_column", "conv"}
    if function not in NAMES.values() or own or not isinstance(settings.get("corpus"), str):
        return None
    return corpus_of(settings["corpus"], settings.get("text_column"), settings.get("label_column"))


def _for_seed(recipe: Recipe, arguments: Mapping[str, Any]) -> Recipe:
    """The recipe as it will be with the seed of these arguments, as far as its folder tells."""
    if recipe.call is None or "seed" not in arguments:
        return recipe
    call = replace(recipe.call, arguments={**recipe.call.arguments, "seed": arguments["seed"]})
    return replace(recipe, seed=arguments["seed"], call=call)


def _default_out(function: Callable[..., Recipe], settings: Mapping[str, Any]) -> Path:
    """runs/RECIPE-CORPUS, with a number where that is taken."""
    stem = Path(str(settings.get("corpus", "data")).rstrip("/")).name.split(".")[0]
    base = Path("runs") / f"{function.__name__}-{stem}"
    number = 2
    out = base
    while out.exists():
        out, number = base.with_name(f"{base.name}-{number}"), number + 1
    return out


def _seeds(text: str | None) -> list[int]:
    """ "0,1,2" or "0..4" as numbers. Raises ValueError for anything else."""
    if text is None:
        return []
    try:
        if ".." in text:
            first, last = (int(part) for part in text.split(".."))
            if not first <= last < first + MANY:
                raise ValueError
            return list(range(first, last + 1))
        found = [int(part) for part in text.split(",")]
        if len({*found}) < len(found):
            raise ValueError
        return found
    except ValueError:
        given = f"such as 0,1,2 or 0..4; got {text!r:.60}"
        raise ValueError(f"--seeds takes up to {MANY:,} different numbers, {given}") from None


def _tell(made: Sequence[runs.Run], json: bool) -> None:
    """The result: a JSON object on stdout, or a table and what to do next."""
    if json:
        told = [{"run": str(run.folder), "model": str(run.model), **(run.scores or {})} for run in made]
        print(jsonlib.dumps(told[0] if len(told) == 1 else {"runs": told}))
        return
    for run in made:
        scores = run.scores or {}
        told = scores.get("scores", {})
        print(turned(told) if "results" in scores else table(told, scores.get("errors", {})))
        print(f"\nmodel   {run.model}" + (f"\nreport  {run.report}" if run.finished else ""))
    if not made[0].finished:
        return  # its model is of a kind that no command reads
    corpus = made[0].call["arguments"].get("corpus", "CORPUS")
    columns = {view["column"] for view in made[0].call.get("views", [])}
    if "graph" in columns:
        print(legible(f"\njudge it:  diptych evaluate {quote(str(made[0].folder))} {quote(str(corpus))}"))
        return
    asked = "picture.png" if "image" in columns else "'your question'"
    print(legible(f"\nsearch it:  diptych search {quote(str(made[0].folder))} {quote(str(corpus))} {asked}"))


for name, recipe in NAMES.items():
    app.command(command_of(recipe, _train, HERE), name=name)
