"""How much memory a training will take, before it begins, and what to change where that is not there.

Weights, gradients and the optimiser's state are counted. What a network keeps for its gradient is measured: it encodes
a few samples of the first step, then twice as many, padded as on the device that it will train on, and every tensor
that is kept is counted once. Where blocks are computed again, it is what lies between them, and one block at a time.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn

from diptych import headroom
from diptych.core import Machine, Model, Recipe
from diptych.train import precision
from diptych.train.batches import Micro, suited, work
from diptych.train.processes import ALONE, World

FEW = 256  # tokens of the first samples that are encoded
ADAM = 2  # numbers that AdamW keeps of a weight that learns
AGAIN = 1.5  # of what a block keeps: it is freed while its gradients come
TILE = 256  # rows of the matrix of similarities that are there at a time
GB = 1e9


@dataclass(frozen=True)
class Estimate:
    """Bytes, of one process."""

    weights: int
    copies: int  # of weights, in the numbers that the network runs in
    gradients: int
    optimiser: int
    activations: int  # kept for the gradient at once
    objective: int
    checkpoint: int  # copied while a checkpoint is written
    where: str  # cpu or cuda

    @property
    def peak(self) -> int:
        """More than what is there before training: on the processor the weights are there."""
        lasting = self.gradients + self.optimiser + (self.weights if self.where != "cpu" else 0)
        step = self.copies + self.activations + self.objective
        return lasting + max(step, self.checkpoint if self.where == "cpu" else 0)


@dataclass(frozen=True)
class Need:
    """What a training needs, as its settings are, and what decides it."""

    estimate: Estimate
    per_token: float  # bytes of activations, of a micro-batch alone
    passing: float  # of these, what is there for one micro-batch only
    again: int | None  # activations, if blocks are computed again; None where they cannot be
    tokens: int  # kept at once
    micro: int  # of the largest micro-batch
    blocks: int
    adapted: bool


def need(recipe: Recipe, machine: Machine, world: World = ALONE) -> Need:
    """What training `recipe` on a machine takes. The model stays as it is."""
    where = precision.device(machine.device)
    machine = suited(machine, recipe.model.encoder, where)
    model, optimiser = recipe.model, recipe.optimiser
    first = work(recipe, 0, machine, world)
    copies, whole, between, block = _kept(recipe, machine, where, world)
    largest = max((micro.computed for micro in first.model), default=0)
    tokens = first.computed if first.computed <= machine.graph else largest
    again = int(between * tokens + AGAIN * block * largest)
    kept, passing = (between, AGAIN * block) if machine.recompute else (whole, block)
    rates = {name: rate for name, rate in optimiser.rates.items() if rate == 0}
    learned = [
        p for name, p in model.encoder.named_parameters() if p.requires_grad and not name.startswith(tuple(rates))
    ]
    learned += [*model.head.parameters(), *(model.language or nn.Identity()).parameters()]
    learned += [*recipe.objective.parameters()]
    tables = {id(table.weight) for table in model.encoder.tables}
    trained, weights = _bytes(learned), _bytes(model.parameters()) * (2 if recipe.teacher else 1)
    rows = len(recipe.views) * recipe.batch
    estimate = Estimate(
        weights=weights,
        copies=copies,
        gradients=_bytes(p for p in learned if id(p) not in tables),
        optimiser=ADAM * trained,
        activations=again if machine.recompute else int((whole + block) * tokens),
        objective=4 * 4 * rows * model.encoder.dim + 3 * 4 * TILE * rows,
        checkpoint=(trained if model.encoder.fixed else weights) + ADAM * trained,
        where=where.type,
    )
    blocks = max(1, len(model.encoder.layers) - 1)
    can = again if model.encoder.recomputes else None
    return Need(estimate, kept + passing, passing, can, tokens, largest, blocks, bool(model.encoder.fixed))


def _bytes(tensors: Any) -> int:
    return sum(x.numel() * x.element_size() for x in tensors)


def _kept(recipe: Recipe, machine: Machine, where: torch.device, world: World) -> tuple[int, float, float, float]:
    """Bytes that are kept whatever the number of tokens, and for each token those that `_saved` finds."""
    model, few = recipe.model, []
    device = next(model.parameters()).device
    cast = precision.cast(precision.resolve(machine.precision, where), device)
    training, recompute = model.training, model.encoder.recompute
    means = [(mean, mean.clone()) for mean in model.buffers()]  # of batch normalisation
    model.train()
    model.encoder.recompute, model.encoder.pads_as = False, where.type
    try:
        with torch.random.fork_rng(), cast:
            for tokens in (FEW, 2 * FEW):
                micros = work(recipe, 0, replace(machine, tokens=tokens), world).model
                micro = micros[len(micros) // 2].to(device)
                few.append((micro.computed, _saved(model, micro)))
    finally:
        model.train(training)
        model.encoder.recompute, model.encoder.pads_as = recompute, None
        for mean, before in means:
            mean.copy_(before)
    (a, less), (b, more) = few
    if b < 1.5 * a:  # texts so long that each is a micro-batch
        whole, between, block = (y / max(1, b) for y in more)
        return 0, whole, between, block
    whole, between, block = (max(0.0, (y - x) / (b - a)) for x, y in zip(less, more, strict=True))
    return max(0, int(more[0] - whole * b)), whole, between, block


def _saved(model: Model, micro: Micro) -> tuple[int, int, int]:
    """Bytes that a micro-batch keeps for its gradient, weights not among them.

    All of them; those outside of blocks, with what goes into a block that keeps anything; and those of the block that
    keeps most, in one call.
    """
    weights = {x.untyped_storage().data_ptr() for x in chain(model.parameters(), model.buffers())}
    outside: dict[int, int] = {}
    open_: list[tuple[dict[int, int], dict[int, int]]] = []  # what goes into a block that is computed, what it keeps
    calls: list[tuple[dict[int, int], dict[int, int]]] = []

    def sizes(tensors: Iterable[Tensor]) -> dict[int, int]:
        found = ((x.untyped_storage().data_ptr(), x.untyped_storage().nbytes()) for x in tensors)
        return {place: size for place, size in found if place not in weights}

    def pack(x: Tensor) -> Tensor:
        (open_[-1][1] if open_ else outside).update(sizes([x]))
        return x

    def enter(block: nn.Module, given: tuple[Any, ...]) -> None:
        open_.append((sizes(x for x in given if isinstance(x, Tensor)), {}))

    hooks = [block.register_forward_pre_hook(enter) for block in model.encoder.layers[1:]]
    hooks += [block.register_forward_hook(lambda *_: calls.append(open_.pop())) for block in model.encoder.layers[1:]]
    try:
        with torch.enable_grad(), torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
            encoded = model(micro.batch, micro.perturb)
    finally:
        for hook in hooks:
            hook.remove()
    del encoded
    keeping = [(given, kept) for given, kept in calls if kept]
    whole = outside | {place: size for _, kept in keeping for place, size in kept.items()}
    between = outside | {place: size for given, _ in keeping for place, size in given.items()}
    most = max((sum(kept.values()) for _, kept in keeping), default=sum(whole.values()))
    return sum(whole.values()), sum(between.values()), most


def free(where: torch.device) -> int | None:
    """Bytes that are free on a device, under the limit of this process's group too; None if nothing tells."""
    return int(torch.cuda.mem_get_info(where)[0]) if where.type == "cuda" else headroom.left()


