"""Encoders of pictures, judged on what the corpus knows of them, beside their start and plain pixels."""

from collections.abc import Mapping, Sequence
from typing import Any

from diptych import encoders, gallery, runs
from diptych.core import Encoder, Recipe
from diptych.data.images.store import Pictures
from diptych.encoders.image.pixels import Pixels
from diptych.encoders.image.vision import Vision
from diptych.evaluate.images import corpus as of_corpus
from diptych.evaluate.images.task import PictureTask, table
from diptych.judging.pages import pages
from diptych.runs import Run, whole
from diptych.train import processes
from diptych.views.input.image.strategy import Augmentation


def write_up(run: Run, recipe: Recipe, pictures: Pictures, beside: Mapping[str, Encoder]) -> list[str]:
    """As `write_up`, of a run on pictures."""
    if not processes.world().first:
        return []
    encoder, start = encoders.load(run.model), encoders.load(run.start)
    told = examine(encoder, start, pictures, beside, recipe.tasks)
    runs.write_json(run.folder / "scores.json", told)
    with whole(run.evidence) as part:
        part.mkdir(exist_ok=True)
        gallery.write(part, gallery.gallery(pictures.items, pictures.labels, encoder, start, recipe))  # type: ignore[arg-type]
    pages(run)
    notes: list[str] = told["notes"]
    return notes


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
