"""The four ways to augment pictures that arXiv:2406.09294 compares.

original      resized crops, flips and colours, each view for itself
shared        the same resized crops; one draw of colours (and of the flip) for all views of a picture
crop-resize   the same resized crops, and nothing else
crop          crops of a fixed size from a picture that is resized once, and nothing else
"""

from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from diptych.core import Transform
from diptych.views.input.image.colour import Colour
from diptych.views.input.image.crop import FixedCrop, ResizedCrop
from diptych.views.input.image.flip import Flip
from diptych.views.input.then import chain

Strategy = Literal["original", "shared", "crop-resize", "crop"]
BEFORE = 256 / 224  # the short side that a picture is resized to, over that of a crop, unless it is given


@dataclass(frozen=True)
class Augmentation:
    """What makes a view of a picture. Views of one recipe differ in `size`, `scale` and `colour` alone.

    `resize` is the short side before a `crop` (8/7 of the size, if not given: 256 for 224). Under "shared" all views
    have the colours of `shared`, whatever their own are, so that decisions, order and numbers agree; and the same flip,
    unless `share_flip` is false. The paper says neither whether flips are shared nor how blur and solarization are,
    which in "original" differ from view to view.

    Raises ValueError for another strategy.
    """

    strategy: Strategy = "original"
    size: int = 32
    scale: tuple[float, float] = (0.2, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)
    resize: int | None = None
    flip: float = 0.5
    colour: Colour = field(default_factory=Colour)
    shared: Colour | None = None
    share_flip: bool = True

    def __post_init__(self) -> None:
        if self.strategy not in get_args(Strategy):
            raise ValueError(f"an augmentation is one of {', '.join(get_args(Strategy))}; got {self.strategy!r}")

    @property
    def transform(self) -> Transform:
        crop = ResizedCrop(self.size, self.scale, self.aspect)
        if self.strategy == "crop":
            return FixedCrop(self.size, self.resize or resized(self.size))
        if self.strategy == "crop-resize":
            return crop
        if self.strategy == "shared":
            colour = replace(self.shared or self.colour, shared=True)
            return chain(crop, Flip(self.flip, self.share_flip), colour)
        return chain(crop, Flip(self.flip), self.colour)


def resized(size: int) -> int:
    """The short side from which a crop of a size is taken."""
    return round(BEFORE * size)
