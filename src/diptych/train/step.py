"""One step: the gradient of an objective over the whole batch, from micro-batches of any size."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import torch
from torch import Tensor, nn

from diptych.core import Encoded, Model, Objective, Terms, View, Views, unmasked
from diptych.train.batches import Micro, Work
from diptych.train.processes import ALONE, World, gradients


def backward(
    model: Model,
    objective: Objective,
    views: Sequence[View],
    work: Work,
    teacher: Model | None = None,
    *,
    keep: int | None = None,
    graph: int = 1 << 62,
    cast: AbstractContextManager[object] | None = None,
    world: World = ALONE,
) -> tuple[Terms, Views]:
    """Adds to `.grad` the gradient of the objective over all samples of the step.

    It depends neither on how the work is cut nor on how many processes share it. Up to `graph` tokens
    the graphs of all micro-batches are kept; beyond it each is encoded twice, first without a graph and
    then with one, so that the memory is that of one micro-batch (GradCache, Gao et al. 2021,
    arXiv:2101.06983); noise is replayed. `cast` is the precision the networks run in; the objective runs
    in fp32, in every process over the embeddings of all. `keep` is the layer that a teacher is asked for. A teacher
    sees pictures whole; an objective that needs tokens gets those that are masked for the model, of both.

    Returns the terms of the loss and what the objective saw, both without gradients.
    """
    cast = cast or nullcontext()
    cached, patches = work.computed > graph, objective.needs_tokens
    micros = work.model
    if model.sharded:  # all gather the same weights as often, so the idle encode their last samples again, for nothing
        cached = world.most(cached) > 0
        micros = micros + micros[-1:] * (world.most(len(micros)) - len(micros))
    states: list[Tensor] = []
    with torch.no_grad(), cast:
        taught = [_taught(teacher, micro, keep, patches) for micro in work.teacher] if teacher else []
    with torch.set_grad_enabled(not cached), cast:
        parts = []
        for micro in micros:
            states.append(_noise_state(micro) if cached else torch.empty(0))
            parts.append(model(micro.batch, micro.perturb, patches=patches))

    rows = len(views) * work.b
    encoded = _whole(work.model, _padded(parts[: len(work.model)], world), rows, world).map(_learnable)
    seen = _by_role(views, encoded, work, "model")
    helper = _whole(work.teacher, _padded(taught, world), rows, world) if taught else None
    terms = objective(seen, _by_role(views, helper, work, "teacher") if helper else {})
    torch.stack(list(terms.values())).sum().backward()

    for i, (micro, state, part) in enumerate(zip(micros, states, parts, strict=True)):
        if cached:
            with torch.random.fork_rng(_devices(micro)), cast:
                _restore(micro, state)
                part = model(micro.batch, micro.perturb, patches=patches)
        _push(part, encoded, micro.place, idle=i >= len(work.model))
    if world.size > 1 and not model.sharded:
        world.sum_(gradients(model))
    detached = {role: [e.map(Tensor.detach) for e in many] for role, many in seen.items()}
    return {name: term.detach() for name, term in terms.items()}, detached


def _learnable(x: Tensor) -> Tensor:
    return x.requires_grad_(x.is_floating_point())


def _taught(teacher: Model, micro: Micro, keep: int | None, patches: bool) -> Encoded:
    """A teacher that encodes as after training is not perturbed either."""
    encoded: Encoded = teacher(
        unmasked(micro.batch), micro.perturb if teacher.encoder.training else None, keep, patches
    )
    return encoded


def _whole(micros: list[Micro], parts: list[Encoded], rows: int, world: World) -> Encoded:
    """What all processes encoded, without gradients, in the order of views and samples."""
    place = torch.cat([micro.place for micro in micros])

    def placed(x: Tensor) -> Tensor:
        out = x.new_zeros(rows, *x.shape[1:]).index_copy_(0, place, x.detach())
        world.sum_([out])
        return out

    return Encoded.cat(parts).map(placed)


def _padded(parts: list[Encoded], world: World) -> list[Encoded]:
    """Hidden states of all parts and processes with as many places, where there are any."""
    if parts[0].tokens is None:
        return parts
    places = world.most(max(part.parts["tokens"].shape[1] for part in parts))

    def wide(x: Tensor, padding: int) -> Tensor:
        return torch.nn.functional.pad(x, (*[0, 0] * (x.ndim - 2), 0, places - x.shape[1]), value=padding)

    return [
        replace(part, tokens=wide(part.parts["tokens"], 0), labels=wide(part.parts["labels"], -100)) for part in parts
    ]


def _by_role(views: Sequence[View], whole: Encoded, work: Work, who: str) -> Views:
    """The encoded samples of each view, and what the data say of them."""
    out: Views = {}
    for v, view in enumerate(views):
        if view.by in (who, "both"):
            rows = slice(v * work.b, (v + 1) * work.b)
            out.setdefault(view.role, []).append(whole.map(lambda x, rows=rows: x[rows]))  # type: ignore[misc]
        elif view.by == "data":
            told = work.data[v][:, None]
            out.setdefault(view.role, []).append(Encoded(told, told))
    return out


def _push(part: Encoded, whole: Encoded, place: Tensor, idle: bool = False) -> None:
    """Carries the gradients that reached `whole` on into the graph of the part of it at `place`; zeros, if `idle`."""
    pairs = {(id(x), id(y := whole.parts[name])): (x, y.grad) for name, x in part.parts.items()}
    found = [(x, grad[place] * (not idle)) for x, grad in pairs.values() if grad is not None and x.requires_grad]
    live = [(x, grad[:, : x.shape[1]]) for x, grad in found]  # without the tokens that other parts have more
    if live:
        torch.autograd.backward([x for x, _ in live], [grad for _, grad in live])


def _devices(micro: Micro) -> list[torch.device]:
    return [micro.place.device] if micro.place.is_cuda else []


def _noise_state(micro: Micro) -> Tensor:
    return torch.cuda.get_rng_state(micro.place.device) if micro.place.is_cuda else torch.get_rng_state()


def _restore(micro: Micro, state: Tensor) -> None:
    if micro.place.is_cuda:
        torch.cuda.set_rng_state(state, micro.place.device)
    else:
        torch.set_rng_state(state)


@torch.no_grad()
def follow(teacher: nn.Module, model: nn.Module, momentum: float) -> None:
    """Moves the teacher towards the model; with a momentum of 1 it stays.

    Running means (of batch normalisation) are the model's, unless the teacher is in training mode and keeps its own.
    """
    for t, m in zip(teacher.parameters(), model.parameters(), strict=True):
        if t is not m:
            t.lerp_(m, 1 - momentum)
    for one, other in zip(teacher.modules(), model.modules(), strict=True):
        if isinstance(one, nn.modules.batchnorm._NormBase) and not one.training and one is not other:
            for mean, now in zip(one.buffers(), other.buffers(), strict=True):
                mean.copy_(now)
