"""One of several transforms, drawn for each sample."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from diptych.core import Draw, Sample, Transform
from diptych.views.input.then import APART, many


@dataclass(frozen=True)
class OneOf:
    """Each transform is as likely; every view of every sample has its own choice, and its own draw for what is chosen.

    Raises ValueError for none.
    """

    transforms: Sequence[Transform]

    def __post_init__(self) -> None:
        if not self.transforms:
            raise ValueError("one of several transforms is chosen; got none")

    @property
    def draws(self) -> int:
        return 1 + max(map(many, self.transforms))

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        chosen = self.transforms[int(draw.own.integers(len(self.transforms)))]
        return chosen(sample, replace(draw, view=draw.view + APART))
