"""Scenes of shapes with textures before a ground, many at once: pixels, masks and depths.

Coordinates go from -1 to 1 across a picture. A shape is a function of its own coordinates, in which it is about one
wide from its middle; the function is below 0 inside, and grows like a distance near its edge.

Shapes: b scenes, s x s pixels, k objects of a scene.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8, UInt16

Plane = Float[np.ndarray, "b s s"]
NEAR, FAR = 1.0, 4.0  # depths of objects
GROUND = 4.0, 5.0  # depth of the ground, at the bottom and at the top
SEEN = 0.4  # of the main object, at least
LARGE, LITTLE = (0.5, 0.8), (0.2, 0.4)  # radii of the main object, and of others
CENTRE = 0.35  # how far the main object may be from the middle
NOISE = 0.015  # standard deviation, of each pixel and channel


def _disc(u: Plane, v: Plane) -> Plane:
    return np.hypot(u, v) - 0.9


def _square(u: Plane, v: Plane) -> Plane:
    return np.maximum(np.abs(u), np.abs(v)) - 0.78


def _triangle(u: Plane, v: Plane) -> Plane:
    return np.maximum(0.866 * np.abs(u) - 0.5 * v, v) - 0.55


def _star(u: Plane, v: Plane) -> Plane:
    return 0.8 * (np.hypot(u, v) - 0.68 - 0.27 * np.cos(5 * np.arctan2(u, v)))


def _ring(u: Plane, v: Plane) -> Plane:
    return np.abs(np.hypot(u, v) - 0.68) - 0.22


def _cross(u: Plane, v: Plane) -> Plane:
    u, v = np.abs(u), np.abs(v)
    return np.minimum(np.maximum(u - 0.28, v - 0.9), np.maximum(v - 0.28, u - 0.9))


def _crescent(u: Plane, v: Plane) -> Plane:
    return np.maximum(np.hypot(u, v) - 0.9, 0.72 - np.hypot(u - 0.42, v))


def _heart(u: Plane, v: Plane) -> Plane:
    u = np.abs(u)
    return np.minimum(np.hypot(u - 0.4, v + 0.35) - 0.48, np.maximum(0.76 * u + 0.65 * v - 0.54, -0.3 - v))


def _bar(u: Plane, v: Plane) -> Plane:
    return np.maximum(np.abs(u) - 0.95, np.abs(v) - 0.3)


def _hexagon(u: Plane, v: Plane) -> Plane:
    u, v = np.abs(u), np.abs(v)
    return np.maximum(0.866 * u + 0.5 * v, v) - 0.8


SHAPES: dict[str, Callable[[Plane, Plane], Plane]] = {
    "disc": _disc,
    "square": _square,
    "triangle": _triangle,
    "star": _star,
    "ring": _ring,
    "cross": _cross,
    "crescent": _crescent,
    "heart": _heart,
    "bar": _bar,
    "hexagon": _hexagon,
}
NAMES = tuple(SHAPES)


def _plain(u: Plane, v: Plane) -> Plane:
    return np.zeros_like(u)


def _stripes(u: Plane, v: Plane) -> Plane:
    return (np.sin(u) > 0).astype(np.float32)


def _checks(u: Plane, v: Plane) -> Plane:
    return (np.sin(u) * np.sin(v) > 0).astype(np.float32)


def _dots(u: Plane, v: Plane) -> Plane:
    return (np.sin(u) + np.sin(v) > 1).astype(np.float32)


def _waves(u: Plane, v: Plane) -> Plane:
    return 0.5 + 0.5 * np.sin(u + 2 * np.sin(0.7 * v))


TEXTURES = (_plain, _stripes, _checks, _dots, _waves)


def _each(which: Int[np.ndarray, " b"], made: Sequence[Callable[[Plane, Plane], Plane]], u: Plane, v: Plane) -> Plane:
    """The function of each scene, of its coordinates."""
    out = np.empty_like(u)
    for number, function in enumerate(made):
        rows = np.flatnonzero(which == number)
        if len(rows):
            out[rows] = function(u[rows], v[rows])
    return out


@dataclass(frozen=True)
class Surface:
    """A texture of two colours, at an angle, so many times across a picture."""

    kind: Int[np.ndarray, " b"]
    angle: Float[np.ndarray, " b"]
    often: Float[np.ndarray, " b"]
    shift: Float[np.ndarray, "b 2"]
    colours: Float[np.ndarray, "b 2 3"]

    @classmethod
    def drawn(cls, rng: np.random.Generator, b: int) -> Self:
        return cls(
            rng.integers(0, len(TEXTURES), b),
            rng.random(b) * np.pi,
            4 + 10 * rng.random(b),
            rng.random((b, 2)) * 2 * np.pi,
            rng.random((b, 2, 3)),
        )

    def __call__(self, x: Plane, y: Plane) -> Float[np.ndarray, "b s s 3"]:
        c, s, often = (_wide(f) for f in (np.cos(self.angle), np.sin(self.angle), self.often))
        u = often * (c * x + s * y) + _wide(self.shift[:, 0])
        v = often * (c * y - s * x) + _wide(self.shift[:, 1])
        mix = _each(self.kind, TEXTURES, u, v)[..., None]
        one, other = (self.colours[:, i].astype(np.float32)[:, None, None] for i in (0, 1))
        return one + mix * (other - one)


def _wide(x: Float[np.ndarray, " b"]) -> Float[np.ndarray, "b 1 1"]:
    return x.astype(np.float32)[:, None, None]


@dataclass(frozen=True)
class Objects:
    """One object of every scene: its shape, where it is, how it lies, what it is made of, and whether it is there."""

    shape: Int[np.ndarray, " b"]
    x: Float[np.ndarray, " b"]
    y: Float[np.ndarray, " b"]
    radius: Float[np.ndarray, " b"]
    angle: Float[np.ndarray, " b"]
    depth: Float[np.ndarray, " b"]
    surface: Surface
    there: Bool[np.ndarray, " b"]

    @classmethod
    def drawn(cls, rng: np.random.Generator, b: int, main: bool) -> Self:
        (least, most), reach = (LARGE, CENTRE) if main else (LITTLE, 0.9)
        return cls(
            shape=rng.integers(0, len(SHAPES), b),
            x=reach * (2 * rng.random(b) - 1),
            y=reach * (2 * rng.random(b) - 1),
            radius=least + (most - least) * rng.random(b),
            angle=2 * np.pi * rng.random(b),
            depth=NEAR + (FAR - NEAR) * rng.random(b),
            surface=Surface.drawn(rng, b),
            there=(rng.random(b) < 0.75) | main,
        )

    def signed(self, x: Plane, y: Plane) -> Plane:
        """Below 0 inside, in the units of a picture's coordinates."""
        c, s, radius = (_wide(f) for f in (np.cos(self.angle), np.sin(self.angle), self.radius))
        x, y = (x - _wide(self.x)) / radius, (y - _wide(self.y)) / radius
        return _each(self.shape, [*SHAPES.values()], c * x + s * y, c * y - s * x) * radius


