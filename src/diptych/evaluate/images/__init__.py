"""Tasks of encoders of pictures, on frozen features: classes, segmentation, depth, invariance."""

from importlib import import_module
from pathlib import Path
from typing import Any

from diptych.evaluate.images.task import PictureTask

KINDS = ("classes", "segmentation", "depth")


def task(kind: str, path: str | Path, **options: Any) -> PictureTask:
    """The task of one kind on an .npz file. Raises ValueError for another kind, else what its module raises."""
    if kind not in KINDS:
        raise ValueError(f"tasks of pictures are {', '.join(KINDS)}; got {kind!r}")
    made: PictureTask = import_module(f"diptych.evaluate.images.{kind}").task(Path(path), **options)
    return made