def told(needed: Need, there: int | None, machine: Machine) -> list[str]:
    """What to say before training: nothing where it fits, else what is needed, and what to change."""
    estimate = needed.estimate
    if there is None or estimate.peak <= there:
        return []
    parts = {
        "weights": estimate.weights if estimate.where != "cpu" else 0,
        "copies of weights": estimate.copies,
        "gradients": estimate.gradients,
        "AdamW": estimate.optimiser,
        "activations": estimate.activations,
        "the objective": estimate.objective,
    }
    listed = ", ".join(f"{name} {size / GB:.1f}" for name, size in parts.items() if size >= 0.05 * GB)
    return [
        f"training will take about {estimate.peak / GB:.1f} GB of memory ({listed}), and {there / GB:.1f} GB are free",
        *(f"  {change}" for change in _changes(needed, there, machine)),
    ]


def _changes(needed: Need, there: int, machine: Machine) -> Iterator[str]:
    """What would make it less, and how much it would then be."""
    estimate = needed.estimate

    def then(**fields: Any) -> str:
        return f"about {replace(estimate, **fields).peak / GB:.1f} GB"

    if needed.tokens > needed.micro:
        smaller = int(needed.per_token * needed.micro)
        yield f"--graph 0: keep one micro-batch at a time, and encode twice ({then(activations=smaller)})"
    if not machine.recompute and needed.again is not None and needed.blocks > 1:
        yield f"--recompute: compute blocks again for the gradient ({then(activations=needed.again)})"
    room = there - replace(estimate, activations=0).peak
    fitting = int(room / needed.per_token) if needed.per_token else 0
    if 64 <= fitting < needed.micro:
        yield f"--graph 0 --tokens {fitting // 64 * 64}: smaller micro-batches"
    if not needed.adapted and needed.blocks > 1:
        nothing = then(gradients=0, optimiser=0)
        yield f"--lora 8: learn an adapter alone ({nothing}); or --train-last 2, the last two blocks"
    if needed.adapted and estimate.where != "cpu":
        yield f"--weights bf16: hold the weights in half the bytes ({then(weights=estimate.weights // 2)})"
    if precision.resolve(machine.precision, torch.device(estimate.where)) == "fp32":
        again = machine.recompute and needed.again is not None
        halved = int(needed.passing * needed.micro) if again else estimate.activations
        smaller = estimate.activations - halved // 2
        yield f"--precision bf16: activations of blocks in half the bytes ({then(activations=smaller)})"
