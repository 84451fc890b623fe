"""What a report shows of an encoder of pictures: its views, thumbnails, embeddings, and the colours of patches.

evidence/pictures.npz     thumbnails uint8 [n, s, s, 3]; views_0, views_1, ..., patches_0, ... by column
evidence/pictures.json    labels, and names of columns
evidence/after.npy        embeddings; before.npy those of the start
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float, UInt8

from diptych.core import Picture, Plan, Recipe
from diptych.draws import Draw
from diptych.encoders.image.vision import Vision
from diptych.evaluate.images.seen import Seeing, look
from diptych.measure.patches import painted
from diptych.pictures import plan
from diptych.pictures.render import render
from diptych.report.card import Evidence, Gallery
from diptych.report.written import ABOUT, COLUMNS, PICTURES
from diptych.runs import write_json
from diptych.train.batches import samples

SHOWN = 2000  # pictures with an embedding
SIDE = 48  # pixels of a thumbnail's, at most
ROWS = 8  # pictures of which views and patches are shown
PAINTED = 64  # pictures whose patches decide the colours
FAINT = 80  # of 255, the strength of what is in the background
AT_ONCE = 256  # pictures that are rendered together


def gallery(
    pictures: Sequence[Picture],
    labels: Sequence[str | None] | None,
    encoder: Seeing,
    start: Seeing | None = None,
    recipe: Recipe | None = None,
    seed: int = 0,
) -> Gallery:
    """Of at most SHOWN pictures, drawn at random. Views are those of the recipe's first step, if there is one."""
    rows = np.sort(np.random.default_rng(seed).permutation(len(pictures))[:SHOWN]).tolist()
    shown = [pictures[i] for i in rows]
    side = min(SIDE, max((min(x.pixels.shape[:2]) for x in shown), default=SIDE))
    places = Evidence(
        [""] * len(shown),
        encoder.embed(shown),
        start.embed(shown) if start else None,
        [labels[i] for i in rows] if labels and any(labels[i] is not None for i in rows) else None,
    )
    order = np.random.default_rng(seed).permutation(len(shown))[:PAINTED]
    patches = _patches([shown[i] for i in order], {"before": start, "after": encoder}) if shown else {}
    return Gallery(rendered([Picture(x.pixels) for x in shown], side), places, seen(recipe) if recipe else {}, patches)


def rendered(pictures: Sequence[Picture], side: int) -> UInt8[np.ndarray, "n h w 3"]:
    """The pixels of pictures whose plans end in one size; `side` x `side`, where a plan says none."""
    parts = [pictures[i : i + AT_ONCE] for i in range(0, len(pictures), AT_ONCE)]
    found = [render(plan.tensors(part, side)).permute(0, 2, 3, 1) for part in parts]
    whole = torch.cat(found) if found else torch.zeros(0, side, side, 3)
    return (whole * 255).round().to(torch.uint8).numpy()


def seen(recipe: Recipe, many: int = ROWS) -> dict[str, UInt8[np.ndarray, "m h w c"]]:
    """The first pictures of the first step, as they are and as each row of the recipe shows them to the network.

    A view with a mask has a fourth channel, which is 0 where patches are hidden. Raises ValueError for a recipe that is
    not one of pictures.
    """
    rows = samples(recipe, 0)
    some = rows[:many].tolist()
    encoder = recipe.model.encoder
    if not isinstance(encoder, Vision):
        raise ValueError(f"views are shown of encoders of pictures; {type(encoder).__name__} is none")
    found: dict[str, np.ndarray] = {}
    number: dict[str, int] = {}
    for v, view in enumerate(recipe.views):
        if view.by == "data":
            continue
        made = [
            view.transform(recipe.data[i][view.column], Draw(recipe.seed, 0, i, v, place, len(rows)))
            for place, i in enumerate(some)
        ]
        if not found:
            found["picture"] = rendered([Picture(recipe.data[i][view.column].pixels) for i in some], encoder.side)
        number[view.role] = number.get(view.role, 0) + 1
        found[f"{view.role} {number[view.role]}"] = _hidden(rendered(made, encoder.side), made)
    return found


def _hidden(pixels: UInt8[np.ndarray, "m h w 3"], pictures: Sequence[Picture]) -> UInt8[np.ndarray, "m h w c"]:
    if all(picture.plan.mask is None for picture in pictures):
        return pixels
    there = np.full((*pixels.shape[:3], 1), 255, np.uint8)
    for i, picture in enumerate(pictures):
        if (mask := picture.plan.mask) is not None:
            down, across = (pixels.shape[1 + axis] // mask.shape[axis] for axis in (0, 1))
            there[i, ..., 0][mask.repeat(down, 0).repeat(across, 1)] = 0
    return np.concatenate([pixels, there], -1)


def _patches(
    pictures: Sequence[Picture], encoders: Mapping[str, Seeing | None]
) -> dict[str, UInt8[np.ndarray, "m h w c"]]:
    """Some of the pictures, and the colours of their patches; none where a network has a single patch."""
    whole = [replace(picture, plan=Plan()) for picture in pictures]
    found: dict[str, np.ndarray] = {}
    for name, encoder in encoders.items():
        if encoder is None:
            continue
        patches = look(encoder, whole, patches=True).patches
        if patches is None or patches.shape[1] < 2 or not np.isfinite(patches).all():
            continue
        found.setdefault("picture", rendered(whole[:ROWS], 4 * SIDE))
        found[name] = _painted(patches)[:ROWS]
    return found


def _painted(patches: Float[np.ndarray, "n h w d"]) -> UInt8[np.ndarray, "n h w 4"]:
    told = painted(patches)
    strength = np.where(told.foreground, 255, FAINT).astype(np.uint8)
    return np.concatenate([told.colours, strength[..., None]], -1)


# ---------------------------------------------------------------- on disk


def write(folder: Path, shown: Gallery) -> None:
    """Writes a gallery into a folder, which is made if it is not there; `report.written.gallery` reads it."""
    folder.mkdir(exist_ok=True)
    places = shown.places
    names = {kind: [*getattr(shown, kind)] for kind in COLUMNS}
    columns = {f"{kind}_{i}": x for kind in COLUMNS for i, x in enumerate(getattr(shown, kind).values())}
    np.savez_compressed(folder / PICTURES, thumbnails=shown.thumbnails, **columns)
    write_json(folder / ABOUT, {"labels": places.labels, **names})
    np.save(folder / "after.npy", places.after)
    if places.before is not None:
        np.save(folder / "before.npy", places.before)
