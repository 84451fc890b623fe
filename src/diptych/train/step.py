"""One step: the gradient of an objective over the whole batch, from micro-batches of any size."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn

from diptych.core import Encoded, Model, Objective, Terms, View, Views
from diptych.train.batches import Micro, Work


def backward(
    model: Model,
    objective: Objective,
    views: Sequence[View],
    work: Work,
    teacher: Model | None = None,
    *,
    graph: int = 1 << 62,
    cast: AbstractContextManager[object] | None = None,
) -> tuple[Terms, Views]:
    """Adds to `.grad` the gradient of the objective over all samples of the step.

    It does not depend on how the work is cut. Up to `graph` tokens the graphs of all micro-batches
    are kept; beyond it each is encoded twice, first without a graph and then with one, so that the
    memory is that of one micro-batch (GradCache, Gao et al. 2021, arXiv:2101.06983); noise is
    replayed. `cast` is the precision the networks run in; the objective runs in fp32.

    Returns the terms of the loss and what the objective saw, both without gradients.
    """
    cast = cast or nullcontext()
    cached = work.computed > graph
    states: list[Tensor] = []
    with torch.no_grad(), cast:
        taught = [teacher(m.batch, m.perturb) for m in work.teacher] if teacher else []
    with torch.set_grad_enabled(not cached), cast:
        parts = []
        for micro in work.model:
            states.append(_noise_state(micro) if cached else torch.empty(0))
            parts.append(model(micro.batch, micro.perturb))
    leaves = [part.map(_leaf) for part in parts] if cached else parts

    seen = _by_role(views, work.model, leaves, work.b, "teacher")
    terms = objective(seen, _by_role(views, work.teacher, taught, work.b, "model"))
    torch.stack(list(terms.values())).sum().backward()

    if cached:
        for micro, state, leaf in zip(work.model, states, leaves, strict=True):
            with torch.random.fork_rng(_devices(micro)), cast:
                _restore(micro, state)
                again = model(micro.batch, micro.perturb)
            _push(again, leaf)
    detached = {role: [e.map(Tensor.detach) for e in many] for role, many in seen.items()}
    return {name: term.detach() for name, term in terms.items()}, detached


def _by_role(views: Sequence[View], micros: list[Micro], parts: list[Encoded], b: int, other: str) -> Views:
    """Encoded micro-batches, put back into the order of views and samples."""
    if not micros:
        return {}
    place = torch.cat([micro.place for micro in micros]).argsort()
    whole = Encoded.cat(parts).map(lambda x: x[place])
    out: Views = {}
    for i, view in enumerate([view for view in views if view.by != other]):
        out.setdefault(view.role, []).append(whole.map(lambda x, i=i: x[i * b : (i + 1) * b]))  # type: ignore[misc]
    return out


def _leaf(x: Tensor) -> Tensor:
    return x.detach().requires_grad_()


def _push(encoded: Encoded, leaf: Encoded) -> None:
    """Carries the gradients that reached `leaf` on into the graph of `encoded`."""
    pairs = [(encoded.embedding, leaf.embedding.grad), (encoded.projection, leaf.projection.grad)]
    live = [(x, grad) for x, grad in pairs if grad is not None and x.requires_grad]
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
    """Moves the teacher towards the model; with a momentum of 1 it stays."""
    for t, m in zip(teacher.parameters(), model.parameters(), strict=True):
        t.lerp_(m, 1 - momentum)
