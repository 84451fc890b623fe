"""What light and lens might have changed: colours, their absence, sharpness, a negative."""

from dataclasses import dataclass, fields, replace

import numpy as np

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
        rng = numbers(draw, self.shared, OPERATION)
        drawn = rng.random(9).tolist()  # always as many, so that no probability moves the others' numbers
        jitter, gray, blur, solarize, width, *strengths = drawn
        order = rng.permutation(4)
        plan = picture.plan
        if jitter < self.jitter_p:
            plan = replace(plan, jitter=self._jitter(strengths, order))
        if blur < self.blur_p:
            least, most = self.sigma
            plan = replace(plan, blur=least + (most - least) * width, radius=self.radius)
        negative = self.threshold if solarize < self.solarize_p else plan.solarize
        return replace(picture, plan=replace(plan, gray=plan.gray or gray < self.gray_p, solarize=negative))

    def _jitter(self, drawn: list[float], order: np.ndarray) -> tuple[tuple[Jitter, float], ...]:
        brightness, contrast, saturation, hue = (2 * x - 1 for x in drawn)
        factors: list[tuple[Jitter, float]] = [
            ("brightness", 1 + self.brightness * brightness),
            ("contrast", 1 + self.contrast * contrast),
            ("saturation", 1 + self.saturation * saturation),
            ("hue", self.hue * hue),
        ]
        return tuple(factors[i] for i in order)
