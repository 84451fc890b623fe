"""Blocks of patches that are hidden from the model, as in BEiT and DINOv2."""

import functools
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from diptych.core import Draw, Picture

TRIES = 10
LEAST = 4  # patches of a block
ASPECT = 0.3  # of a block, and its inverse
OF_ALL = (1 << 48) + 1024  # a view that no recipe has: numbers of a whole step


@dataclass(frozen=True)
class BlockMask:
    """Hides rectangles of patches in a part of the crops of a step.

    Of all crops of a step that may be masked, `crops` views of each picture, exactly int(`fraction` x their number)
    are, drawn anew at every step. The i-th of these has a ratio of hidden patches that is uniform in the i-th of as
    many equal parts of `ratio`: ratios are stratified over the step, whatever its micro-batches and processes.
    `crop` is which of these views this is. Rectangles of four patches or more are added until so many patches are
    hidden, or ten in a row do not fit.
    """

    paper = "arXiv:2106.08254"

    patch: int
    crop: int = 0
    crops: int = 2
    fraction: float = 0.5
    ratio: tuple[float, float] = (0.1, 0.5)

    def __post_init__(self) -> None:
        if self.patch < 1 or not 0 <= self.crop < self.crops:
            raise ValueError(f"a patch is 1 or more, a crop one of 0..{self.crops - 1}; got {self.patch}, {self.crop}")
        if not 0 <= self.fraction <= 1:
            raise ValueError(f"what is masked is a part of the crops, from 0 to 1; got fraction={self.fraction}")
        if not 0 <= self.ratio[0] <= self.ratio[1] <= 1:
            raise ValueError(f"what is hidden is a part of the patches, from 0 to 1; got ratio={self.ratio}")

    def __call__(self, picture: Picture, draw: Draw) -> Picture:
        if picture.plan.out is None:
            raise ValueError("a mask hides patches of a crop; crop the picture first")
        h, w = grid(picture.plan.out, self.patch)
        ratio = _ratios(draw.seed, draw.step, draw.of * self.crops, self.fraction, self.ratio)
        many = int(h * w * ratio[self.crop * draw.of + draw.place])
        mask = blocks(h, w, many, draw.own) if many else np.zeros((h, w), bool)
        return replace(picture, plan=replace(picture.plan, mask=mask))


def grid(out: tuple[int, int], patch: int) -> tuple[int, int]:
    """Patches down and across a picture. Raises ValueError if they do not fill it."""
    if out[0] % patch or out[1] % patch:
        raise ValueError(
            f"patches of {patch} pixels do not fill a crop of {out[0]} x {out[1]}; choose a crop that {patch} divides"
        )
    return out[0] // patch, out[1] // patch


@functools.lru_cache(maxsize=16)
def _ratios(
    seed: int, step: int, crops: int, fraction: float, bounds: tuple[float, float]
) -> Float[np.ndarray, " crops"]:
    """The ratio of hidden patches of every crop of a step; 0 for those that are not masked."""
    rng = Draw(seed, step, 0, OF_ALL).own
    chosen = rng.permutation(crops)[: int(crops * fraction)]
    edges = np.linspace(*bounds, len(chosen) + 1)
    found = np.zeros(crops)
    found[chosen] = edges[:-1] + rng.random(len(chosen)) * np.diff(edges)
    return found


def blocks(h: int, w: int, many: int, rng: np.random.Generator) -> Bool[np.ndarray, "h w"]:
    """At most `many` of h x w patches, as rectangles, each of which hides at least one more.

    A rectangle has 4 patches or more, at most as many as are to be hidden yet and at most half of all; its aspect is
    uniform in the logarithm between 0.3 and its inverse.
    """
    mask, hidden = np.zeros((h, w), bool), 0
    while hidden < many:
        most = min(many - hidden, h * w // 2)
        for area, aspect, down, across in rng.random((TRIES, 4)).tolist():
            area = LEAST + (most - LEAST) * area
            ratio = ASPECT ** (1 - 2 * aspect)
            high, wide = round((area * ratio) ** 0.5), round((area / ratio) ** 0.5)
            if not (0 < high < h and 0 < wide < w):
                continue
            top, left = int(down * (h - high + 1)), int(across * (w - wide + 1))
            block = mask[top : top + high, left : left + wide]
            if 0 < (new := block.size - int(block.sum())) <= most:
                block[:] = True
                hidden += new
                break
        else:
            break
    return mask
