"""From a recipe to a finished run: train it, judge it, write it up."""

import dataclasses
import os
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from shlex import quote
from typing import Any

from diptych import citations, encoders, runs
from diptych.core import Call, DataError, Encoder, Instrument, Machine, Recipe, View
from diptych.embedding import fingerprint
from diptych.encoders.folder import locate
from diptych.encoders.language import LanguageHead
from diptych.instruments.cosines import Cosines
from diptych.instruments.geometry import Geometry
from diptych.instruments.guard import Guard, Watchfulness
from diptych.instruments.rank import Rank, bounded
from diptych.instruments.saving import Saving, save
from diptych.instruments.weights import Weights
from diptych.judging import write_up
from diptych.plural import counted
from diptych.runs import REPLACED, Run, whole, writing
from diptych.train import memory, precision, processes
from diptych.train.loop import Watch, train
from diptych.train.replay import replay

SAME = ("views", "objective", "settings", "batch", "steps", "base")  # what a resumed run shares with its beginning


def _silent(*lines: str) -> None:
    return None


def _unwatched(metrics: Any) -> None:
    return None


def fit(
    recipe: Recipe,
    out: str | Path,
    machine: Machine = Machine(),  # noqa: B008
    *,
    force: bool = False,
    beside: Mapping[str, Encoder] | None = None,
    judged: bool = True,
    snapshots: int = 0,
    guard: Watchfulness = "warn",
    watch: Watch = _unwatched,
    say: Callable[..., None] = _silent,
) -> Run:
    """Carries out a recipe and leaves a run folder: model, metrics, scores and a report.

    `beside` are encoders to be judged with it, by name. Without `judged` the folder ends with the model.
    `snapshots` is about how many times the encoder is saved on the way, evenly spaced, the last at the end.
    With `guard` what goes wrong is said, or a collapse stops the run. Raises FileExistsError if `out` holds
    something (`force` replaces a run), Interrupted when stopped by a signal (`resume` goes on), DivergedError when
    the loss is no number, CollapsedError when the guard stops it, ValueError when the two views of a sample are
    identical.
    """
    run = begin(recipe, out, machine, force=force, snapshots=snapshots)
    return _carry_out(recipe, run, machine, (beside or {}) if judged else None, guard, watch, say)


def begin(
    recipe: Recipe,
    out: str | Path,
    machine: Machine = Machine(),  # noqa: B008
    *,
    force: bool = False,
    snapshots: int = 0,
) -> Run:
    """Makes a run's folder with its `run.toml`: from there on `resume` finishes it.

    Raises FileExistsError if `out` holds something (`force` replaces a run).
    """
    if snapshots < 0 or (snapshots and machine.shard):
        why = "; the weights are divided among processes: leave --shard out" if snapshots > 0 else ""
        raise ValueError(f"snapshots are 0 or more{why}; got {snapshots}")
    call, world = recipe.call or Call("made by hand", {}), processes.world()
    world.wait()  # until all have seen that the place is free
    if world.first:
        facts = _facts(recipe, machine) | ({"snapshots": snapshots} if snapshots else {})
        runs.begin(Path(out), call, facts, dataclasses.asdict(machine), force)
    world.wait()
    return Run(Path(out))


def _facts(recipe: Recipe, machine: Machine) -> dict[str, Any]:
    where = precision.device(machine.device)
    numbers = precision.resolve(machine.precision, where)
    return {
        "fingerprint": recipe.data.fingerprint,
        "documents_fingerprint": getattr(recipe.documents, "fingerprint", ""),
        "seed": recipe.seed,
        "batch": recipe.batch,
        "steps": recipe.steps,
        "objective": type(recipe.objective).__name__,
        "settings": _settings(recipe),
        "paper": recipe.objective.paper,
        "aim": recipe.objective.aim,
        "source": citations.source(recipe.call.function) if recipe.call else "",
        "documents": len(recipe.data),
        "parameters": sum(p.numel() for p in recipe.model.encoder.parameters()),
        "trained": sum(p.numel() for p in recipe.model.encoder.parameters() if p.requires_grad),
        "ran_on": f"{counted(os.cpu_count() or 1, 'core')}, {where.type}, {numbers}",
        "notes": list(recipe.notes),
        "views": [_told(view) for view in recipe.views],
        "papers": [vars(use) for use in citations.of_recipe(recipe)],
        **_base(recipe.model.encoder),
    }