@dataclass(frozen=True)
class Scenes:
    """What is seen in scenes of a ground and objects, the first of which is the main one."""

    pixels: UInt8[np.ndarray, "b s s 3"]
    mask: UInt8[np.ndarray, "b s s"]
    depth: UInt16[np.ndarray, "b s s"]
    shape: Int[np.ndarray, " b"]

    @classmethod
    def drawn(cls, rng: np.random.Generator, b: int, size: int, others: int, light: float) -> Self:
        """Scenes that a generator decides."""
        line = (2 * np.arange(size, dtype=np.float32) + 1) / size - 1
        y, x = np.meshgrid(line, line, indexing="ij")
        x, y = (np.broadcast_to(plane, (b, size, size)) for plane in (x, y))
        ground = Surface.drawn(rng, b)
        objects = [Objects.drawn(rng, b, main=i == 0) for i in range(1 + others)]
        signed = [each.signed(x, y) for each in objects]
        there = _uncovered(objects, signed)
        colour = ground(x, y)
        depth = GROUND[1] + (GROUND[0] - GROUND[1]) * (y + 1) / 2
        mask = np.zeros((b, size, size), np.uint8)
        nearest = np.argsort([-each.depth for each in objects], axis=0)  # the furthest first, of each scene
        for turn in nearest:
            for number, (each, edge) in enumerate(zip(objects, signed, strict=True)):
                rows = np.flatnonzero((turn == number) & there[number])
                if len(rows):
                    _put(_at(each, rows), edge[rows], x[rows], y[rows], rows, colour, depth, mask)
        colour *= _lit(rng, b, x, y, depth, light)[..., None]
        colour += NOISE * rng.standard_normal(colour.shape, np.float32)
        pixels = (255 * np.clip(colour, 0, 1) + 0.5).astype(np.uint8)
        return cls(pixels, mask, np.round(1000 * depth).astype(np.uint16), objects[0].shape)


def _uncovered(objects: Sequence[Objects], signed: Sequence[Plane]) -> list[Bool[np.ndarray, " b"]]:
    """Which objects are there, once those are gone that would cover too much of the main one."""
    main, inside = objects[0], signed[0] < 0
    area = np.maximum(1, inside.sum((1, 2)))
    before = [each.there & (each.depth < main.depth) for each in objects[1:]]
    covered = np.zeros_like(inside)
    for there, edge in zip(before, signed[1:], strict=True):
        covered |= (edge < 0) & there[:, None, None]
    hidden = (inside & covered).sum((1, 2)) > (1 - SEEN) * area
    return [main.there, *(each.there & ~(hidden & b) for each, b in zip(objects[1:], before, strict=True))]


def _at(each: Objects, rows: Int[np.ndarray, " m"]) -> Objects:
    surface = Surface(**{name: x[rows] for name, x in vars(each.surface).items()})
    return Objects(surface=surface, **{name: x[rows] for name, x in vars(each).items() if name != "surface"})


def _put(
    each: Objects,
    edge: Plane,
    x: Plane,
    y: Plane,
    rows: Int[np.ndarray, " m"],
    colour: Float[np.ndarray, "b s s 3"],
    depth: Plane,
    mask: UInt8[np.ndarray, "b s s"],
) -> None:
    """Puts an object before what is there in some scenes. A pixel that its edge crosses is mixed, and is of one of the
    two."""
    pixel = 2 / edge.shape[1]
    cover = np.clip(0.5 - edge / pixel, 0, 1)[..., None]
    colour[rows] += cover * (each.surface(x, y) - colour[rows])
    inside = edge < 0
    depth[rows] = np.where(inside, _wide(each.depth), depth[rows])
    mask[rows] = np.where(inside, (1 + each.shape).astype(np.uint8)[:, None, None], mask[rows])


def _lit(rng: np.random.Generator, b: int, x: Plane, y: Plane, depth: Plane, light: float) -> Plane:
    """How bright what is at each pixel is."""
    angle, bright = 2 * np.pi * rng.random(b), 1 + 0.3 * (2 * rng.random(b) - 1) * light
    side = _wide(np.cos(angle)) * x + _wide(np.sin(angle)) * y
    away = 1 - 0.3 * light * (depth - NEAR) / (GROUND[1] - NEAR)
    return _wide(bright) * away * (1 + 0.4 * light * side)
