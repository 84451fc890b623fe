"""Files, bytes, arrays and images of Pillow as pixels: uint8 [h, w, 3], RGB.

What is transparent lies on white. Of 16 bits the upper eight are kept. A photograph stands as its camera was held
(EXIF); of an animation the first frame is taken.
"""

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import UInt8

from diptych.core import DataError

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = UInt8[np.ndarray, "h w 3"]
MOST = 1 << 27  # pixels; more are not decoded
LONGEST = 4  # long side over short side; more is cut off at both ends


class UnreadableError(DataError):
    """A picture that cannot be read. Its text says why, so that equal reasons can be counted."""


def decoded(raw: bytes | str | Path, short: int | None = None) -> tuple[Pixels, bool]:
    """The pixels of an encoded picture, and whether its ends were cut off; one that is larger has its short side
    reduced to `short`.

    Raises UnreadableError, whatever is wrong with it.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(raw) if isinstance(raw, bytes) else raw) as image:
                return _reduced(image, short)
    except UnreadableError:
        raise
    except Image.DecompressionBombError:
        raise _too_large() from None
    except FileNotFoundError:
        raise UnreadableError("there is no such file") from None
    except Exception as error:  # decoders raise all kinds of errors for what is damaged
        kind = "is no picture" if type(error).__name__ == "UnidentifiedImageError" else "is damaged"
        raise UnreadableError(kind) from None


def _too_large() -> UnreadableError:
    return UnreadableError(f"has more than {MOST / 1e6:,.0f} million pixels")


def _reduced(image: "Image", short: int | None) -> tuple[Pixels, bool]:
    from PIL import Image, ImageOps

    if image.width * image.height > MOST:
        raise _too_large()
    if short and image.format == "JPEG":
        image.draft(None, (2 * short, 2 * short))  # decodes no more than is needed
    rgb = to_rgb(ImageOps.exif_transpose(image))
    width, height = rgb.size
    side = min(width, height)
    longest = LONGEST * side
    cut = max(width, height) > longest
    if cut:
        left, top = max(0, (width - longest) // 2), max(0, (height - longest) // 2)
        rgb = rgb.crop((left, top, left + min(width, longest), top + min(height, longest)))
        width, height = rgb.size
    if short and side > short:
        size = max(short, round(width * short / side)), max(short, round(height * short / side))
        rgb = rgb.resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0)
    return np.asarray(rgb), cut


def to_rgb(image: "Image") -> "Image":
    """An image of any mode in RGB. Raises UnreadableError for numbers of which nobody says how bright they are."""
    from PIL import Image

    if image.mode.startswith("I"):
        deep = np.asarray(image).astype(np.int64)
        if deep.min() < 0 or deep.max() > 0xFFFF:
            raise UnreadableError("has integers of more than 16 bits")
        return Image.fromarray((deep >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise UnreadableError("has floating-point numbers, of which nobody says how bright they are")
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        above = image.convert("RGBA")
        white = Image.new("RGBA", above.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, above).convert("RGB")
    return image.convert("RGB")


def pixels(raw: Any) -> Pixels:
    """What a person has as pixels: a path, bytes, an image of Pillow, an array [h, w], [h, w, 1], [h, w, 3] or
    [h, w, 4] of uint8, or of floats in 0..1.

    Raises UnreadableError for what cannot be read, ValueError for what is no picture.
    """
    from PIL import Image

    if isinstance(raw, str | Path):
        try:
            return decoded(raw)[0]
        except UnreadableError as error:
            raise UnreadableError(f"{raw} {error}") from None
    if isinstance(raw, bytes):
        return decoded(raw)[0]
    if isinstance(raw, Image.Image):
        return np.asarray(to_rgb(raw))
    return from_array(np.asarray(raw))


def from_array(x: np.ndarray) -> Pixels:
    """An array of one picture. Raises ValueError for another shape or kind of number."""
    from PIL import Image

    x = x[:, :, 0] if x.ndim == 3 and x.shape[2] == 1 else x
    if not (x.ndim == 2 or (x.ndim == 3 and x.shape[2] in (3, 4))) or 0 in x.shape:
        raise ValueError(f"a picture is an array [h, w], [h, w, 3] or [h, w, 4]; got {list(x.shape)}")
    if x.dtype.kind == "f" and np.isfinite(x).all() and x.min() >= 0 and x.max() <= 1:
        x = (x * 255 + 0.5).astype(np.uint8)
    elif x.dtype == np.uint16:
        x = (x >> 8).astype(np.uint8)
    elif x.dtype == bool:
        x = x.astype(np.uint8) * 255
    if x.dtype != np.uint8:
        raise ValueError(f"a picture is of uint8, uint16, bool, or floats from 0 to 1; got {x.dtype}")
    if x.ndim == 3 and x.shape[2] == 3:
        return np.ascontiguousarray(x)
    return np.asarray(to_rgb(Image.fromarray(np.ascontiguousarray(x))))
