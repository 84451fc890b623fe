"""A part of a picture, as a square of a fixed size."""

from dataclasses import dataclass, replace

from diptych.core import Draw, Picture

TRIES = 10
EDGE = 1e-6  # of a pixel


def square(size: int) -> None:
    """Raises ValueError for a size that no crop has."""
    if size < 1:
        raise ValueError(f"a crop is 1 pixel wide or more; got {size}")


@dataclass(frozen=True)
class ResizedCrop:
    """A box of a random area and aspect, at a random place, resized to `size` x `size`.

    `scale` bounds its part of the picture's area (uniform), `aspect` its width over its height (uniform in the
    logarithm). A box that does not fit is drawn again, ten times; then it is the largest in the middle whose aspect is
    within bounds.
    """

    paper = "arXiv:1409.4842"

    size: int
    scale: tuple[float, float] = (0.2, 1.0)
    aspect: tuple[float, float] = (3 / 4, 4 / 3)

    def __post_init__(self) -> None:
        square(self.size)
        if not 0 < self.scale[0] <= self.scale[1] <= 1:
            raise ValueError(f"a crop takes a part of the area, from above 0 to 1; got scale={self.scale}")
        if not 0 < self.aspect[0] <= self.aspect[1]:
            raise ValueError(f"an aspect is width over height, the smaller first; got aspect={self.aspect}")

    def __call__(self, picture: Picture, draw: Draw) -> Picture:
        plan = replace(picture.plan, box=self._box(picture, draw), out=(self.size, self.size))
        return Picture(picture.pixels, plan)

    def _box(self, picture: Picture, draw: Draw) -> tuple[float, float, float, float]:
        height, width = picture.pixels.shape[:2]
        rng = draw.own
        (least, most), (narrow, broad) = self.scale, self.aspect
        for _ in range(TRIES):
            area, aspect, down, across = rng.random(4).tolist()
            pixels = height * width * (least + (most - least) * area)
            ratio = narrow * (broad / narrow) ** aspect
            h, w = (pixels / ratio) ** 0.5, (pixels * ratio) ** 0.5
            if h <= height + EDGE and w <= width + EDGE:
                return down * max(0.0, height - h), across * max(0.0, width - w), min(h, height), min(w, width)
        h, w = min(height, width / narrow), min(width, height * broad)
        return (height - h) / 2, (width - w) / 2, h, w


@dataclass(frozen=True)
class FixedCrop:
    """A square of `size` pixels at a random place of the picture, which is first resized to `resize` (short side).

    Neither area nor aspect is random. Raises ValueError for a crop that is larger than what it is taken from.
    """

    paper = "arXiv:2406.09294"

    size: int
    resize: int

    def __post_init__(self) -> None:
        square(self.size)
        if self.size > self.resize:
            raise ValueError(
                f"a crop of {self.size} pixels does not fit a picture whose short side is resized to {self.resize}; "
                f"give a larger resize, or a smaller crop"
            )

    def __call__(self, picture: Picture, draw: Draw) -> Picture:
        height, width = picture.pixels.shape[:2]
        side = self.size * min(height, width) / self.resize  # of the box, in pixels of the picture as it is
        down, across = draw.own.random(2).tolist()
        box = (down * (height - side), across * (width - side), side, side)
        return Picture(picture.pixels, replace(picture.plan, box=box, out=(self.size, self.size)))
