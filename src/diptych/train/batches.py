"""From a step's number to its micro-batches. The seed alone decides; nothing here keeps state."""

import functools
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from diptych.core import Batch, Encoder, Fitted, Machine, Perturb, Recipe, Sample, cuts, micro_of
from diptych.draws import Draw, keys
from diptych.train.processes import ALONE, World


@dataclass(frozen=True)
class Micro:
    """Samples that are encoded together: row i is sample `place[i] % b` of view `place[i] // b` of the step."""

    batch: Batch
    place: Int[Tensor, " m"]
    perturb: Perturb | None
    tokens: int  # real ones
    computed: int  # with padding

    def to(self, device: torch.device) -> "Micro":
        batch = {k: x.to(device, non_blocking=True) for k, x in self.batch.items()}
        return replace(self, batch=batch, place=self.place.to(device, non_blocking=True))


@dataclass(frozen=True)
class Work:
    """One step: what the model and what its teacher encode here, of `b` samples in all processes."""

    b: int
    model: list[Micro]
    teacher: list[Micro]
    data: dict[int, Float[Tensor, " b"]] = field(default_factory=dict)  # what the data say, by the number of the view

    @property
    def tokens(self) -> int:
        return sum(m.tokens for m in self.model)

    @property
    def computed(self) -> int:
        return sum(m.computed for m in self.model)

    def to(self, device: torch.device) -> "Work":
        told = {v: x.to(device, non_blocking=True) for v, x in self.data.items()}
        return Work(self.b, [m.to(device) for m in self.model], [m.to(device) for m in self.teacher], told)


def suited(machine: Machine, encoder: Encoder, where: torch.device) -> Machine:
    """The machine, with tokens of a micro-batch that suit the encoder and the device if none are asked for.

    Blocks are computed again only by an encoder that can.
    """
    tokens = machine.tokens or micro_of(encoder, where)
    return replace(machine, tokens=tokens, recompute=machine.recompute and encoder.recomputes)


