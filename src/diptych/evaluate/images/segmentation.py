"""Segmentation of pictures by a linear layer on frozen patches."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diptych.core import DataError
from diptych.data.images.store import IGNORE, MASK, Pictures
from diptych.evaluate import dense
from diptych.evaluate.images import arrays
from diptych.evaluate.images.seen import Seeing, in_parts
from diptych.evaluate.interval import Interval
from diptych.evaluate.segmentation import Segmentation, confusions, known, linear_segmentation
from diptych.evaluate.task import Result

CLASSES = 256  # at most


def task(corpus: Pictures, ignore: int | None = None, most: int | None = None) -> "Masks":
    """The task of a corpus with masks, on at most so many pictures of a part. Pixels of the number `ignore` have no
    class (that of the corpus, if not given). Raises what `arrays.maps` raises.
    """
    return Masks(arrays.maps(corpus, MASK, most), corpus.ignore if ignore is None else ignore)


@dataclass(frozen=True)
class Masks:
    """The mean IoU on test pictures; beside it that of the class that most training pixels have.

    A picture is seen whole, as a square, and its patches are stretched to the shape of its mask.
    """

    data: arrays.Known
    ignore: int = IGNORE
    steps: int = dense.STEPS
    seed: int = 0

    def __post_init__(self) -> None:
        for part, masks in self.data.truth.items():
            if masks.ndim != 3 or masks.dtype.kind not in "ui":
                raise DataError(f"{self.name}: masks are whole numbers [n, y, x]; those of {part!r} are {masks.shape}")
        if self.classes > CLASSES:
            raise DataError(
                f"{self.name}: a mask has the number {self.classes - 1}, and classes are below {CLASSES}; if it says "
                f"that a pixel has none: --ignore {self.classes - 1}"
            )
        for masks in self.data.truth.values():
            known(masks, self.classes, self.ignore)
        if self.classes < 2:
            raise DataError(f"{self.name}: all pixels are of one class; two are needed at least")

    @property
    def name(self) -> str:
        return self.data.name

    @property
    def notes(self) -> Sequence[str]:
        told = f"{self.name}: masks have {self.classes} classes; pixels of number {self.ignore} have none"
        return [*self.data.notes, f"{told} (another: --ignore)"]

    @property
    def classes(self) -> int:
        """One more than the greatest class."""
        return 1 + max(int(np.max(x, initial=0, where=x != self.ignore)) for x in self.data.truth.values())

    def score(self, encoder: Seeing) -> list[Result]:
        train, test = in_parts(encoder, self.data.pictures["train"], self.data.pictures["test"])
        parts = (train, self.data.truth["train"]), (test, self.data.truth["test"])
        found = linear_segmentation(*parts, self.classes, self.ignore, self.steps, self.seed)
        return [self._line("mean_iou", found, True), self._pixels(found), self._line("majority_iou", self._majority())]

    def _line(self, metric: str, found: Segmentation, main: bool = False) -> Result:
        n = len(found.confusions)
        low, high = _percent(found.interval())
        how = f"bootstrap over {n:,} test pictures"
        return Result(self.name, metric, 100 * found.mean_iou, n, low, high, how, main)

    def _pixels(self, found: Segmentation) -> Result:
        return Result(self.name, "pixel_accuracy", 100 * found.accuracy, len(found.confusions), main=False)

    def _majority(self) -> Segmentation:
        train, test = self.data.truth["train"], self.data.truth["test"]
        commonest = int(np.bincount(train[known(train, self.classes, self.ignore)]).argmax())
        return Segmentation(confusions(test, np.full(test.shape, commonest), self.classes, self.ignore))


def _percent(interval: Interval) -> Interval:
    return 100 * interval[0], 100 * interval[1]
