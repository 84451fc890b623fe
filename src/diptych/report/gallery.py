"""Pictures on a page: what the network saw, its patches, neighbours, and a map made of thumbnails.

Every picture is a PNG in the page itself. Legend: n pictures, s their side in pixels.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8

from diptych.report.atlas import SIZE, Atlas, atlas, drawn
from diptych.report.card import Evidence, Gallery
from diptych.report.examples import EXAMPLES, agrees, nearest
from diptych.report.examples import drawn as queries
from diptych.report.snippet import snippet

POINTS = 1500  # of a map
CELLS = 20  # of a map's side, each with room for a thumbnail
SPRITE = 32  # pixels of a thumbnail's side on a map
WIDEST = 96  # pixels of the side of any other picture
NEAREST = 6
FEW = 4  # names up to which each has a row of its own
ROWS, ACROSS = 6, 8  # pictures with their views, one below the other or side by side


@dataclass(frozen=True)
class Picture:
    """`source` is a data URI."""

    source: str
    label: str = ""
    told: str = ""  # what is written below it
    agrees: bool | None = None  # whether it has the label of the picture it is near to


@dataclass(frozen=True)
class Near:
    """A picture, and `nearest[title]` in each space."""

    query: Picture
    nearest: dict[str, list[Picture]]


@dataclass(frozen=True)
class Shot:
    """A thumbnail on a map, of a colour; `left` and `top` are those on the sheet of all thumbnails."""

    x: float
    y: float
    colour: int
    left: int
    top: int


@dataclass(frozen=True)
class Sheet:
    """All thumbnails of a map as one picture, `across` by `down` pixels; `shots[title]` are those of a panel."""

    source: str
    across: int
    down: int
    shots: dict[str, list[Shot]]
    places: dict[int, tuple[int, int]]  # left and top of the thumbnail of a document


def png(x: UInt8[np.ndarray, "h w c"], colours: int | None = None) -> str:
    """A picture of three or four channels as a data URI; of at most so many `colours`, to be small."""
    from PIL import Image

    image, file = Image.fromarray(np.ascontiguousarray(x)), io.BytesIO()
    if colours:
        image = image.quantize(colours)
    image.save(file, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def reduced(x: UInt8[np.ndarray, "h w c"], most: int = WIDEST) -> UInt8[np.ndarray, "h w c"]:
    """The same, with a long side of at most so many pixels."""
    from PIL import Image

    height, width = x.shape[:2]
    if max(height, width) <= most:
        return x
    scale = most / max(height, width)
    size = max(1, round(scale * width)), max(1, round(scale * height))
    return np.asarray(Image.fromarray(np.ascontiguousarray(x)).resize(size, Image.Resampling.BOX))


@dataclass(frozen=True)
class Table:
    """Pictures as data URIs, a list for each name; `upright` if names are columns. `hides` if parts are transparent."""

    pictures: dict[str, list[str]]
    upright: bool
    hides: bool


def table(given: Mapping[str, UInt8[np.ndarray, "m h w c"]]) -> Table:
    """Many names are columns; few are rows, so that more pictures are seen."""
    upright = len(given) > FEW
    most = ROWS if upright else ACROSS
    found = {name: [png(reduced(x)) for x in each[:most]] for name, each in given.items()}
    return Table(
        found if all(found.values()) else {}, upright, any(bool((x[..., 3:] == 0).any()) for x in given.values())
    )


def words(gallery: Gallery, seed: int = 0) -> dict[str, Any]:
    """What the template says of pictures. What cannot be shown is empty."""
    shown = gallery.select(drawn(gallery.places, POINTS, seed))
    found = atlas(shown.places, seed) if len(shown.thumbnails) else None
    return {
        "views": table(gallery.views),
        "patches": table(gallery.patches),
        "near": neighbours(shown, seed=seed),
        "atlas": found,
        **(_map(found, shown) if found else {}),
    }


def neighbours(gallery: Gallery, many: int = EXAMPLES, seed: int = 0) -> list[Near]:
    """Pictures drawn at random, of different labels as far as there are, with their nearest by cosine."""
    places = gallery.places
    if len(places.texts) <= NEAREST:
        return []
    rows = queries(places.labels or [None] * len(places.texts), many, seed)
    spaces = {"Before": places.before, "After": places.after}
    found = {title: nearest(x, rows, NEAREST) for title, x in spaces.items() if x is not None}

    def told(i: int, row: int | None = None, cosine: float | None = None) -> Picture:
        same = None if row is None else agrees(places.labels, row, i)
        below = "" if cosine is None else f"{cosine:.2f}".replace("-", "−")
        return Picture(png(reduced(gallery.thumbnails[i])), _label(places, i), below, same)

    return [
        Near(told(row), {title: [told(i, row, cosine) for i, cosine in each[k]] for title, each in found.items()})
        for k, row in enumerate(rows)
    ]


def _label(places: Evidence, i: int) -> str:
    return snippet((places.labels[i] if places.labels else None) or "", 40)


# ---------------------------------------------------------------- the map


def _map(found: Atlas, gallery: Gallery) -> dict[str, Any]:
    moved, chosen = {}, {}
    for title, xy in found.panels.items():
        chosen[title] = cells(xy)
        moved[title] = snapped(xy, chosen[title])
    sheet = _sheet(gallery.thumbnails, found, moved, chosen)
    dots = {
        title: [(f"{x:.0f}", f"{y:.0f}", c) for (x, y), c in zip(xy, found.colours.tolist(), strict=True)]
        for title, xy in moved.items()
    }
    labels = [_label(gallery.places, i) for i in range(len(gallery.thumbnails))]
    at = [sheet.places.get(i) for i in range(len(labels))]
    return {
        "sheet": sheet,
        "panels": dots,
        "cell": SIZE / CELLS,
        "pixels": SPRITE,
        "documents": {"texts": [""] * len(labels), "labels": labels, "places": at, "pixels": SPRITE},
    }


def cells(xy: Float[np.ndarray, "n 2"]) -> dict[tuple[int, int], int]:
    """For each cell of a map that has pictures, the one nearest to its middle."""
    size = SIZE / CELLS
    cell = np.clip(xy // size, 0, CELLS - 1).astype(int)
    far = ((xy - (cell + 0.5) * size) ** 2).sum(1)
    found: dict[tuple[int, int], int] = {}
    for i in np.argsort(far, kind="stable").tolist():
        found.setdefault((int(cell[i, 0]), int(cell[i, 1])), i)
    return dict(sorted(found.items()))


def snapped(xy: Float[np.ndarray, "n 2"], chosen: dict[tuple[int, int], int]) -> Float[np.ndarray, "n 2"]:
    """Places where those with a thumbnail lie in the middle of their cell."""
    found = xy.copy()
    for cell, i in chosen.items():
        found[i] = (np.array(cell) + 0.5) * SIZE / CELLS
    return found


def _sheet(
    thumbnails: UInt8[np.ndarray, "n s s 3"],
    found: Atlas,
    moved: dict[str, Float[np.ndarray, "n 2"]],
    chosen: dict[str, dict[tuple[int, int], int]],
) -> Sheet:
    rows = sorted({i for each in chosen.values() for i in each.values()})
    across = int(np.ceil(len(rows) ** 0.5))
    places = {i: (k % across * SPRITE, k // across * SPRITE) for k, i in enumerate(rows)}
    sheet = np.zeros((-(-len(rows) // across) * SPRITE, across * SPRITE, 3), np.uint8)
    for i, (left, top) in places.items():
        sheet[top : top + SPRITE, left : left + SPRITE] = _square(thumbnails[i])
    shots = {
        title: [_shot(i, moved[title], found.colours, places[i]) for i in each.values()]
        for title, each in chosen.items()
    }
    return Sheet(png(sheet, 256), sheet.shape[1], sheet.shape[0], shots, places)


def _square(x: UInt8[np.ndarray, "s s 3"]) -> UInt8[np.ndarray, "p p 3"]:
    from PIL import Image

    return np.asarray(Image.fromarray(np.ascontiguousarray(x)).resize((SPRITE, SPRITE), Image.Resampling.LANCZOS))


def _shot(i: int, xy: Float[np.ndarray, "n 2"], colours: Int[np.ndarray, " n"], place: Sequence[int]) -> Shot:
    half = SIZE / CELLS / 2
    return Shot(float(xy[i, 0]) - half, float(xy[i, 1]) - half, int(colours[i]), place[0], place[1])
