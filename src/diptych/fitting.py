"""From a recipe to a finished run: train it, judge it, write it up."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from diptych import encoders, runs
from diptych.core import Call, Encoder, Machine, Recipe
from diptych.instruments.geometry import Geometry
from diptych.runs import Run, whole
from diptych.train.loop import Watch, train


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
    watch: Watch = _unwatched,
    say: Callable[..., None] = _silent,
) -> Run:
    """Carries out a recipe and leaves a run folder: model, metrics, scores and a report.

    Raises FileExistsError if `out` holds something (`force` replaces a run), Interrupted when stopped
    by a signal (`resume` goes on), DivergedError when the loss is no number, ValueError when the two
    views of a sample are identical.
    """
    call = recipe.call or Call(f"{type(recipe).__module__}:made by hand", {})
    run = runs.begin(Path(out), call, recipe.data.fingerprint, dataclasses.asdict(machine), force)
    return _carry_out(recipe, run, machine, watch, say)


def resume(
    recipe: Recipe, out: str | Path, *, watch: Watch = _unwatched, say: Callable[..., None] = _silent
) -> Run:
    """Finishes a run that was stopped, given its recipe made anew, on the machine settings it began with.

    Raises ValueError if the recipe's data are not those the run began with.
    """
    run = Run(Path(out))
    told = run.call
    if told["fingerprint"] != recipe.data.fingerprint:
        raise ValueError(
            f"the data of {run.folder} have changed since it began; start a new run from its weights: "
            f"--init {run.start}, or from its call: `diptych train {run.folder / 'run.toml'} --out NEW`"
        )
    return _carry_out(recipe, run, Machine(**told.get("machine", {})), watch, say)


def _carry_out(recipe: Recipe, run: Run, machine: Machine, watch: Watch, say: Callable[..., None]) -> Run:
    if not run.start.is_dir():
        with whole(run.start) as part:
            recipe.model.encoder.save(part)
    if run.learned:
        encoder: Encoder = encoders.load(run.model)
    else:
        train(recipe, run.folder, machine, [Geometry()], watch)
        encoder = recipe.model.encoder.to(torch.device("cpu"))
        with whole(run.model) as part:
            encoder.save(part)
    if not run.finished and recipe.documents is not None:
        say("judging it ...")
        write_up(run, recipe, encoder)
    return run