def epoch_steps(recipe: Recipe) -> int:
    """Steps per epoch. What does not fill a last batch is left out, other samples every epoch."""
    return max(1, len(recipe.data) // recipe.batch)


@functools.lru_cache(maxsize=2)
def _order(seed: int, epoch: int, n: int) -> Int[np.ndarray, " n"]:
    return np.random.default_rng((seed, epoch)).permutation(n)


def samples(recipe: Recipe, step: int) -> Int[np.ndarray, " b"]:
    """The numbers of the records of a step (steps count from 0)."""
    epoch, place = divmod(step, epoch_steps(recipe))
    order = _order(recipe.seed, epoch, len(recipe.data))
    return order[place * recipe.batch : (place + 1) * recipe.batch]


def work(recipe: Recipe, step: int, machine: Machine, world: World = ALONE) -> Work:
    """The micro-batches of a step: views that share a perturbation together, sorted by length."""
    everyone = samples(recipe, step)
    mine = world.part(len(everyone))
    drawn = _Drawn.of(recipe, step, everyone, mine)
    by = [view.by for view in recipe.views]
    model, teacher = ([v for v, who in enumerate(by) if who in (which, "both")] for which in ("model", "teacher"))
    first = {v: v * len(everyone) + mine.start for v in range(len(by))}
    return Work(
        len(everyone),
        _micros(drawn, model, machine, first),
        _micros(drawn, teacher, machine, first),
        {v: _told(recipe, recipe.views[v].column, everyone) for v, who in enumerate(by) if who == "data"},
    )


def _told(recipe: Recipe, column: str, rows: Int[np.ndarray, " b"]) -> Float[Tensor, " b"]:
    """Numbers that the data hold."""
    return torch.tensor([float(recipe.data[i][column]) for i in rows.tolist()])


@dataclass(frozen=True)
class _Drawn:
    """The views of some samples at a step, by the number of the view."""

    recipe: Recipe
    step: int
    rows: Int[np.ndarray, " b"]
    seen: dict[int, list[Sample]]

    @staticmethod
    def of(recipe: Recipe, step: int, everyone: Int[np.ndarray, " n"], mine: range) -> "_Drawn":
        rows = everyone[mine.start : mine.stop]
        records = [recipe.data[i] for i in rows.tolist()]
        seen = {
            v: [
                view.transform(record[view.column], Draw(recipe.seed, step, sample, v, place, len(everyone)))
                for record, sample, place in zip(records, rows.tolist(), mine, strict=True)
            ]
            for v, view in enumerate(recipe.views)
            if view.by != "data"
        }
        return _Drawn(recipe, step, rows, seen)

    def key(self, view: int) -> Int[np.ndarray, " b"]:
        return keys(self.recipe.seed, self.step, self.rows, view)

    def unit(self, perturb: Perturb, view: int) -> Int[np.ndarray, " b"]:
        """Keys that are the same where a perturbation touches all or none."""
        if perturb.unit == "row":
            return self.key(view)
        rows = np.zeros_like(self.rows) if perturb.unit == "batch" else self.rows
        return keys(self.recipe.seed, self.step, rows, OF_ALL)


OF_ALL = 1 << 32  # in the place of a view


def _micros(drawn: _Drawn, views: list[int], machine: Machine, first: dict[int, int]) -> list[Micro]:
    together: dict[Perturb | None, list[int]] = {}
    for v in views:
        together.setdefault(drawn.recipe.views[v].perturb, []).append(v)
    parts = [_cut(drawn, perturb, group, machine, first) for perturb, group in together.items()]
    return [micro for part in parts for micro in part]


def _cut(
    drawn: _Drawn, perturb: Perturb | None, views: list[int], machine: Machine, first: dict[int, int]
) -> list[Micro]:
    """Micro-batches of views; one (of each size that cannot be padded) where noise or network look at all of it."""
    encoder = drawn.recipe.model.encoder
    places = [(v, i) for v in views for i in range(len(drawn.rows))]
    sizes = [encoder.size(drawn.seen[v][i]) for v, i in places]
    key = {v: drawn.key(v) for v in views}
    unit = {v: drawn.unit(perturb, v) for v in views} if perturb else {}
    micros = []
    for rows in _parts(sizes, perturb, machine.tokens or encoder.micro, encoder):
        part = [places[r] for r in rows]
        batch = encoder.collate([drawn.seen[v][i] for v, i in part])
        batch["key"] = torch.tensor([key[v][i] for v, i in part])
        if perturb and perturb.unit != "row":
            batch["unit"] = torch.tensor([unit[v][i] for v, i in part])
        place = torch.tensor([first[v] + i for v, i in part])
        longest, real = max(sizes[r] for r in rows), sum(sizes[r] for r in rows)
        in_a_row = batch["ids"].numel() if {"ids", "edges"} <= batch.keys() else real
        micros.append(Micro(batch, place, perturb, real, longest * len(rows) if encoder.padded else in_a_row))
    return micros


def _parts(sizes: list[int], perturb: Perturb | None, budget: int, encoder: Encoder) -> list[Int[np.ndarray, " m"]]:
    whole = encoder.together or (perturb is not None and isinstance(perturb.noise, Fitted))
    if whole and encoder.waste:
        return [np.argsort(-np.array(sizes), kind="stable")]
    return cuts(sizes, max(budget, sum(sizes)) if whole else budget, encoder.padded, encoder.waste)


def ahead(recipe: Recipe, machine: Machine, start: int, world: World = ALONE) -> Iterator[Work]:
    """The work of steps `start`..., made by `machine.workers` threads while the model learns."""
    if machine.workers == 0:
        yield from (work(recipe, step, machine, world) for step in range(start, recipe.steps))
        return
    with ThreadPoolExecutor(machine.workers, "views") as pool:
        waiting: list[Future[Work]] = []
        try:
            for step in range(start, recipe.steps):
                while len(waiting) < 2 * machine.workers and step + len(waiting) < recipe.steps:
                    waiting.append(pool.submit(work, recipe, step + len(waiting), machine, world))
                yield waiting.pop(0).result()
        finally:
            for future in waiting:
                future.cancel()
