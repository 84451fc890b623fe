"""Gaussian blur, each picture by its own sigma: first across, then down.

Weights end at a radius and add up to 1; a line is continued by its mirror image, its last pixel not repeated.

Shapes: b pictures, h w pixels, n pixels of a line, k offsets within the largest radius.
"""

import functools

import torch
from jaxtyping import Float, Int
from torch import Tensor

from diptych.pictures.taps import weighted


def blurred(
    x: Float[Tensor, "b 3 h w"], sigma: Float[Tensor, " b"], radius: Int[Tensor, " b"], most: int
) -> Float[Tensor, "b 3 h w"]:
    """`most` is a bound of the radii."""
    b, _, h, w = x.shape
    along = torch.arange(-most, most + 1, device=x.device)
    bell = torch.exp(-0.5 * (along / sigma[:, None]).square())
    bell = torch.where(along.abs() <= radius[:, None], bell, 0.0)
    bell = (bell / bell.sum(1, keepdim=True)).repeat_interleave(3, 0)[:, None]  # of each channel
    lines = x.reshape(3 * b, h, w).transpose(1, 2)
    for n in (w, h):  # across, then down
        place = _mirrored(n, most, str(x.device)).expand(3 * b, -1, -1)
        lines = weighted(lines, place, bell.expand(-1, n, -1)).transpose(1, 2)
    return lines.transpose(1, 2).view(b, 3, h, w)


@functools.lru_cache(maxsize=16)
def _mirrored(n: int, most: int, device: str) -> Int[Tensor, "n k"]:
    """The pixel that stands at each offset from each pixel of a line."""
    place = torch.arange(n)[:, None] + torch.arange(-most, most + 1)
    around = max(1, 2 * (n - 1))
    place = place % around
    return place.where(place < n, around - place).to(device)
