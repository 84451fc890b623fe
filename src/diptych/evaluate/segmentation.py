"""Linear segmentation: the class of every pixel, from one linear layer on frozen patches.

Logits of patches are upsampled bilinearly to the size of the mask, in training too, where the loss is the mean
cross-entropy of pixels (of every s-th in each direction, where a patch is many pixels wide). The score is the mean
intersection over union (IoU) of classes.
Source: after the linear protocol of DINOv2, arXiv:2304.07193, in fewer steps and on whole images.

Shapes: n images, (h w) patches of width d, (y x) pixels, c classes.
"""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Bool, Float, Int
from torch import Tensor

from diptych.core import DataError
from diptych.evaluate import dense
from diptych.evaluate.dense import Patches
from diptych.evaluate.interval import DRAWS, Interval

Masks = Int[np.ndarray, "n y x"]
AT_ONCE = 16  # images whose logits are upsampled at once


@dataclass(frozen=True)
class Segmentation:
    """`confusions[i, t, p]` is how many pixels of image i are of class t and were said to be of class p."""

    confusions: Int[np.ndarray, "n c c"]

    @property
    def ious(self) -> Float[np.ndarray, " c"]:
        """The IoU of each class over all images; NaN for one that is neither there nor said to be."""
        return ious(self.confusions.sum(0))

    @property
    def mean_iou(self) -> float:
        """The mean over classes that are there or said to be: one that is neither is not counted."""
        return float(np.nanmean(self.ious))

    @property
    def accuracy(self) -> float:
        """The part of pixels that are right."""
        whole = self.confusions.sum(0)
        return float(np.trace(whole) / whole.sum())

    def interval(self, seed: int = 0, draws: int = DRAWS) -> Interval:
        """The 95 % interval of the mean IoU, by a bootstrap over images."""
        n = len(self.confusions)
        chosen = np.random.default_rng(seed).multinomial(n, np.full(n, 1 / n), draws)
        wholes = np.einsum("dn,ntp->dtp", chosen, self.confusions)
        wholes = wholes[wholes.sum((1, 2)) > 0]
        low, high = np.quantile(np.nanmean(ious(wholes), axis=-1), [0.025, 0.975])
        return float(low), float(high)


def ious(confusion: Int[np.ndarray, "... c c"]) -> Float[np.ndarray, "... c"]:
    """Intersection over union: pixels that are of a class and said to be, over those that are one of the two."""
    right = np.diagonal(confusion, axis1=-2, axis2=-1)
    either = confusion.sum(-1) + confusion.sum(-2) - right
    return np.divide(right, either, out=np.full(right.shape, np.nan), where=either > 0)


def confusions(truth: Masks, found: Masks, classes: int, ignore: int | None = None) -> Int[np.ndarray, "n c c"]:
    """How many pixels of each image are of class t and found to be of class p; `ignore` is a class of no pixel.

    Raises DataError for a class that is not in 0..classes - 1 and not ignored.
    """
    counted = known(truth, classes, ignore)
    image = np.arange(len(truth))[:, None, None]
    pair = (image * classes + np.where(counted, truth, 0)) * classes + found
    return np.bincount(pair[counted], minlength=len(truth) * classes**2).reshape(-1, classes, classes)


def known(masks: Masks, classes: int, ignore: int | None) -> Bool[np.ndarray, "n y x"]:
    """Which pixels have a class. Raises DataError for a class that is not one, or if no pixel has any."""
    counted = np.ones(masks.shape, bool) if ignore is None else masks != ignore
    wrong = np.unique(masks[counted & ((masks < 0) | (masks >= classes))])
    if len(wrong):
        told = "" if ignore is None else f", {ignore} for none"
        raise DataError(f"masks have classes 0..{classes - 1}{told}; got {', '.join(map(str, wrong[:5].tolist()))}")
    if not counted.any():
        raise DataError(f"no pixel of {len(masks)} masks has a class, so there is nothing to learn or to judge")
    return counted


def linear_segmentation(
    train: tuple[Patches, Masks],
    test: tuple[Patches, Masks],
    classes: int,
    ignore: int | None = None,
    steps: int = dense.STEPS,
    seed: int = 0,
) -> Segmentation:
    """A linear layer fitted on `train`, asked of `test`; each is patches and masks of the same images.

    Raises what `confusions` and `dense.fit` raise.
    """
    masks = np.where(known(train[1], classes, ignore), train[1].astype(np.int64), -1)
    step = dense.stride(masks.shape[1:], train[0].shape[1:3])
    layer = dense.fit(train[0], masks[:, step // 2 :: step, step // 2 :: step], classes, _loss, steps, seed)
    return Segmentation(confusions(test[1], segmented(layer, test[0], test[1].shape[1:]), classes, ignore))


def segmented(layer: dense.Dense, patches: Patches, size: tuple[int, int]) -> Masks:
    """The class of most weight at each pixel."""
    parts = (patches[i : i + AT_ONCE] for i in range(0, len(patches), AT_ONCE))
    return np.concatenate([dense.upsampled(layer(part), size).argmax(1).numpy() for part in parts])


def _loss(logits: Float[Tensor, "b c h w"], masks: Int[Tensor, "b y x"]) -> Tensor:
    """Mean over pixels with a class; 0 if a batch has none."""
    whole = dense.upsampled(logits, (masks.shape[1], masks.shape[2]))
    total = F.cross_entropy(whole, masks, ignore_index=-1, reduction="sum")
    return total / torch.clamp((masks >= 0).sum(), min=1)
