"""Depth of pictures by a linear layer on frozen patches."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from diptych.core import DataError
from diptych.data.images.store import DEPTH, Pictures
from diptych.evaluate import dense
from diptych.evaluate.depth import errors, linear_depth, present
from diptych.evaluate.images import arrays
from diptych.evaluate.images.seen import Seeing, in_parts
from diptych.evaluate.interval import bootstrap
from diptych.evaluate.task import Result
from diptych.plural import counted


def task(corpus: Pictures, most: int | None = None) -> "Depths":
    """The task of a corpus with depths (see `arrays.metres`), on at most so many pictures of a part.

    Raises what `arrays.maps` raises.
    """
    found = arrays.maps(corpus, DEPTH, most)
    return Depths(replace(found, truth={part: arrays.metres(x) for part, x in found.truth.items()}))


@dataclass(frozen=True)
class Depths:
    """Errors on test pictures: `rmse` in metres, `abs_rel`, and `delta1` in per cent; beside them the RMSE of
    one depth for all pixels, the median of training. Each is a mean over pictures.

    A picture is seen whole, as a square, and its patches are stretched to the shape of its depths.
    """

    data: arrays.Known
    steps: int = dense.STEPS
    seed: int = 0

    def __post_init__(self) -> None:
        for part, depths in self.data.truth.items():
            if depths.ndim != 3:
                raise DataError(f"{self.name}: depths are [n, y, x]; those of {part!r} are {list(depths.shape)}")
            present(depths)

    @property
    def name(self) -> str:
        return self.data.name

    @property
    def notes(self) -> Sequence[str]:
        return self.data.notes

    def score(self, encoder: Seeing) -> list[Result]:
        train, test = in_parts(encoder, self.data.pictures["train"], self.data.pictures["test"])
        learned, asked = self.data.truth["train"], self.data.truth["test"]
        found = linear_depth((train, learned), (test, asked), steps=self.steps, seed=self.seed)
        median = errors(asked, np.full_like(asked, np.median(learned[present(learned)])))
        return [
            self._line("rmse", found.rmse, main=True),
            self._line("abs_rel", found.abs_rel),
            self._line("delta1", 100 * found.delta1, main=True),
            self._line("median_rmse", median.rmse),
        ]

    def _line(self, metric: str, each: Float[np.ndarray, " m"], main: bool = False) -> Result:
        how = f"bootstrap over {counted(len(each), 'test picture')}"
        return Result(self.name, metric, float(each.mean()), len(each), *bootstrap(each), how, main)
