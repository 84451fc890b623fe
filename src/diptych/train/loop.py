"""The loop: a recipe, carried out step by step, and resumed where it was left."""

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from copy import deepcopy
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import nn

from diptych import allocator
from diptych.called import called
from diptych.core import Instrument, Machine, Model, Objective, Recipe, Snapshot, Teacher, Terms, Views, compared
from diptych.train import optim, precision, processes, state
from diptych.train.batches import Work, ahead, epoch_steps, suited
from diptych.train.processes import World
from diptych.train.rows import RowAdamW, distinct
from diptych.train.sharding import gathered, shard
from diptych.train.step import backward, follow

WALL_CLOCK = ("seconds", "tokens_per_second")  # the fields of metrics.jsonl that differ between equal runs
SAME = 1e-5  # 1 - cosine of views that differ by the rounding of bf16
LINES = 128  # of metrics.jsonl, at most, besides those of instruments that look at steps of their own

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
    say: Callable[[str], None] = lambda line: None,
    last: int | None = None,
) -> None:
    """Trains `recipe.model`, from the newest checkpoint in `folder` if there is one, up to step `last` or its end.

    Writes `folder/checkpoints/` and `folder/metrics.jsonl`. A run that was stopped at any moment and
    taken up again ends in the same bytes as one that was not, on the same machine and thread count;
    in `metrics.jsonl` the fields of `WALL_CLOCK` differ. A checkpoint that is damaged is passed over for the one
    before it, and `say` is told. Raises Interrupted after SIGINT or SIGTERM, DivergedError when the loss is not
    finite, DataError if there are checkpoints but none can be read.
    """
    allocator.keep()
    world, where = processes.world(), precision.device(machine.device)
    machine = suited(machine, recipe.model.encoder, where)
    torch.manual_seed(recipe.seed)
    learner = _Learner.of(recipe, machine, where, world)
    step, spent = learner.load(folder, say)
    last = recipe.steps if last is None else last
    spent = {"tokens": 0, "computed": 0} | spent
    before = max((line["seconds"] for line in _lines(folder / "metrics.jsonl") if line["step"] <= step), default=0.0)
    every = -(-recipe.steps // LINES)
    start = saved = time.monotonic()

    threads = learner.model.encoder.threads or torch.get_num_threads()
    with (
        _stoppable() as stop,
        _metrics(folder / "metrics.jsonl", step, world) as log,
        _threads(threads),
        closing(learner),
    ):
        for work in islice(ahead(recipe, machine, step, world), max(0, last - step)):
            looks = [see for see in instruments if _due(see, step + 1, recipe.steps)]
            logged = (step + 1) % every == 0 or step + 1 == recipe.steps or bool(looks)
            terms, views, seen = learner.step(work.to(where), step, logged)
            if step == 0:
                _told_apart(views, called(recipe).apart)
            step += 1
            tokens, computed = world.numbers(work.tokens, work.computed)
            spent = {"tokens": spent["tokens"] + int(tokens), "computed": spent["computed"] + int(computed)}

            if logged and world.first:
                ready = [see for see in instruments if see in looks or not hasattr(see, "every")]
                seen |= {k: x for see in ready for k, x in see(Snapshot(step, learner.model, views)).items()}
                metrics = _measured(recipe, step, terms, seen, spent, before + time.monotonic() - start)
                log(metrics)
                watch(metrics)
            late = world.first and time.monotonic() - saved >= machine.checkpoint
            stopped, due = world.numbers(stop.is_set(), late)
            if stopped or due or step == last:
                learner.save(folder, step, spent)
                saved = time.monotonic()
            if stopped and step < last:
                learner.finish()
                raise Interrupted(
                    f"stopped after step {step} of {recipe.steps}; `diptych train --resume {folder}` goes on"
                )
    learner.finish()
    allocator.release()


@dataclass(frozen=True)
class _Learner:
    """What a step changes, and how it is taken."""

    recipe: Recipe
    model: Model
    objective: Objective
    teacher: Model | None
    optimiser: torch.optim.Optimizer
    graph: int
    cast: AbstractContextManager[object]
    world: World

    @staticmethod
    def of(recipe: Recipe, machine: Machine, where: torch.device, world: World) -> "_Learner":
        if recipe.batch < world.size:
            raise ValueError(f"{world.size} processes share a batch of {recipe.batch}: each needs a sample")
        model, objective = recipe.model.train(), recipe.objective.to(where)
        model.encoder.recompute = machine.recompute
        if machine.shard and (recipe.teacher or model.language or [*objective.parameters()]):
            raise ValueError(
                "a teacher, or a head that learns beside the encoder, cannot be divided; leave --shard out"
            )
        model = shard(model, where, world) if machine.shard and world.size > 1 else model.to(where)
        teacher = _teacher(model, recipe.teacher) if recipe.teacher else None
        optimiser = optim.build(recipe.optimiser, model, objective, by_rows=not (recipe.teacher or machine.shard))
        cast = precision.cast(precision.resolve(machine.precision, where), where)
        return _Learner(recipe, model, objective, teacher, optimiser, machine.graph, cast, world)

    @property
    def modules(self) -> dict[str, nn.Module]:
        """What a checkpoint holds."""
        helper: dict[str, nn.Module] = {"teacher": self.teacher} if self.teacher else {}
        return {"model": self.model, "objective": self.objective} | helper

    def load(self, folder: Path, say: Callable[[str], None]) -> tuple[int, dict[str, Any]]:
        """Takes up the newest checkpoint of a run; returns its step, and what was saved beside it."""
        step, extra = state.load(folder / "checkpoints", self.modules, self.optimiser, say)
        if not self.world.first:  # a library's own dropout differs between processes
            torch.manual_seed(self.recipe.seed + (self.world.rank << 32) + step)
        return step, extra

    def save(self, folder: Path, step: int, extra: dict[str, Any]) -> None:
        """Writes a checkpoint, from the first process."""
        if self.world.first or self.model.sharded:
            state.save(folder / "checkpoints", step, self.modules, self.optimiser, extra, self.world.first)

    def step(self, work: Work, step: int, logged: bool) -> tuple[Terms, Views, dict[str, Any]]:
        """Takes step number `step`; returns its terms, what the objective saw, and rate and gradient if `logged`."""
        settings, steps, helper = self.recipe.optimiser, self.recipe.steps, self.recipe.teacher
        rate = optim.arrange(settings, self.optimiser, step, steps, epoch_steps(self.recipe))
        self.optimiser.zero_grad()
        terms, views = backward(
            self.model, self.objective, self.recipe.views, work, self.teacher,
            keep=helper.layer if helper else None,
            graph=self.graph, cast=self.cast, world=self.world,
        )  # fmt: skip
        norm = self._norm() if logged or settings.clip else 0.0
        self.optimiser.step()
        if self.teacher and helper:
            pairs = [(self.teacher, self.model), *((twin.teacher, twin.model) for twin in self.objective.twins)]
            for one, other in pairs:
                follow(one, other, helper.at(step, steps))
        if logged:
            terms["loss"] = torch.stack(list(terms.values())).sum()
        return terms, views, {"rate": rate, "gradient_norm": norm}

    def _norm(self) -> torch.Tensor:
        """The norm of the whole gradient, which is cut to `clip` if there is one; or each part of it is."""
        settings = self.recipe.optimiser
        learned = [p for group in self.optimiser.param_groups for p in group["params"] if p.grad is not None]
        for p in learned:
            p.grad = distinct(p.grad) if p.grad.is_sparse else p.grad
        gradients = {id(p): p.grad._values() if p.grad.is_sparse else p.grad for p in learned}
        norm = torch.nn.utils.get_total_norm(gradients.values())
        if settings.clip and settings.clipped == "parts":
            for part in optim.parts(self.model, self.objective):
                if found := [gradients[id(p)] for p in part if id(p) in gradients]:
                    optim.cut(found, torch.nn.utils.get_total_norm(found), settings.clip)
        elif settings.clip:
            optim.cut([*gradients.values()], norm, settings.clip)
        return gathered(norm)

    def close(self) -> None:
        """Brings the weights up to date."""
        if isinstance(self.optimiser, RowAdamW):
            self.optimiser.close()

    def finish(self) -> None:
        """Leaves what was learned in the recipe's model."""
        if self.model.sharded:
            self.recipe.model.load_state_dict({k: gathered(x) for k, x in self.model.state_dict().items()})
        self.recipe.model.eval()


def _teacher(model: Model, settings: Teacher) -> Model:
    """A copy that learns nothing itself; its head may be the model's."""
    shared = {id(part): part for part in model.head.modules()} if settings.head == "shared" else {}
    copy = deepcopy(model, shared)
    for part in (copy.encoder, copy.head, copy.language):
        if part is not None and id(part) not in shared:
            part.requires_grad_(False)
    copy.encoder.train(settings.dropout)
    return copy


def _due(see: Instrument, step: int, steps: int) -> bool:
    """Whether an instrument that looks after so many steps does so now."""
    every = getattr(see, "every", None)
    return every is not None and (step % every == 0 or step == steps)


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


def _nearest(x: torch.Tensor, y: torch.Tensor) -> float:
    """The least cosine of row i of one with row i of the other."""
    return float(torch.cosine_similarity(x.float(), y.float()).min())


def _told_apart(views: Views, apart: str) -> None:
    """Raises ValueError if the first two views of every sample are the same up to rounding: nothing can be learned.

    A deep network whose blocks begin as almost nothing has one embedding for all that it sees, to rounding: there
    views are the same only if they are so to the bit.
    """
    seen = [encoded.projection for encoded in compared(views)][:2]
    if len(seen) < 2 or _nearest(*seen) <= 1 - SAME:
        return
    one, other = seen
    if torch.equal(one, other) or len(one) == 1 or _nearest(one, other.roll(1, 0)) <= 1 - SAME:
        raise ValueError(
            f"the two views of every sample are identical: their rows change nothing, and the encoder has no dropout; "
            f"{apart}"
        )


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
def _metrics(path: Path, step: int, world: World) -> Iterator[Callable[[Mapping[str, Any]], None]]:
    """Appends lines to `path`, after those up to `step`; what came later will come again. The first process writes."""
    if not world.first:
        yield lambda metrics: None
        return
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
        for line in path.read_bytes().splitlines():
            try:
                told = json.loads(line)
            except ValueError:
                return
            if not isinstance(told, dict) or not told.keys() >= {"step", "seconds"}:
                return
            yield told
