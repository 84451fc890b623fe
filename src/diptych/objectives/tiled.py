"""Cross-entropy of cosines, a few rows of their matrix at a time.

Shapes: b anchors, n candidates, r rows of one tile, p width of a projection.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

ROWS = 256  # anchors of a tile
EPSILON = 1e-12  # no row is divided by less, as in F.normalize


def cosine_cross_entropy(
    anchors: Float[Tensor, "b p"],
    candidates: Float[Tensor, "n p"],
    positive: Int[Tensor, " b"],
    temperature: float,
) -> Float[Tensor, ""]:
    """-1/b sum_i log( exp(cos(a_i, c_y(i)) / t) / sum_j exp(cos(a_i, c_j) / t) ), with y = `positive`.

    `ROWS` rows of the (b, n) matrix are there at a time. Each tile gives its part of the loss and of
    both gradients at once, so that nothing is computed twice, and no normalised copy is kept: the
    memory is that of the gradients and of ROWS * n numbers. It is computed in fp32 (float64 for
    float64), under autocast too, and has no second derivative. Tiles: arXiv:2410.17243; the gradient
    together with the loss: arXiv:2410.10989.

    Raises ValueError unless there is one positive per anchor.
    """
    if len(positive) != len(anchors):
        raise ValueError(f"there is one positive per anchor; got {len(positive)} for {len(anchors)} anchors")
    precision = torch.promote_types(torch.promote_types(anchors.dtype, candidates.dtype), torch.float32)
    anchors, candidates = anchors.to(precision), candidates.to(precision)
    if not torch.is_grad_enabled():
        return _sweep(anchors, candidates, positive, temperature, (False, False))[0]
    return _CosineCrossEntropy.apply(anchors, candidates, positive, temperature)


class _CosineCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, anchors: Tensor, candidates: Tensor, positive: Tensor, temperature: float) -> Tensor:
        ctx.save_for_backward(anchors, candidates, positive)
        ctx.temperature = temperature
        loss, ctx.gradients = _sweep(anchors, candidates, positive, temperature, ctx.needs_input_grad)
        return loss

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Hands the gradients over, scaled in place; a second backward has to sweep again."""
        if torch.is_grad_enabled():  # under `create_graph`, the gradient would silently count as constant
            raise RuntimeError("a tiled cross-entropy has no second derivative; differentiate without create_graph")
        anchors, candidates, positive = ctx.saved_tensors
        gradients = ctx.gradients or _sweep(anchors, candidates, positive, ctx.temperature, ctx.needs_input_grad)[1]
        ctx.gradients = None
        return *(None if gradient is None else gradient.mul_(upstream) for gradient in gradients), None, None


def _sweep(
    anchors: Float[Tensor, "b p"],
    candidates: Float[Tensor, "n p"],
    positive: Int[Tensor, " b"],
    temperature: float,
    wanted: tuple[bool, ...],
) -> tuple[Float[Tensor, ""], tuple[Tensor | None, Tensor | None]]:
    """The loss, and its gradients for anchors and candidates where they are wanted."""
    b, lengths = len(anchors), _lengths(candidates).T
    d_anchors = torch.empty_like(anchors) if wanted[0] else None
    d_candidates = torch.zeros_like(candidates) if wanted[1] else None
    losses = anchors.new_empty(b)
    tile = anchors.new_empty(min(ROWS, b), len(candidates))
    for rows in (slice(start, start + ROWS) for start in range(0, b, ROWS)):
        unit = anchors[rows] / _lengths(anchors[rows])
        logits = torch.mm(unit / temperature, candidates.T, out=tile[: len(unit)]).div_(lengths)
        logits -= logits.amax(1, keepdim=True)
        right = torch.arange(len(unit), device=unit.device), positive[rows]
        chosen = logits[right]
        weights = logits.exp_()  # softmax but for the division by `total`, which is left to smaller matrices
        total = weights.sum(1)
        losses[rows] = total.log() - chosen
        weights[right] -= total
        scale = (total * temperature * b).reciprocal()[:, None]
        if d_candidates is not None:
            d_candidates.addmm_(weights.T, unit * scale)
        if d_anchors is not None:
            torch.mm(weights.div_(lengths), candidates, out=d_anchors[rows]).mul_(scale)
    for x, gradient in ((anchors, d_anchors), (candidates, d_candidates)):
        if gradient is not None:
            _through_normalisation(x, gradient)
    return losses.mean(), (d_anchors, d_candidates)


def _lengths(x: Float[Tensor, "n p"]) -> Float[Tensor, "n 1"]:
    return torch.linalg.vector_norm(x, dim=1, keepdim=True).clamp_min(EPSILON)


def _through_normalisation(x: Float[Tensor, "n p"], gradient: Float[Tensor, "n p"]) -> None:
    """Turns the gradient of the unit rows of x into that of x, in place."""
    for some, g in zip(x.split(ROWS), gradient.split(ROWS), strict=True):
        length = _lengths(some)
        unit = some / length
        g.sub_(unit * (unit * g).sum(1, keepdim=True)).div_(length)
