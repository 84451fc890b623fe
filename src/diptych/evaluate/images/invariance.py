"""How little an encoder minds that pictures are augmented."""

from collections.abc import Sequence
from dataclasses import dataclass

from diptych.core import Draw, Picture, Transform
from diptych.evaluate.images.seen import Seeing
from diptych.evaluate.invariance import invariance
from diptych.evaluate.score import Z
from diptych.evaluate.task import Result
from diptych.plural import counted

DRAWS = 4


@dataclass(frozen=True)
class Invariance:
    """Each picture is augmented `draws` times; how much more alike are these than different pictures?

    The seed and a picture's place in the list decide its augmentations, whoever is asked.
    """

    name: str
    pictures: Sequence[Picture]
    augment: Transform
    draws: int = DRAWS
    seed: int = 0
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        if len(self.pictures) < 2 or self.draws < 2:
            raise ValueError(
                f"invariance compares 2 or more augmentations of 2 or more pictures; got {self.draws} of "
                f"{len(self.pictures)}"
            )

    def score(self, encoder: Seeing) -> list[Result]:
        augmented = [
            self.augment(picture, Draw(self.seed, 0, i, view))
            for i, picture in enumerate(self.pictures)
            for view in range(self.draws)
        ]
        found = invariance(encoder.embed(augmented).reshape(len(self.pictures), self.draws, -1))
        n = len(self.pictures)
        how = f"standard error over {counted(n, 'picture')}, {self.draws} draws of each"
        low, high = found.value - Z * found.error, found.value + Z * found.error
        return [
            Result(self.name, "invariance", found.value, n, low, high, how),
            Result(self.name, "cosine_within", found.within, n),
            Result(self.name, "cosine_between", found.between, n),
        ]
