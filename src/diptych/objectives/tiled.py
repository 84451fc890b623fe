"""Cross-entropy of cosines, a few rows of their matrix at a time.

Shapes: b anchors, n rows of a block of candidates, m columns of all blocks, r rows of one tile, p width of a
projection.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from diptych.plural import counted

ROWS = 256  # anchors of a tile
EPSILON = 1e-12  # no row is divided by less, as in F.normalize


@dataclass(frozen=True, eq=False)
class Block:
    """Rows that anchors choose among: every row is a column for all anchors.

    With `own`, row i is a candidate of anchor i alone, and the block is one column. `weight` multiplies the exponential
    of anchor i's own row i; at 1 it changes nothing, at 0 the own row is no candidate.
    """

    rows: Float[Tensor, "n p"]
    own: bool = False
    weight: float = 1.0

    @property
    def columns(self) -> int:
        return 1 if self.own else len(self.rows)


def cosine_cross_entropy(
    anchors: Float[Tensor, "b p"],
    candidates: Float[Tensor, "n p"] | Sequence[Block],
    positive: Int[Tensor, " b"],
    temperature: float,
) -> Float[Tensor, ""]:
    """-1/b sum_i log( exp(cos(a_i, c_y(i)) / t) / sum_j exp(cos(a_i, c_j) / t) ), with y = `positive`, a column.

    Candidates are rows, or blocks of them whose columns are counted one block after the other; they are not copied.
    `ROWS` rows of the (b, m) matrix are there at a time. Each tile gives its part of the loss and of
    all gradients at once, so that nothing is computed twice, and no normalised copy is kept: the
    memory is that of the gradients and of ROWS * m numbers. It is computed in fp32 (float64 for
    float64), under autocast too, and has no second derivative. Tiles: arXiv:2410.17243; the gradient
    together with the loss: arXiv:2410.10989.

    Raises ValueError unless there is one positive per anchor, and one row per anchor in a block of own rows.
    """
    blocks = [Block(candidates)] if isinstance(candidates, Tensor) else list(candidates)
    b = len(anchors)
    if len(positive) != b:
        raise ValueError(f"there is one positive per anchor; got {len(positive)} for {counted(b, 'anchor')}")
    for block in blocks:
        if (block.own or block.weight != 1) and len(block.rows) != b:
            raise ValueError(f"an anchor has one row of its own; got {len(block.rows)} for {counted(b, 'anchor')}")
    precision = torch.float32
    for x in (anchors, *(block.rows for block in blocks)):
        precision = torch.promote_types(precision, x.dtype)
    anchors, rows = anchors.to(precision), [block.rows.to(precision) for block in blocks]
    if not torch.is_grad_enabled():
        return _sweep(anchors, _filled(blocks, rows), positive, temperature, (False,) * (1 + len(rows)))[0]
    return _CosineCrossEntropy.apply(
        anchors, positive, temperature, [replace(x, rows=x.rows[:0]) for x in blocks], *rows
    )


def _filled(blocks: Sequence[Block], rows: Sequence[Tensor]) -> list[Block]:
    return [replace(block, rows=x) for block, x in zip(blocks, rows, strict=True)]


class _CosineCrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, anchors: Tensor, positive: Tensor, temperature: float, blocks: list[Block], *rows: Tensor
    ) -> Tensor:
        ctx.save_for_backward(anchors, positive, *rows)
        ctx.temperature, ctx.blocks = temperature, blocks
        ctx.wanted = ctx.needs_input_grad[0], *ctx.needs_input_grad[4:]
        loss, ctx.gradients = _sweep(anchors, _filled(blocks, rows), positive, temperature, ctx.wanted)
        return loss

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        """Hands the gradients over, scaled in place; a second backward has to sweep again."""
        if torch.is_grad_enabled():  # under `create_graph`, the gradient would silently count as constant
            raise RuntimeError("a tiled cross-entropy has no second derivative; differentiate without create_graph")
        anchors, positive, *rows = ctx.saved_tensors
        blocks = _filled(ctx.blocks, rows)
        gradients = ctx.gradients or _sweep(anchors, blocks, positive, ctx.temperature, ctx.wanted)[1]
        ctx.gradients = None
        first, *rest = (None if gradient is None else gradient.mul_(upstream) for gradient in gradients)
        return first, None, None, None, *rest


def _sweep(
    anchors: Float[Tensor, "b p"],
    blocks: Sequence[Block],
    positive: Int[Tensor, " b"],
    temperature: float,
    wanted: tuple[bool, ...],
) -> tuple[Float[Tensor, ""], list[Tensor | None]]:
    """The loss, and its gradients for anchors and the rows of each block where they are wanted."""
    b = len(anchors)
    sides = [_Side(block, want) for block, want in zip(blocks, wanted[1:], strict=True)]
    d_anchors = torch.empty_like(anchors) if wanted[0] else None
    losses = anchors.new_empty(b)
    tile = anchors.new_empty(min(ROWS, b), sum(block.columns for block in blocks))
    for rows in (slice(start, start + ROWS) for start in range(0, b, ROWS)):
        unit = anchors[rows] / _lengths(anchors[rows])
        logits = tile[: len(unit)]
        parts = logits.split([block.columns for block in blocks], dim=1)
        for side, part in zip(sides, parts, strict=True):
            side.logits(unit / temperature, rows, part)
        logits -= logits.amax(1, keepdim=True)
        right = torch.arange(len(unit), device=unit.device), positive[rows]
        chosen = logits[right]
        weights = logits.exp_()  # softmax but for the division by `total`, which is left to smaller matrices
        total = weights.sum(1)
        losses[rows] = total.log() - chosen
        weights[right] -= total
        scale = (total * temperature * b).reciprocal()[:, None]
        for i, (side, part) in enumerate(zip(sides, parts, strict=True)):
            side.learn(part, unit * scale, rows)
            if d_anchors is not None:
                side.teach(part, rows, d_anchors[rows], first=i == 0)
        if d_anchors is not None:
            d_anchors[rows] *= scale
    gradients = [d_anchors, *(side.gradient for side in sides)]
    for x, gradient in zip((anchors, *(block.rows for block in blocks)), gradients, strict=True):
        if gradient is not None:
            _through_normalisation(x, gradient)
    return losses.mean(), gradients


class _Side:
    """A block, the lengths of its rows, and their gradient as far as it has been swept."""

    def __init__(self, block: Block, wanted: bool):
        self.rows, self.own, self.lengths = block.rows, block.own, _lengths(block.rows)
        self.weight = block.weight
        self.gradient = torch.zeros_like(block.rows) if wanted else None

    def logits(self, unit: Float[Tensor, "r p"], rows: slice, out: Float[Tensor, "r n"]) -> None:
        """Writes cosines of anchors, which come as unit rows over the temperature, plus the log weight of own rows."""
        if self.own:
            out[:, 0] = (unit * self.rows[rows]).sum(1)
            out.div_(self.lengths[rows])
        else:
            torch.mm(unit, self.rows.T, out=out).div_(self.lengths.T)
        if self.weight != 1:
            own = out if self.own else out.diagonal(rows.start)
            own += math.log(self.weight) if self.weight else -math.inf

    def learn(self, weights: Float[Tensor, "r n"], unit: Float[Tensor, "r p"], rows: slice) -> None:
        if self.gradient is None:
            return
        if self.own:
            torch.mul(unit, weights, out=self.gradient[rows])
        else:
            self.gradient.addmm_(weights.T, unit)

    def teach(self, weights: Float[Tensor, "r n"], rows: slice, gradient: Float[Tensor, "r p"], first: bool) -> None:
        """Adds to the gradient of the anchors, or `first` begins it; `weights` are used up."""
        weights.div_(self.lengths[rows] if self.own else self.lengths.T)
        if self.own:
            if first:
                gradient.zero_()
            gradient.addcmul_(weights, self.rows[rows])
        elif first:
            torch.mm(weights, self.rows, out=gradient)
        else:
            gradient.addmm_(weights, self.rows)


def _lengths(x: Float[Tensor, "n p"]) -> Float[Tensor, "n 1"]:
    return torch.linalg.vector_norm(x, dim=1, keepdim=True).clamp_min(EPSILON)


def _through_normalisation(x: Float[Tensor, "n p"], gradient: Float[Tensor, "n p"]) -> None:
    """Turns the gradient of the unit rows of x into that of x, in place."""
    for some, g in zip(x.split(ROWS), gradient.split(ROWS), strict=True):
        length = _lengths(some)
        unit = some / length
        g.sub_(unit * (unit * g).sum(1, keepdim=True)).div_(length)