def _base(encoder: Encoder) -> dict[str, str]:
    """The fingerprint of the network that an adapter is for: no checkpoint has its weights."""
    named = getattr(encoder, "base", None) if encoder.fixed else None
    return {"base": fingerprint(locate(named, offline=True))} if named else {}


def _settings(recipe: Recipe) -> dict[str, Any]:
    """What defaults came to."""
    optimiser = {k: x for k, x in dataclasses.asdict(recipe.optimiser).items() if x not in (None, {}, "linear")}
    told = recipe.objective.told
    chosen = {k: x for k in ("negatives", "hard_weight") if (x := told(k)) not in ("all", 1)}
    found = {**optimiser, **chosen, "temperature": told("temperature"), "dim": recipe.model.encoder.dim}
    return {k: list(x) if isinstance(x, tuple) else x for k, x in found.items() if x is not None}


def _told(view: View) -> dict[str, str]:
    """A view row in words."""
    transform = view.transform
    made = repr(transform) if dataclasses.is_dataclass(transform) else getattr(transform, "__name__", "")
    row = {"role": view.role, "column": view.column, "transform": "" if made == "unchanged" else made}
    return row | {"perturb": repr(view.perturb) if view.perturb else "", "by": view.by}


def resume(
    recipe: Recipe,
    out: str | Path,
    *,
    judged: bool = True,
    guard: Watchfulness = "warn",
    watch: Watch = _unwatched,
    say: Callable[..., None] = _silent,
) -> Run:
    """Finishes a run that was stopped, given its recipe made anew, on the machine settings it began with.

    Without `judged` the folder ends with the model, as in `fit`. Raises ValueError if the recipe's data are not those
    the run began with, BlockingIOError if another process is writing the run, DataError if it has checkpoints but none
    can be read.
    """
    run = Run(Path(out))
    return _carry_out(recipe, run, _begun(recipe, run), {} if judged else None, guard, watch, say)


def verify(
    recipe: Recipe, out: str | Path, *, watch: Watch = _unwatched, say: Callable[..., None] = _silent
) -> tuple[int, int]:
    """Takes a run's last steps again and returns the first and the last of them; changes nothing in the run.

    They are the steps between its two newest checkpoints, or with one checkpoint all of them. Raises DataError
    if they end in other bytes than the newest checkpoint, or these cannot be read; else what `resume` raises.
    """
    run = Run(Path(out))
    with runs.held(run.folder, reading=True) if processes.world().first else nullcontext():
        done = replay(recipe, run.folder, _begun(recipe, run), _instruments(recipe), watch, say)
    if done.difference:
        raise DataError(
            f"{run.folder}: steps {done.first}..{done.last} again end in other bytes than its newest checkpoint: "
            f"{done.difference}; was it made on this machine, with these versions, threads and processes?"
        )
    return done.first, done.last


def _instruments(recipe: Recipe, *guards: Instrument) -> list[Instrument]:
    """What looks at every run. Made while the model is at its start."""
    ranks = [Rank.of(recipe)] if len(recipe.data) > 1 else []
    return [Geometry(), Cosines(), *ranks, Weights.of(recipe), *recipe.instruments, *guards]


def _guards(recipe: Recipe, how: Watchfulness, say: Callable[..., None]) -> list[Instrument]:
    return [] if how == "off" else [Guard.of(recipe, say, stop=how == "stop")]


