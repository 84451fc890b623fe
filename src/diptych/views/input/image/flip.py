"""A picture or its mirror image."""

from dataclasses import dataclass, replace

from diptych.core import Draw, Picture
from diptych.views.input.image.numbers import numbers

OPERATION = 1


@dataclass(frozen=True)
class Flip:
    """Mirrors left and right with probability `p`; with `shared` all views of a picture, or none."""

    p: float = 0.5
    shared: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.p <= 1:
            raise ValueError(f"a picture is mirrored with a probability, from 0 to 1; got p={self.p}")

    def __call__(self, picture: Picture, draw: Draw) -> Picture:
        if numbers(draw, self.shared, OPERATION).random() >= self.p:
            return picture
        return Picture(picture.pixels, replace(picture.plan, flip=not picture.plan.flip))
