"""One transform after another."""

from dataclasses import dataclass, replace
from functools import reduce

from diptych.core import Draw, Sample, Transform

APART = 1 << 32  # views; a recipe has fewer


def many(transform: Transform) -> int:
    """Views that a transform draws numbers of: its own, and one for each that is within it one after the other."""
    return getattr(transform, "draws", 1)


@dataclass(frozen=True)
class Then:
    """`second` of what `first` makes of a sample: a window, then masking.

    Both share `draw.shared`. The `own` numbers of the second are others than those of the first, so that neither
    decides the other; to that end it is told of a view that no recipe has, nor any that the first tells of.
    """

    first: Transform
    second: Transform

    @property
    def draws(self) -> int:
        return many(self.first) + many(self.second)

    def __call__(self, sample: Sample, draw: Draw) -> Sample:
        later = replace(draw, view=draw.view + APART * many(self.first))
        return self.second(self.first(sample, draw), later)


def chain(*transforms: Transform) -> Transform:
    """One after the other, each with `own` numbers of its own."""
    return reduce(lambda later, earlier: Then(earlier, later), reversed(transforms))
