"""What a person has as a picture: a path, bytes, an image of Pillow, or an array."""

from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8

from diptych.core import DataError
from diptych.pictures.decode import Unreadable, decoded, to_rgb
from diptych.plural import counted

Pixels = UInt8[np.ndarray, "h w 3"]


def pixels(raw: Any) -> Pixels:
    """A path, bytes, an image of Pillow, or an array as pixels.

    Raises DataError for what cannot be read, ValueError for what is no picture.
    """
    from PIL import Image

    try:
        if isinstance(raw, str | Path | bytes):
            return decoded(raw)[0]
        if isinstance(raw, Image.Image):
            return np.asarray(to_rgb(raw))
    except Unreadable as error:
        name = f"{counted(len(raw), 'byte')}" if isinstance(raw, bytes) else raw
        raise DataError(f"{name} cannot be read as a picture: {error}") from None
    return from_array(np.asarray(raw))


def from_array(x: np.ndarray) -> Pixels:
    """An array [h, w], [h, w, 1], [h, w, 3] or [h, w, 4] of uint8, uint16, bool, or floats in 0..1.

    Raises ValueError for another shape or kind of number.
    """
    from PIL import Image

    x = x[:, :, 0] if x.ndim == 3 and x.shape[2] == 1 else x
    if not (x.ndim == 2 or (x.ndim == 3 and x.shape[2] in (3, 4))) or 0 in x.shape:
        raise ValueError(f"a picture is an array [h, w], [h, w, 3] or [h, w, 4]; got {list(x.shape)}")
    x = bytes_of(x)
    if x.ndim == 3 and x.shape[2] == 3:
        return np.ascontiguousarray(x)
    return np.asarray(to_rgb(Image.fromarray(np.ascontiguousarray(x))))


def bytes_of(x: np.ndarray) -> UInt8[np.ndarray, "..."]:
    """Brightness in whole numbers up to 255. Raises ValueError for numbers of which nobody says how bright they are."""
    if x.dtype.kind == "f":
        if not np.isfinite(x).all():
            raise ValueError("a brightness is no number")
        if x.min() < 0 or x.max() > 1:
            raise ValueError("a picture of floats is from 0 to 1, and this one goes beyond")
        return (x * 255 + 0.5).astype(np.uint8)
    if x.dtype == np.uint16:
        return (x >> 8).astype(np.uint8)
    if x.dtype == bool:
        return x.astype(np.uint8) * 255
    if x.dtype != np.uint8:
        raise ValueError(f"a picture is of uint8, uint16, bool, or floats from 0 to 1; got {x.dtype}")
    return x
