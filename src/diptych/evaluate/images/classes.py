"""Classes of pictures from frozen features: weighted k-NN, a linear probe, and a grid of linear heads."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from diptych.core import DataError, Picture
from diptych.data.images.store import Pictures
from diptych.evaluate import weighted
from diptych.evaluate.grid import BLOCKS, features, grid
from diptych.evaluate.images import arrays
from diptych.evaluate.images.seen import Seeing, look
from diptych.evaluate.lines import of_accuracy
from diptych.evaluate.probe import probe
from diptych.evaluate.task import Result
from diptych.evaluate.weighted import weighted_knn
from diptych.plural import counted

STEPS = 2500  # of the grid; a fifth of what DINOv2 takes on ImageNet


def task(corpus: Pictures, grid: bool = False) -> "Classes":
    """The task of a corpus with classes and parts. Raises DataError for one that has not both."""
    return Classes(arrays.labels(corpus), grid)


@dataclass(frozen=True)
class Classes:
    """Test pictures are asked, of what is learned from those of training. Classes are numbers or strings.

    With `grid` there is a line of it: heads learn from training pictures, less a random fifth where no validation part
    is given, and the best on validation is asked.
    """

    data: arrays.Known
    grid: bool = False
    steps: int = STEPS
    seed: int = 0

    def __post_init__(self) -> None:
        labels = self.data.truth
        if any(np.ndim(x) != 1 for x in labels.values()):
            raise DataError(f"{self.name}: a picture has one class; got {[np.shape(x) for x in labels.values()]}")
        if len(np.unique(labels["train"])) < 2:
            raise DataError(f"{self.name}: all training pictures are of one class; two are needed at least")
        if not np.isin(labels["test"], labels["train"]).any():
            raise DataError(f"{self.name}: no test picture is of a class of the training pictures")

    @property
    def name(self) -> str:
        return self.data.name

    @property
    def notes(self) -> Sequence[str]:
        labels = self.data.truth
        unseen = int((~np.isin(labels["test"], labels["train"])).sum())
        told = f"{self.name}: {unseen} test pictures are of a class with no training picture: none can be right"
        return [*self.data.notes, *([told] if unseen else [])]

    def score(self, encoder: Seeing) -> list[Result]:
        pictures, classes, places = self._rows()
        seen = look(encoder, pictures, max(BLOCKS) if self.grid else 1)
        train, test = places["train"], places["test"]
        over = f"test pictures, {min(weighted.K, len(train))} neighbours of {len(train):,}"
        lines = [
            of_accuracy(self.name, weighted_knn(seen.embedding, classes, train, test), over, "weighted_knn"),
            of_accuracy(
                self.name, probe(seen.embedding, classes, train, test, seed=self.seed), "test pictures", "linear"
            ),
        ]
        if not self.grid:
            return lines
        learned, validation = self._validation(train, places.get("val"))
        patches = seen.mean if encoder.pooling == "cls" else None  # else the summaries are means of patches
        heads = features(seen.summaries, patches)
        best = grid(heads, classes, learned, validation, test, steps=self.steps, seed=self.seed)
        drawn = "" if "val" in places else ", a random fifth of training"
        others = counted(len(validation), "other")
        chosen = f"test pictures; {best.features} at rate {best.rate:g}, the best of {others}{drawn}"
        return [*lines, of_accuracy(self.name, best.score, chosen, "linear_grid")]

    def _rows(self) -> tuple[list[Picture], Int[np.ndarray, " n"], dict[str, Int[np.ndarray, " m"]]]:
        """All pictures, their classes by number, and the places of each part."""
        parts = [part for part in arrays.PARTS if part in self.data.pictures]
        pictures = [picture for part in parts for picture in self.data.pictures[part]]
        labels = np.concatenate([self.data.truth[part] for part in parts])
        edges = np.cumsum([0, *(len(self.data.pictures[part]) for part in parts)])
        places = {part: np.arange(a, b) for part, a, b in zip(parts, edges[:-1], edges[1:], strict=True)}
        return pictures, np.unique(labels, return_inverse=True)[1], places

    def _validation(
        self, train: Int[np.ndarray, " train"], given: Int[np.ndarray, " val"] | None
    ) -> tuple[Int[np.ndarray, " learned"], Int[np.ndarray, " val"]]:
        if given is not None and len(given):
            return train, given
        held, learned = np.split(np.random.default_rng(self.seed).permutation(train), [max(1, len(train) // 5)])
        return learned, held