def _saving(recipe: Recipe, run: Run) -> list[Instrument]:
    """What saves as many snapshots as the run began with."""
    many = run.call.get("snapshots", 0)
    return [Saving(run.snapshots, -(-recipe.steps // many), _heads(recipe))] if many else []


def _heads(recipe: Recipe) -> list[LanguageHead]:
    """Heads for language that learn within the objective, where the model has none that is saved."""
    return [part for part in recipe.objective.modules() if isinstance(part, LanguageHead) and not recipe.model.language]


def _begun(recipe: Recipe, run: Run) -> Machine:
    """The machine settings that a run began with. Raises ValueError if it began with another recipe or other data."""
    told = run.call
    if told.get("fingerprint") != recipe.data.fingerprint:
        raise ValueError(
            f"the data of {run.folder} have changed since it began; start a new run from its weights: "
            f"--init {quote(str(run.start))}, or from its call: `diptych train {quote(str(run.folder / 'run.toml'))} "
            "--out NEW`"
        )
    machine = Machine(**told.get("machine", {}))
    facts = _facts(recipe, machine)
    differing = [name for name in SAME if facts.get(name) != told.get(name)]
    if differing:
        raise ValueError(
            f"{run.folder} was begun with other {', '.join(differing)} than its run.toml makes now; "
            f"start a new run from its weights: --init {quote(str(run.start))}"
        )
    return machine


def _carry_out(
    recipe: Recipe,
    run: Run,
    machine: Machine,
    beside: Mapping[str, Encoder] | None,
    guard: Watchfulness,
    watch: Watch,
    say: Callable[..., None],
) -> Run:
    world = processes.world()
    with runs.held(run.folder) if world.first else nullcontext():
        world.wait()  # until the first has the run to itself
        if world.first:
            runs.sweep(run)
            if (run.folder / REPLACED).is_dir():
                say(f"the earlier run is kept in {run.folder / REPLACED} until this one has a model")
            if not run.start.is_dir():
                with whole(run.start) as part:
                    recipe.model.encoder.save(part)
        if not run.learned:
            _learn(recipe, run, machine, world, guard, watch, say)
        if world.first:
            runs.settle(run)
        world.wait()
        if beside is not None and not run.finished and (recipe.documents is not None or _given(recipe)):
            if why := _unread(recipe, run):
                say(f"no scores and no pages: {why}")
            else:
                say("judging ...")
                say(*write_up(run, recipe, beside))
        world.wait()
        return run


def _learn(
    recipe: Recipe,
    run: Run,
    machine: Machine,
    world: processes.World,
    guard: Watchfulness,
    watch: Watch,
    say: Callable[..., None],
) -> None:
    if world.size > 1:
        say(f"{world.size} processes share each step's {recipe.batch} samples; every one is compared with all of them")
        if machine.shard:
            say("weights, gradients and the optimiser's state are divided among them (FSDP2)")
    if machine.recompute and not recipe.model.encoder.recomputes:
        say("--recompute changes nothing: this network computes no block again")
    if world.first and not machine.shard:
        there = memory.free(precision.device(machine.device))
        for line in memory.told(memory.need(recipe, machine, world), there, machine):
            say(line)
    say(*bounded(recipe))
    with writing(run.folder):
        looking = _instruments(recipe, *_guards(recipe, guard, say), *_saving(recipe, run))
        train(recipe, run.folder, machine, looking, watch, say)
    if world.first:
        with whole(run.model) as part:
            save(recipe.model, part, _heads(recipe))


def _unread(recipe: Recipe, run: Run) -> str | None:
    """Why `diptych.load` cannot read the model of an encoder of one's own; None if it can."""
    if type(recipe.model.encoder).__module__.startswith("diptych."):
        return None
    try:
        encoders.kind(run.model)
    except ValueError as error:
        return str(error)
    return None


def _given(recipe: Recipe) -> bool:
    """Whether views are given by columns of data other than a text: there are then no documents to judge on."""
    return any(view.column != "text" for view in recipe.views)
