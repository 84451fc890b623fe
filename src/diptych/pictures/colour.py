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
TINY = 1e-12  # in place of a zero beneath a zero


def luminance(x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1 h w"]:
    red, green, blue = x.unbind(1)
    a, b, c = LUMINANCE
    return (a * red).add_(green, alpha=b).add_(blue, alpha=c)[:, None]


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
    mean = gray.mean((2, 3), keepdim=True) * ((which == 1) * (1 - by))
    other = gray.mul_((which == 2) * (1 - by)).add_(mean)
    return (x * by).add_(other).clamp_(0.0, 1.0)


def turned(x: Float[Tensor, "b 3 h w"], by: Float[Tensor, " b"]) -> Float[Tensor, "b 3 h w"]:
    """Hues turned by a part of the circle.

    A hue h goes from 0 to 6; red is then as bright as |h - 3| - 1 says, green 2 - |h - 2|, blue 2 - |h - 4|, each cut
    to 0..1, between the least and the largest value of the pixel.
    """
    value, least = x.amax(1), x.amin(1)
    spread = value - least
    red, green, blue = x.unbind(1)
    each = spread.clamp(min=TINY).reciprocal_()  # of a gray pixel, all differences are 0
    of_red, of_green, of_blue = (green - blue) * each, ((blue - red) * each).add_(2), ((red - green) * each).add_(4)
    hue = of_blue.lerp_(of_green, (value == green).float()).lerp_(of_red, (value == red).float())  # as `where`, faster
    hue.div_(6).add_(by[:, None, None])
    hue.sub_(hue.floor()).mul_(6)
    out = torch.stack([hue - 3, hue - 2, hue - 4], 1).abs_()
    out[:, 0].sub_(1)
    out[:, 1:].neg_().add_(2)
    return out.clamp_(0.0, 1.0).mul_(spread[:, None]).add_(least[:, None])


def grayed(x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
    return luminance(x).expand_as(x)


def solarized(x: Float[Tensor, "b 3 h w"], threshold: Float[Tensor, " b"]) -> Float[Tensor, "b 3 h w"]:
    """What is at a threshold (of 0 to 256) or above it is inverted."""
    return torch.where(x * 255 >= threshold[:, None, None, None], 1 - x, x)
