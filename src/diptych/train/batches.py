"""From a step's number to its micro-batches. The seed alone decides; nothing here keeps state."""

import functools
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from diptych.core import Batch, Draw, Machine, Perturb, Recipe, Sample, View, cuts, keys
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

    @property
    def tokens(self) -> int:
        return sum(m.tokens for m in self.model)

    @property
    def computed(self) -> int:
        return sum(m.computed for m in self.model)

    def to(self, device: torch.device) -> "Work":
        return Work(self.b, [m.to(device) for m in self.model], [m.to(device) for m in self.teacher])


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
    rows = everyone[mine.start : mine.stop]
    records = [recipe.data[i] for i in rows.tolist()]
    seen: list[list[Sample]] = [
        [
            view.transform(record[view.column], Draw(recipe.seed, step, sample, v))
            for record, sample in zip(records, rows.tolist(), strict=True)
        ]
        for v, view in enumerate(recipe.views)
    ]

    def micros(encodes: Callable[[View], bool]) -> list[Micro]:
        views = [v for v, view in enumerate(recipe.views) if encodes(view)]
        together: dict[Perturb | None, list[int]] = {}
        for v in views:
            together.setdefault(recipe.views[v].perturb, []).append(v)
        key = {v: keys(recipe.seed, step, rows, v) for v in views}
        first = {v: v * len(everyone) + mine.start for v in views}
        parts = [
            _cut(recipe, machine, perturb, [(v, i) for v in group for i in range(len(rows))], seen, key, first)
            for perturb, group in together.items()
        ]
        return [micro for part in parts for micro in part]

    return Work(len(everyone), micros(lambda v: v.by != "teacher"), micros(lambda v: v.by != "model"))


def _cut(
    recipe: Recipe,
    machine: Machine,
    perturb: Perturb | None,
    places: list[tuple[int, int]],
    seen: list[list[Sample]],
    key: dict[int, Int[np.ndarray, " b"]],
    first: dict[int, int],
) -> list[Micro]:
    encoder = recipe.model.encoder
    sizes = [encoder.size(seen[v][i]) for v, i in places]
    micros = []
    for rows in cuts(sizes, machine.tokens or encoder.micro, encoder.padded):
        part = [places[r] for r in rows]
        batch = encoder.collate([seen[v][i] for v, i in part])
        batch["key"] = torch.tensor([key[v][i] for v, i in part])
        place = torch.tensor([first[v] + i for v, i in part])
        longest, real = max(sizes[r] for r in rows), sum(sizes[r] for r in rows)
        in_a_row = batch["ids"].numel() if "edges" in batch else real
        micros.append(Micro(batch, place, perturb, real, longest * len(rows) if encoder.padded else in_a_row))
    return micros


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
