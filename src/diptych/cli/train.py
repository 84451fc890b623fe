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
from diptych.cli.kinds import unfit
from diptych.cli.progress import Live, note
from diptych.core import Machine, Recipe
from diptych.data.docstrings import corpus_of
from diptych.fitting import begin, fit
from diptych.fitting import resume as resume_run
from diptych.fitting import verify as verify_run
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
    force: bool = False
    """Replace a run that is there already."""
    json: bool = False
    """Print one JSON object on stdout, and nothing else there."""


HERE, THIS = Output(), Machine()
MANY = 1000  # seeds


def _command(function: Callable[..., Recipe]) -> Callable[..., None]:
    """A recipe as a command: its own arguments, and where and how to run it."""
    own = inspect.signature(function)

    def command(*args: Any, output: Output = HERE, machine: Machine = THIS, **kwargs: Any) -> None:
        call = own.bind(*args, **kwargs)
        settings = dict(call.arguments)
        settings |= settings.pop("settings", {})
        _train(function, settings, output, machine)

    flat = [Parameter(name="*")]
    extra = [
        inspect.Parameter("output", inspect.Parameter.KEYWORD_ONLY, default=HERE, annotation=Annotated[Output, *flat]),
        inspect.Parameter(
            "machine", inspect.Parameter.KEYWORD_ONLY, default=THIS, annotation=Annotated[Machine, *flat]
        ),
    ]
    parameters = [p.replace(annotation=str) if isinstance(p.annotation, str) else p for p in own.parameters.values()]
    last = [p for p in parameters if p.kind is inspect.Parameter.VAR_KEYWORD]
    parameters = [p for p in parameters if p not in last] + extra + last
    command.__signature__ = own.replace(parameters=parameters, return_annotation=None)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters}
    command.__doc__, command.__name__ = function.__doc__, function.__name__
    return command


NAMES = {recipe.__name__.replace("_", "-"): recipe for recipe in recipes.ALL}
for name, recipe in NAMES.items():
    app.command(_command(recipe), name=name)


def with_recipe(tokens: Sequence[str]) -> None:
    """Makes a command of a recipe named by its import path, `package.module:function`.

    Raises ValueError if the first word can be no recipe at all, or --resume or a run.toml have flags beside them.
    """
    name = tokens[0] if tokens else "-"
    flags = [token.partition("=")[0] for token in tokens if token.startswith("--")]
    if "--resume" in flags:
        beside = [name] if not name.startswith("-") else []
        known = {"--resume", "--verify", "--json"}
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
        app.command(_command(_imported(name)), name=name)


def _alone(given: Sequence[str], known: set[str], why: str) -> None:
    others = [flag for flag in given if flag not in known | {"--help", "--no-json", "--no-force", "--no-verify"}]
    if others:
        raise ValueError(f"{why}; leave {', '.join(others)} out (other settings make a new run: --init RUN)")


def _recorded(told: Mapping[str, Any], where: Path) -> tuple[Callable[..., Recipe], Mapping[str, Any], Machine]:
    """The recipe, its arguments and the machine of a run.toml. Raises ValueError for one that cannot be repeated."""
    function = _imported(told["recipe"])
    arguments = told.get("arguments", {})
    try:
        inspect.signature(function).bind(**arguments)
        machine = Machine(**told.get("machine", {}))
    except TypeError as error:
        raise ValueError(f"{where} cannot be repeated: {error}") from error
    if wrong := [*unfit(arguments, function), *unfit(vars(machine), Machine)]:
        raise ValueError(f"{where} cannot be repeated: {'; '.join(wrong)}")
    return function, arguments, machine


def _imported(path: str) -> Callable[..., Recipe]:
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
        function, arguments, machine = _recorded(told, call)
        _train(function, arguments, output, machine)


def _resume(folder: Path, output: Output) -> None:
    found = runs.find([folder])
    for run in found:
        if run.finished:
            note(f"{run.folder} is finished; nothing is left to do")
            continue
        function, arguments, _ = _recorded(run.call, run.folder / "run.toml")
        recipe = function(**arguments)
        with _resumable(folder):
            resume_run(recipe, run.folder, watch=Live(run.name), say=note)
    _tell(found, output.json)


def _verify(folder: Path, output: Output) -> None:
    told = []
    for run in runs.find([folder]):
        function, arguments, _ = _recorded(run.call, run.folder / "run.toml")
        recipe = function(**arguments)
        try:
            first, last = verify_run(recipe, run.folder, watch=Live(run.name), say=note)
        except KeyboardInterrupt:
            raise KeyboardInterrupt(f"stopped; nothing in {run.folder} was changed") from None
        told.append({"run": str(run.folder), "verified": [first, last]})
        if not output.json:
            print(f"verified: steps {first}..{last} again, same bytes  ({run.folder})")
    if output.json:
        print(jsonlib.dumps(told[0] if len(told) == 1 else {"runs": told}))


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
    calls: dict[Path, Mapping[str, Any]] = {out / f"seed-{n}": {**settings, "seed": n} for n in seeds}
    if calls and (out / "run.toml").exists():
        raise FileExistsError(f"{out} is a run, and --seeds makes a folder of runs; choose another --out")
    calls = calls or {out: settings}
    for folder in calls:
        runs.check_free(folder, output.force)
    said = _understood(function, settings)
    note(*said)
    ready = [function(**next(iter(calls.values())))]
    note(*(line for line in ready[0].notes if line not in said))
    for folder, arguments in calls.items():  # all of them, so that --resume finishes also those that come later
        begin(_for_seed(ready[0], arguments), folder, machine, force=output.force)
    made: list[runs.Run] = []
    with _resumable(out):
        for folder, arguments in calls.items():
            recipe = ready.pop() if ready else function(**arguments)
            made.append(fit(recipe, folder, machine, force=True, watch=Live(folder.name), say=note))
    _tell(made, output.json)


def _understood(function: Callable[..., Recipe], settings: Mapping[str, Any]) -> Sequence[str]:
    """What is understood of a corpus, before the work that takes long; a recipe of one's own reads what it likes."""
    own = "columns" in inspect.signature(function).parameters  # it reads rows of texts, not documents
    if function not in NAMES.values() or own or not isinstance(settings.get("corpus"), str):
        return []
    return corpus_of(settings["corpus"], settings.get("text_column"), settings.get("label_column")).notes


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
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise ValueError(f"--seeds takes up to {MANY:,} numbers, such as 0,1,2 or 0..4; got {text!r:.60}") from None


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
        print(f"\nmodel   {run.model}\nreport  {run.report}")
    corpus = made[0].call["arguments"].get("corpus", "CORPUS")
    print(legible(f"\nsearch it:  diptych search {quote(str(made[0].folder))} {quote(str(corpus))} 'your question'"))
