"""Gaussian blur, each picture by its own sigma: a product with two matrices per picture.

Weights end at a radius and add up to 1; a line is continued by its mirror image, its last pixel not repeated.

Shapes: b pictures, h w pixels, n pixels of a line, k offsets within the largest radius.
"""

import functools

import torch
from jaxtyping import Float, Int
from torch import Tensor


def blurred(
    x: Float[Tensor, "b 3 h w"], sigma: Float[Tensor, " b"], radius: Int[Tensor, " b"], most: int
) -> Float[Tensor, "b 3 h w"]:
    """`most` is a bound of the radii."""
    b, _, h, w = x.shape
    along = torch.arange(-most, most + 1, device=x.device)
    bell = torch.exp(-0.5 * (along / sigma[:, None]).square())
    bell = torch.where(along.abs() <= radius[:, None], bell, 0.0)
    bell = bell / bell.sum(1, keepdim=True)
    down, across = ((bell @ _mirrored(n, most, str(x.device)).flatten(1)).view(b, n, n) for n in (h, w))
    lines = torch.bmm(x.reshape(b, 3 * h, w), across.transpose(1, 2)).view(b, 3, h, w)
    return torch.matmul(down[:, None], lines)


@functools.lru_cache(maxsize=16)
def _mirrored(n: int, most: int, device: str) -> Float[Tensor, "k n n"]:
    """1 where pixel j of a line is what stands at an offset from pixel i."""
    place = torch.arange(n)[None] + torch.arange(-most, most + 1)[:, None]
    around = max(1, 2 * (n - 1))
    place = (place % around).where(place % around < n, around - place % around)
    return torch.nn.functional.one_hot(place, n).float().to(device)
