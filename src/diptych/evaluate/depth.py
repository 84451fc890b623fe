"""Linear depth: the distance of every pixel, from one linear layer on frozen patches.

The layer is binned, as in DINOv2: a patch has a weight max(0, output) + 0.1 for each of 256 depths, evenly spaced from
the least to the greatest, and its depth is their weighted mean. Depths of patches are upsampled bilinearly. The loss is
the scale-invariant one of Eigen et al., arXiv:1406.2283, sqrt(E[g^2] - 0.85 E[g]^2) of g = log depth - log truth.
Source: DINOv2, arXiv:2304.07193. There the token of the whole picture stands beside every patch, features are upsampled
before the layer and not standardised, and the loss is at first the error of scale, E[g], alone.

Shapes: n images, (h w) patches of width d, (y x) pixels. Depths are in metres; what is not finite or not above 0 is
missing.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from diptych.core import DataError
from diptych.evaluate import dense
from diptych.evaluate.dense import Patches
from diptych.plural import counted

Depths = Float[np.ndarray, "n y x"]
BINS, FLOOR, VARIANCE, DELTA = 256, 0.1, 0.85, 1.25


@dataclass(frozen=True)
class Depth:
    """Errors of each image over its pixels with a depth: `rmse` in metres, `abs_rel` = E[|d - t| / t], and `delta1`,
    the part of pixels where max(d / t, t / d) < 1.25. An image without a depth has none of them.
    """

    rmse: Float[np.ndarray, " m"]
    abs_rel: Float[np.ndarray, " m"]
    delta1: Float[np.ndarray, " m"]


def errors(truth: Depths, found: Depths) -> Depth:
    """Errors of each image that has a depth. Raises DataError if none has."""
    there = present(truth)
    told = []
    for depth, guess, known in zip(truth, found, there, strict=True):
        if known.any():
            t, d = depth[known].astype(np.float64), guess[known].astype(np.float64)
            ratio = np.maximum(d / t, t / d)
            told.append((np.sqrt(np.mean((d - t) ** 2)), np.mean(np.abs(d - t) / t), np.mean(ratio < DELTA)))
    return Depth(*np.array(told).T)


def present(depths: Depths) -> Bool[np.ndarray, "n y x"]:
    """Which pixels have a depth. Raises DataError if none has."""
    there = np.isfinite(depths) & (depths > 0)
    if not there.any():
        raise DataError(
            f"no pixel of {counted(len(depths), 'depth map')} has a depth, so there is nothing to learn or to judge"
        )
    return there


def linear_depth(
    train: tuple[Patches, Depths],
    test: tuple[Patches, Depths],
    bins: int = BINS,
    steps: int = dense.STEPS,
    seed: int = 0,
) -> Depth:
    """A linear layer fitted on `train`, asked of `test`; each is patches and depths of the same images.

    Bins are between the least and the greatest training depth. Raises DataError where there is no depth.
    """
    there = present(train[1])
    span = float(train[1][there].min()), float(train[1][there].max())
    found = fitted(train[0], np.where(there, train[1], 0).astype(np.float32), span, bins, steps, seed)
    return errors(test[1], found(test[0], test[1].shape[1:]))


def fitted(
    patches: Patches, depths: Depths, span: tuple[float, float], bins: int, steps: int, seed: int
) -> Callable[[Patches, tuple[int, int]], Depths]:
    """From patches to depths of a size; 0 is a missing depth."""
    middles = torch.linspace(*span, bins)

    def told(outputs: Float[Tensor, "b o h w"], size: tuple[int, int]) -> Float[Tensor, "b y x"]:
        weights = outputs.relu() + FLOOR
        depth = (weights * middles[:, None, None]).sum(1) / weights.sum(1)
        return dense.upsampled(depth[:, None], size)[:, 0]

    def loss(outputs: Float[Tensor, "b o h w"], truth: Float[Tensor, "b y x"]) -> Tensor:
        return scale_invariant(told(outputs, (truth.shape[1], truth.shape[2])), truth)

    layer = dense.fit(patches, depths, bins, loss, steps, seed)
    return lambda x, size: told(layer(x), size).numpy()


def scale_invariant(found: Float[Tensor, "b y x"], truth: Float[Tensor, "b y x"]) -> Float[Tensor, ""]:
    """sqrt(E[g^2] - 0.85 E[g]^2), g = log found - log truth, over pixels with a depth; 0 if there is none."""
    known = truth > 0
    if not known.any():
        return 0 * found.sum()
    g = found[known].log() - truth[known].log()
    return torch.sqrt((g * g).mean() - VARIANCE * g.mean() ** 2 + 1e-12)
