"""Boxes of pictures resized, each by its own: first down, then across.

A pixel of the output is a weighted sum of the pixels around its place. Where a box shrinks the filter widens with it
(antialiasing); pixels outside the box count as far as the filter reaches and the picture goes. That is what Pillow's
`resize(size, resample, box)` computes, but for its rounding to whole numbers.

Shapes: b pictures, o pixels of a line of the output, k taps, h w of the picture, p q of the output.
"""

import math

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from diptych.pictures.taps import weighted

REACH = 2.0  # pixels, of the cubic filter
CUBIC = -0.5  # Keys, IEEE ASSP 1981


def cubic(x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The cubic convolution kernel of Keys, with a = -1/2."""
    a, x = CUBIC, x.abs()
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


def taps(length: float, o: int) -> int:
    """Pixels that may count for one of the output, where `length` of them become `o`."""
    return math.ceil(2 * REACH * max(1.0, length / o)) + 1


def filters(
    start: Float[Tensor, " b"], length: Float[Tensor, " b"], extent: Int[Tensor, " b"], o: int, k: int
) -> tuple[Int[Tensor, "b o k"], Float[Tensor, "b o k"]]:
    """Where the pixels are that make each of `o`, and their weights: of `length` pixels from `start` on.

    A picture has `extent` pixels; weights beyond them are 0, and so they are of taps that a filter does not need.
    """
    scale = (length / o)[:, None]
    wide = scale.clamp(min=1.0)
    centre = start[:, None] + (torch.arange(o, device=start.device) + 0.5) * scale
    first = (centre - REACH * wide).floor()
    pixel = first[..., None] + torch.arange(k, device=start.device)
    found = cubic((pixel + 0.5 - centre[..., None]) / wide[..., None])
    last = extent[:, None, None] - 1
    found = torch.where((pixel >= 0) & (pixel <= last), found, 0.0)
    place = torch.minimum(pixel.clamp(min=0).long(), last)
    return place, found / found.sum(2, keepdim=True)


def resized(
    x: Float[Tensor, "b h 3 w"],
    box: Float[Tensor, "b 4"],
    extent: Int[Tensor, "b 2"],
    flip: Bool[Tensor, " b"],
    p: int,
    q: int,
    k: int,
) -> Float[Tensor, "b 3 p q"]:
    """Boxes (top, left, height, width) of pictures at p x q, some of them mirrored. Numbers stay within 0 and 1.

    `k` is what `taps` says of the box that shrinks most, or more.
    """
    b, h, _, w = x.shape
    down = filters(box[:, 0], box[:, 2], extent[:, 0], p, k)
    across = filters(box[:, 1], box[:, 3], extent[:, 1], q, k)
    place, weight = (torch.where(flip[:, None, None], each.flip(1), each) for each in across)
    lines = weighted(x.reshape(b, h, 3 * w), *down).view(b, p * 3, w)
    out = weighted(lines.transpose(1, 2), place, weight).view(b, q, p, 3)
    return out.permute(0, 3, 2, 1).clamp(0.0, 1.0).contiguous()
