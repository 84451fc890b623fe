"""Encoded pictures as pixels: uint8 [h, w, 3], RGB. Nothing but NumPy and Pillow, for processes that begin at once.

What is transparent lies on white. Of 16 bits the upper eight are kept. A photograph stands as its camera was held
(EXIF); of an animation the first frame is taken.
"""

import io
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import UInt8
    from PIL.Image import Image

MOST = 1 << 27  # pixels; more are not decoded
LONGEST = 4  # long side over short side; more is cut off at both ends


class Unreadable(ValueError):  # noqa: N818 - it says why, in words that equal reasons share
    """A picture that cannot be read, and why: "damaged", "no picture", ..."""


def decoded(raw: bytes | str | Path, short: int | None = None) -> "tuple[UInt8[np.ndarray, 'h w 3'], bool]":
    """The pixels of an encoded picture, its short side reduced to `short` if it is longer; and whether ends were cut.

    Raises Unreadable, whatever is wrong with it.
    """
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(io.BytesIO(raw) if isinstance(raw, bytes) else raw) as image:
                return _reduced(image, short)
    except Unreadable:
        raise
    except Image.DecompressionBombError:
        raise _too_large() from None
    except FileNotFoundError:
        raise Unreadable("no such file") from None
    except Image.UnidentifiedImageError:
        raise Unreadable("no picture") from None
    except Exception:  # decoders raise all kinds of errors for what is damaged
        raise Unreadable("damaged") from None


def _too_large() -> Unreadable:
    return Unreadable(f"more than {MOST / 1e6:,.0f} million pixels")


def _reduced(image: "Image", short: int | None) -> "tuple[UInt8[np.ndarray, 'h w 3'], bool]":
    from PIL import ImageOps

    if image.width * image.height > MOST:
        raise _too_large()
    if short and image.format == "JPEG":
        image.draft(None, (2 * short, 2 * short))  # decodes no more than is needed
    rgb = to_rgb(ImageOps.exif_transpose(image))
    side = min(rgb.size)
    width, height = (min(length, LONGEST * side) for length in rgb.size)
    cut = (width, height) != rgb.size
    if cut:
        left, top = (rgb.width - width) // 2, (rgb.height - height) // 2
        rgb = rgb.crop((left, top, left + width, top + height))
    return reduced(np.asarray(rgb), short), cut


def reduced(pixels: "UInt8[np.ndarray, 'h w 3']", short: int | None) -> "UInt8[np.ndarray, 'h w 3']":
    """Pixels whose short side is at most `short`."""
    from PIL import Image

    height, width = pixels.shape[:2]
    side = min(height, width)
    if not short or side <= short:
        return pixels
    size = round(width * short / side), round(height * short / side)
    return np.asarray(Image.fromarray(pixels).resize(size, Image.Resampling.BICUBIC, reducing_gap=3.0))


def to_rgb(image: "Image") -> "Image":
    """An image of any mode in RGB. Raises Unreadable for numbers of which nobody says how bright they are."""
    from PIL import Image

    if image.mode.startswith("I"):
        deep = np.asarray(image).astype(np.int64)
        if deep.min() < 0 or deep.max() > 0xFFFF:
            raise Unreadable("integers of more than 16 bits")
        return Image.fromarray((deep >> 8).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise Unreadable("floating-point numbers, of which nobody says how bright they are")
    if image.mode in ("LA", "PA", "RGBA", "La", "RGBa") or "transparency" in image.info:
        above = image.convert("RGBA")
        white = Image.new("RGBA", above.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, above).convert("RGB")
    return image.convert("RGB")
