"""A world of pictures from a seed: shapes with textures, in a light, in front of one another; all of it known.

    world                                10,000 pictures of 48 x 48, of ten classes
    world:n=100000:size=64:seed=1        other numbers; any of n, size, seed, objects, light

The class of a picture is the shape of its largest object. Up to `objects` smaller ones, of any shape, lie before or
behind it; at least two fifths of the main one are seen. Colours, textures, places, angles and sizes are drawn alike for
all classes, so that only shape tells them apart. Light comes from one side, and what is further away is dimmer, by as
much as `light` says (0 is none). The first pictures of a larger world are those of a smaller one.

Beside a picture lie its mask (uint8: 0 the ground, else 1 + the number of the shape that is seen in a pixel) and its
depth (uint16: thousandths of a unit, from 1000 in front to 5000 behind), both exact.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from diptych.data import cache
from diptych.data.images.item import Item
from diptych.data.images.scene import NAMES, Scenes
from diptych.data.tally import Tally

NAME = "world"  # stands for this corpus where a path could be
FORMAT = "1"  # of what a seed makes; another number makes old entries unused
BLOCK = 256  # pictures that are drawn together
BOUNDS = {"n": (2, 10**8), "size": (8, 1024), "seed": (0, 2**62), "objects": (0, 8), "light": (0, 1)}


@dataclass(frozen=True)
class World:
    """What a world is made of. Raises ValueError for numbers that make none."""

    n: int = 10_000
    size: int = 48
    seed: int = 0
    objects: int = 2
    light: float = 0.5

    def __post_init__(self) -> None:
        for name, (least, most) in BOUNDS.items():
            if not least <= (given := getattr(self, name)) <= most:
                raise ValueError(f"{name} of a world is from {least} to {most:,}; got {given}")

    @classmethod
    def of(cls, text: str) -> Self:
        """What "world:n=1000:size=32" says. Raises ValueError for other names and what is no number."""
        kinds = {field.name: float if field.name == "light" else int for field in fields(cls)}
        found: dict[str, float] = {}
        for part in filter(None, text.split(":")[1:]):
            name, _, value = part.partition("=")
            try:
                found[name.strip()] = kinds[name.strip()](value)
            except (KeyError, ValueError):
                choices = ", ".join(f"{k}=NUMBER" for k in kinds)
                raise ValueError(f"{text!r:.60}: {part!r} is none of {choices}") from None
        return cls(**found)  # type: ignore[arg-type]

    @property
    def name(self) -> str:
        return NAME

    @property
    def digest(self) -> str:
        return cache.key(NAME, FORMAT, repr(self))

    def items(self, tally: Tally) -> tuple[str, Iterator[Item]]:
        return f"shapes of {self.size} x {self.size} pixels, made by seed {self.seed}", self._made()

    def _made(self) -> Iterator[Item]:
        for start in range(0, self.n, BLOCK):
            scenes = self.block(start // BLOCK)
            for i in range(min(BLOCK, self.n - start)):
                maps = {"mask": scenes.mask[i], "depth": scenes.depth[i]}
                yield Item(scenes.pixels[i], NAMES[scenes.shape[i]], maps=maps, origin=f"{NAME} {start + i}")

    def block(self, number: int) -> Scenes:
        """The pictures of a block, decided by the seed and its number alone."""
        rng = np.random.Generator(np.random.Philox(key=[self.seed, number]))
        return Scenes.drawn(rng, BLOCK, self.size, self.objects, self.light)


def named(path: str) -> bool:
    """Whether a path is the name of a world."""
    return path == NAME or path.startswith(f"{NAME}:")
