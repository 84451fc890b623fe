"""When to look: often at first, when most changes, and less and less often."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Moments:
    """About `many` steps of a run, its first and last among them: the k-th of m is at (k / m)^2 of the run.

    It stands in the place of a number as an instrument's `every`: `step % moments == 0` says that it is time. A
    function of the step alone, so that a run that is resumed looks when it would have looked.
    """

    steps: int
    many: int = 40
    at: frozenset[int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if self.steps < 1 or self.many < 1:
            raise ValueError(f"a run has 1 step or more, and is looked at once or more; got {self.steps}, {self.many}")
        spaced = {-(-self.steps * k * k // self.many**2) for k in range(1, self.many + 1)}
        object.__setattr__(self, "at", frozenset({1} | spaced))

    def __contains__(self, step: object) -> bool:
        return step in self.at

    def __rmod__(self, step: int) -> int:
        return int(step not in self)
