"""How little an embedding changes when its image is augmented.

The mean cosine between augmentations of one image, less the mean cosine between different images: the first alone is
also high where all embeddings point one way.
Source: the invariance of arXiv:2406.09294 is the first term.

Shapes: n images, k augmentations of each, d width.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from diptych.measure.rows import unit


@dataclass(frozen=True)
class Invariance:
    """`value` is `within` less `between`, in [-2, 2]; `error` is its standard error over images."""

    value: float
    within: float
    between: float
    error: float


def invariance(x: Float[np.ndarray, "n k d"]) -> Invariance:
    """Mean cosine over pairs of augmentations of one image, and over pairs of any augmentations of two images.

    Sums of unit rows say both without a pair being formed. Raises ValueError below two images or two augmentations.
    """
    n, k, _ = x.shape
    if n < 2 or k < 2:
        raise ValueError(
            f"invariance compares augmentations of an image and images: at least 2 of each; got {n} images, {k} of each"
        )
    u = unit(torch.as_tensor(x).double()).numpy()
    sums, squares = u.sum(1), (u * u).sum((1, 2))  # squares are k, but for rows of zeros
    own = (sums * sums).sum(1)
    within = (own - squares) / (k * (k - 1))
    between = (sums @ sums.sum(0) - own) / (k * k * (n - 1))
    # each image is in one mean of `within`, but in two of every pair of images
    spread = np.std(within - 2 * between, ddof=1) / np.sqrt(n)
    a, b = float(within.mean()), float(between.mean())
    return Invariance(a - b, a, b, float(spread))
