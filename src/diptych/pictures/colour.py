"""Colours of pictures changed, each by its own factors in its own order.

As torchvision defines them: brightness, contrast and saturation mix a picture with black, with the mean of its
luminance, and with its luminance; a hue is turned at equal saturation and value (HSV). Numbers are cut to 0..1 after
each. Luminance is .299 R + .587 G + .114 B.

Shapes: b pictures, h w pixels.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

LUMINANCE = (0.299, 0.587, 0.114)


def luminance(x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
    red, green, blue = x.unbind(1)
    a, b, c = LUMINANCE
    return (a * red + b * green + c * blue)[:, None]


def jittered(
    x: Float[Tensor, "b 3 h w"], factors: Float[Tensor, "b 4"], order: Int[Tensor, "b 4"], turns: Sequence[int]
) -> Float[Tensor, "b 3 h w"]:
    """Brightness, contrast, saturation and hue, in the order of each picture.

    Pictures are sorted by when their hue is turned: `turns[k]` of them do it as the k-th of the four.
    """
    first = 0
    for turn, many in enumerate(turns):
        which, hues = order[:, turn], slice(first, first + many)
        by = factors.gather(1, which[:, None])[:, 0]
        mixed = blended(x, by, which)
        mixed[hues] = turned(x[hues], by[hues])
        x, first = mixed, first + many
    return x


def blended(x: Float[Tensor, "b 3 h w"], by: Float[Tensor, " b"], which: Int[Tensor, " b"]) -> Float[Tensor, "b 3 h w"]:
    """Brightness (0), contrast (1) or saturation (2) of each picture; of a hue (3), nothing of use."""
    gray = luminance(x)
    which, by = which[:, None, None, None], by[:, None, None, None]
    other = torch.where(which == 1, gray.mean((2, 3), keepdim=True), torch.where(which == 0, 0.0, gray))
    return torch.lerp(other, x, by).clamp(0.0, 1.0)


def turned(x: Float[Tensor, "b 3 h w"], by: Float[Tensor, " b"]) -> Float[Tensor, "b 3 h w"]:
    """Hues turned by a part of the circle."""
    value, least = x.amax(1), x.amin(1)
    spread = value - least
    red, green, blue = x.unbind(1)
    safe = torch.where(spread > 0, spread, 1.0)
    sixth = torch.where(
        value == red,
        (green - blue) / safe,
        torch.where(value == green, 2 + (blue - red) / safe, 4 + (red - green) / safe),
    )
    sixth = sixth + 6 * by[:, None, None]
    k = torch.stack([sixth + 5, sixth + 3, sixth + 1], 1)
    k = k - 6 * (k / 6).floor()  # `remainder` is five times as slow
    return value[:, None] - spread[:, None] * torch.minimum(k, 4 - k).clamp(0.0, 1.0)


def grayed(x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    return luminance(x).expand_as(x)


def solarized(x: Float[Tensor, "b 3 h w"], threshold: Float[Tensor, " b"]) -> Float[Tensor, "b 3 h w"]:
    """What is at a threshold (of 0 to 256) or above it is inverted."""
    return torch.where(x * 255 >= threshold[:, None, None, None], 1 - x, x)
