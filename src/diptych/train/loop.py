"""The loop: a recipe, carried out step by step, and resumed where it was left."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

import torch

from diptych.core import Instrument, Machine, Recipe, Snapshot, Views
from diptych.train import optim, precision, state
from diptych.train.batches import ahead, epoch_steps
from diptych.train.step import backward, follow

WALL_CLOCK = ("seconds", "tokens_per_second")  # the fields of metrics.jsonl that differ between equal runs
LINES = 200  # of metrics.jsonl, about

Watch = Callable[[Mapping[str, Any]], None]


class Interrupted(KeyboardInterrupt):
    """The run was stopped by a signal; a checkpoint of its last whole step has been written."""


class DivergedError(RuntimeError):
    """The loss is no number any more."""


def train(
    recipe: Recipe,
    folder: Path,
    machine: Machine = Machine(),  # noqa: B008
    instruments: Sequence[Instrument] = (),
    watch: Watch = lambda metrics: None,
) -> None:
    """Trains `recipe.model`, from the newest checkpoint in `folder` if there is one.

    Writes `folder/checkpoints/` and `folder/metrics.jsonl`. A run that was stopped at any moment and
    taken up again ends in the same bytes as one that was not, on the same machine and thread count;
    in `metrics.jsonl` the fields of `WALL_CLOCK` differ. Raises Interrupted after SIGINT or SIGTERM,
    DivergedError when the loss is not finite.
    """
    where = precision.device(machine.device)
    cast = precision.cast(precision.resolve(machine.precision, where), where)
    torch.manual_seed(recipe.seed)
    model, objective = recipe.model.to(where).train(), recipe.objective.to(where)
    teacher = deepcopy(model).requires_grad_(False) if recipe.teacher else None
    optimiser = optim.build(recipe.optimiser, model, objective)
    learned = [p for group in optimiser.param_groups for p in group["params"]]

    modules = {"model": model, "objective": objective} | ({"teacher": teacher} if teacher else {})
    step, spent = state.load(folder / "checkpoints", modules, optimiser)
    spent = {"tokens": 0, "computed": 0, "seconds": 0.0} | spent
    every = max(1, recipe.steps // LINES)
    start = saved = time.monotonic()

    def save() -> None:
        seconds = spent["seconds"] + time.monotonic() - start
        state.save(folder / "checkpoints", step, modules, optimiser, spent | {"seconds": seconds})

    threads = model.encoder.threads or torch.get_num_threads()
    with _stoppable() as stop, _metrics(folder / "metrics.jsonl", step) as log, _threads(threads):
        for work in ahead(recipe, machine, step):
            rate = optim.schedule(recipe.optimiser, step, recipe.steps, epoch_steps(recipe))
            for group in optimiser.param_groups:
                group["lr"] = group["peak"] * rate
            optimiser.zero_grad()
            terms, views = backward(
                model, objective, recipe.views, work.to(where), teacher, graph=machine.graph, cast=cast
            )
            logged = (step + 1) % every == 0 or step + 1 == recipe.steps
            norm = _norm(learned, recipe.optimiser.clip) if logged or recipe.optimiser.clip else 0.0
            optimiser.step()
            if teacher and recipe.teacher:
                follow(teacher, model, recipe.teacher.momentum)
            if step == 0:
                _told_apart(views)
            step += 1
            spent["tokens"] += work.tokens
            spent["computed"] += work.computed

            if logged:
                terms["loss"] = torch.stack(list(terms.values())).sum()
                seen = {k: x for see in instruments for k, x in see(Snapshot(step, model, views)).items()}
                seconds = spent["seconds"] + time.monotonic() - start
                metrics = _measured(recipe, step, terms, {"rate": rate, "gradient_norm": norm, **seen}, spent, seconds)
                log(metrics)
                watch(metrics)
            if stop.is_set() or step == recipe.steps or time.monotonic() - saved >= machine.checkpoint:
                save()
                saved = time.monotonic()
            if stop.is_set() and step < recipe.steps:
                raise Interrupted(
                    f"stopped after step {step} of {recipe.steps}; `diptych train --resume {folder}` goes on"
                )
    model.eval()


def _measured(
    recipe: Recipe,
    step: int,
    terms: Mapping[str, torch.Tensor],
    seen: Mapping[str, Any],
    spent: Mapping[str, float],
    seconds: float,
) -> dict[str, Any]:
    """A line of metrics.jsonl. Raises DivergedError if the loss is no number."""
    if not torch.isfinite(terms["loss"]):
        raise DivergedError(
            f"the loss is {float(terms['loss'])} at step {step}: the learning rate ({recipe.optimiser.lr:g}) is "
            "likely too high; try a third of it"
        )
    return {
        "step": step,
        "steps": recipe.steps,
        "epoch": round(step / epoch_steps(recipe), 4),
        **{name: float(term) for name, term in terms.items()},
        **{name: float(x) for name, x in seen.items()},
        "tokens": spent["tokens"],
        "padding": round(spent["computed"] / max(1, spent["tokens"]), 4),
        "seconds": round(seconds, 3),
        "tokens_per_second": round(spent["tokens"] / max(1e-9, seconds)),
    }


def _told_apart(views: Views) -> None:
    """Raises ValueError if the first two views of every sample are the same: there is nothing to learn."""
    seen = [encoded.projection for role in views.values() for encoded in role][:2]
    if len(seen) == 2 and torch.equal(*seen):
        raise ValueError(
            "the two views of every sample are identical: their rows change nothing, and the encoder has no dropout; "
            "crop the text (`diptych train crop`), or perturb a layer"
        )


def _norm(parameters: list[torch.nn.Parameter], clip: float | None) -> torch.Tensor:
    """The norm of the whole gradient, which is cut to `clip` if there is one."""
    return torch.nn.utils.clip_grad_norm_(parameters, clip or float("inf"))


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """While open, torch computes on that many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _stoppable() -> Iterator[threading.Event]:
    """While open, SIGINT and SIGTERM ask for a stop after the current step; a second one stops at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def ask(number: int, frame: Any) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _metrics(path: Path, step: int) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Appends lines to `path`, after those up to `step`; what came later will come again."""
    kept = [line for line in _lines(path) if line["step"] <= step]
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text("".join(json.dumps(line) + "\n" for line in kept))
    os.replace(part, path)
    with path.open("a") as file:

        def log(metrics: Mapping[str, Any]) -> None:
            file.write(json.dumps(metrics) + "\n")
            file.flush()

        yield log


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    """The whole lines of a file that may have been cut off."""
    if path.exists():
        for line in path.read_text().splitlines():
            try:
                yield json.loads(line)
            except json.JSONDecodeError:
                return
