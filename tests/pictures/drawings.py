"""Pictures to test with."""

import numpy as np
from PIL import Image

from diptych.core import Picture, Plan


def smooth(h, w, seed=0):
    """Blotches of colour."""
    coarse = np.random.default_rng(seed).integers(0, 256, (max(2, h // 3), max(2, w // 3), 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((w, h), Image.Resampling.BICUBIC))


def picture(h=32, w=32, seed=0, **plan):
    return Picture(smooth(h, w, seed), Plan(**plan))
