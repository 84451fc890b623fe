"""Boxes of pictures resized, each by its own; a product of two matrices per picture.

A row of such a matrix holds the weights with which pixels of a line make a pixel of the output. Where a box shrinks the
filter widens with it (antialiasing); pixels outside the box count as far as the filter reaches and the picture goes.
That is what Pillow's `resize(size, resample, box)` computes, but for its rounding to whole numbers.

Shapes: b pictures, n pixels of a line, o pixels of the output, h w of the picture, p q of the output.
"""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

REACH = 2.0  # pixels, of the cubic filter
CUBIC = -0.5  # Keys, IEEE ASSP 1981


def cubic(x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
    """The cubic convolution kernel of Keys, with a = -1/2."""
    a, x = CUBIC, x.abs()
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = ((a * x - 5 * a) * x + 8 * a) * x - 4 * a
    return torch.where(x < 1, near, torch.where(x < 2, far, 0.0))


def weights(
    start: Float[Tensor, " b"], length: Float[Tensor, " b"], extent: Int[Tensor, " b"], n: int, o: int
) -> Float[Tensor, "b o n"]:
    """From lines of `n` pixels, of which each picture has `extent`, to `o`: `length` of them from `start` on."""
    scale = length / o
    wide = scale.clamp(min=1.0)[:, None, None]
    centre = start[:, None] + (torch.arange(o, device=start.device) + 0.5) * scale[:, None]
    pixel = torch.arange(n, device=start.device, dtype=torch.float32)
    away = (pixel + 0.5 - centre[:, :, None]) / wide
    there = pixel < extent[:, None, None]
    found = torch.where(there, cubic(away), 0.0)
    return found / found.sum(2, keepdim=True)


def resized(
    x: Float[Tensor, "b h 3 w"],
    box: Float[Tensor, "b 4"],
    extent: Int[Tensor, "b 2"],
    flip: Bool[Tensor, " b"],
    p: int,
    q: int,
) -> Float[Tensor, "b 3 p q"]:
    """Boxes (top, left, height, width) of pictures at p x q, some of them mirrored. Numbers stay within 0 and 1."""
    b, h, _, w = x.shape
    down = weights(box[:, 0], box[:, 2], extent[:, 0], h, p)
    across = weights(box[:, 1], box[:, 3], extent[:, 1], w, q)
    across = torch.where(flip[:, None, None], across.flip(1), across)
    lines = torch.bmm(down, x.reshape(b, h, 3 * w)).view(b, p * 3, w)
    out = torch.bmm(lines, across.transpose(1, 2)).view(b, p, 3, q)
    return out.transpose(1, 2).clamp(0.0, 1.0).contiguous()
