"""Encoders of pictures, judged on what the corpus knows of them, beside their start and plain pixels."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from diptych import gallery
from diptych.core import Encoder, Recipe
from diptych.data.images.store import Pictures
from diptych.encoders.image.pixels import Pixels
from diptych.encoders.image.vision import Vision
from diptych.evaluate.images import corpus as of_corpus
from diptych.evaluate.images.task import PictureTask, table
from diptych.views.input.image.strategy import Augmentation


def judged(recipe: Recipe, encoder: Encoder, start: Encoder, beside: Mapping[str, Encoder]) -> dict[str, Any]:
    """Scores of a run on pictures."""
    return examine(encoder, start, recipe.documents, beside, recipe.tasks)


def gather(folder: Path, recipe: Recipe, encoder: Encoder, start: Encoder) -> None:
    """The gallery of a run: what the network saw, where some pictures lie, and the colours of their patches."""
    shown = recipe.documents
    gallery.write(folder, gallery.gallery(shown.items, shown.labels, encoder, start, recipe))  # type: ignore[arg-type]


def examine(
    encoder: Encoder,
    start: Encoder | None,
    pictures: Pictures,
    beside: Mapping[str, Encoder] | None = None,
    tasks: Sequence[PictureTask] = (),
    seed: int = 0,
    grid: bool = False,
) -> dict[str, Any]:
    """Scores of an encoder of pictures, of what it started from, and of pictures as they are, on the same pictures."""
    asked, notes = of_corpus.tasks(pictures, Augmentation(size=_side(encoder)).transform, seed, grid)
    rows: dict[str, Any] = {"model": encoder, **(beside or {}), "untrained": start, "pixels": Pixels()}
    told = table([*asked, *tasks], rows)
    return {"errors": {}, **told, "notes": [*notes, *told["notes"]]}


def _side(encoder: Encoder) -> int:
    if not isinstance(encoder, Vision):
        raise ValueError(f"{type(encoder).__name__} is no encoder of pictures, and the corpus holds pictures")
    return encoder.side
