"""What light and lens might have changed: colours, their absence, sharpness, a negative."""

from dataclasses import dataclass, fields, replace
from typing import Any

from diptych.core import Draw, Jitter, Picture
from diptych.views.input.image.numbers import numbers

OPERATION = 2


@dataclass(frozen=True)
class Colour:
    """Colour jitter, grayscale, blur and solarization of a picture, each with its own probability.

    With probability `jitter_p`, brightness, contrast and saturation are multiplied by 1 - x to 1 + x, and the hue is
    turned by -hue to hue of the circle, in a random order. `blur_p` is the probability of blurring (the code of DINOv2
    is written with that of not blurring), with a sigma in the bounds of `sigma` pixels, over `radius` pixels to each
    side. `solarize_p` inverts what is at `threshold` (of 0 to 256) or above.

    With `shared`, all views of a picture get the same of all this: decisions, order and numbers.
    """

    paper = "arXiv:2002.05709"

    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.2
    hue: float = 0.1
    jitter_p: float = 0.8
    gray_p: float = 0.2
    blur_p: float = 0.0
    sigma: tuple[float, float] = (0.1, 2.0)
    radius: int = 4
    solarize_p: float = 0.0
    threshold: float = 128.0
    shared: bool = False

    def __post_init__(self) -> None:
        for field in fields(self):
            given = getattr(self, field.name)
            if field.name.endswith("_p") and not 0 <= given <= 1:
                raise ValueError(f"{field.name} is a probability, from 0 to 1; got {given}")
        for name, most in (("brightness", 1.0), ("contrast", 1.0), ("saturation", 1.0), ("hue", 0.5)):
            if not 0 <= (given := getattr(self, name)) <= most:
                raise ValueError(f"{name} is from 0, which changes nothing, to {most:g}; got {given}")
        if not 0 < self.sigma[0] <= self.sigma[1]:
            raise ValueError(f"a blur has a sigma above 0, the smaller first; got sigma={self.sigma}")
        if self.radius < 1:
            raise ValueError(f"a blur reaches 1 pixel or more; got radius={self.radius}")

    def __call__(self, picture: Picture, draw: Draw) -> Picture:
        drawn = numbers(draw, self.shared, OPERATION).random(13).tolist()  # always as many: none moves another
        jitter, gray, blur, solarize, width = drawn[:5]
        changes: dict[str, Any] = {}
        if jitter < self.jitter_p:
            changes["jitter"] = self._jitter(drawn[5:9], drawn[9:])
        if gray < self.gray_p:
            changes["gray"] = True
        if blur < self.blur_p:
            least, most = self.sigma
            changes |= {"blur": least + (most - least) * width, "radius": self.radius}
        if solarize < self.solarize_p:
            changes["solarize"] = self.threshold
        return Picture(picture.pixels, replace(picture.plan, **changes)) if changes else picture

    def _jitter(self, drawn: list[float], places: list[float]) -> tuple[tuple[Jitter, float], ...]:
        """Factors, in the order of their places."""
        brightness, contrast, saturation, hue = (2 * x - 1 for x in drawn)
        factors: list[tuple[Jitter, float]] = [
            ("brightness", 1 + self.brightness * brightness),
            ("contrast", 1 + self.contrast * contrast),
            ("saturation", 1 + self.saturation * saturation),
            ("hue", self.hue * hue),
        ]
        return tuple(factors[i] for i in sorted(range(4), key=places.__getitem__))
