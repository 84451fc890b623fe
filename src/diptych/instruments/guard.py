"""Names what goes wrong while a model learns, and what would help. docs/inside.md gives reasons for the thresholds.

Legend: b samples of a batch, r of them looked at, d columns.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from diptych.called import TEXT, called
from diptych.core import Objective, Recipe, Snapshot, compared
from diptych.measure.geometry import alignment, mean_cosine
from diptych.measure.rank import bound, effective_rank
from diptych.measure.rows import unit

ROWS = 128  # of a batch, whose spectrum and softmax are looked at
EACH = 5  # of its looks one is taken, and those after one that saw something
IN_A_ROW = 3  # looks that tell a state from a moment
LONG = 10  # looks in which nothing is learned
NEARER = 1e-3  # cosines of pairs less those of others, at least
SAME = 1e-5  # alignment of views that differ by no more than the rounding of bf16
ONE_POINT = 0.999  # mean cosine of a collapse
THIN, FALLEN = 0.05, 0.5  # effective rank, as a part of what it can be and of what it was
COPIES = 0.01  # of the anchors
COPY = 1e-10  # squared distance of unit rows that are equal but for rounding
SURE, LEARNED = 0.99, 0.01  # mean highest probability, and loss, of a softmax that has nothing left to tell
CHANCE, APART = 3.0, 0.5  # highest probability over 1 / b, and the gap of cosines that should have raised it

Watchfulness = Literal["warn", "stop", "off"]  # what a guard does about a collapse; of other trouble it only warns
Trouble = tuple[str, str]  # its kind, and what is said of it


class CollapsedError(RuntimeError):
    """What a run learns has collapsed."""


class Guard:
    """Says each kind of trouble once, through `say`; of a collapse it raises CollapsedError with `stop`.

    identical     the two views of a sample are the same from the start      (a collapse)
    constant      all samples have one embedding                             (a collapse)
    chance        pairs are no nearer than others, ten looks in a row        (a collapse)
    dimensional   embeddings fill a small part of the directions they filled (a collapse)
    duplicates    anchors of a batch are equal, and are each other's negatives
    saturated, blunt     the temperature is too low, too high, for the batch

    A run that begins with one embedding for all, as DINOv2's layer scale makes it, has half of its steps to leave
    it. The temperature is that of the objective at each look, as it may be learned. The guard names no numbers, and
    writes nothing: a run is the same with it and without. One that is resumed knows nothing of the ranks before.
    """

    def __init__(
        self,
        say: Callable[[str], None],
        stop: bool = False,
        objective: Objective | None = None,
        apart: str = TEXT.apart,
        steps: int = 0,
    ):
        self.say, self.stop, self.objective, self.apart = say, stop, objective, apart
        self.patience, self.still = steps // 2, False  # in one point, as it began
        self.told: set[str] = set()
        self.seen: Counter[str] = Counter()
        self.best, self.calls = 0.0, 0

    @staticmethod
    def of(recipe: Recipe, say: Callable[[str], None], stop: bool = False) -> "Guard":
        return Guard(say, stop, recipe.objective, called(recipe).apart, recipe.steps)

    @property
    def temperature(self) -> float | None:
        """The one number that the objective divides cosines by, if it has such."""
        found = self.objective.told("temperature") if self.objective else None
        return float(found) if isinstance(found, int | float) else None

    def __call__(self, snapshot: Snapshot) -> Mapping[str, float]:
        self.calls += 1
        if self.calls % EACH != 1 and not self.seen:
            return {}
        views = [encoded.projection.detach().float() for encoded in compared(snapshot.views)[:2]]
        if len(views) == 2 and len(views[0]) > 2 and all(bool(x.isfinite().all()) for x in views):
            found = dict(self._troubles(unit(views[0]), unit(views[1])))
            self.still = "constant" in found and (self.still or snapshot.step <= 1)
            if self.still and snapshot.step < self.patience:
                return {}
            for kind in self.seen.keys() - found.keys():
                del self.seen[kind]
            for kind, line in found.items():
                self._tell(kind, line, snapshot.step)
        return {}

    def _tell(self, kind: str, line: str, step: int) -> None:
        self.seen[kind] += 1
        if self.seen[kind] < LOOKS.get(kind, IN_A_ROW) or kind in self.told:
            return
        self.told.add(kind)
        if self.stop and kind in COLLAPSES:
            raise CollapsedError(f"stopped at step {step}: {line}")
        self.say(f"step {step}: {line}")

    def _troubles(self, x: Float[Tensor, "b p"], y: Float[Tensor, "b p"]) -> Iterator[Trouble]:
        if (cosine := float(mean_cosine(x))) > ONE_POINT:
            yield "constant", f"all samples have nearly one embedding (mean cosine {cosine:z.4f}); {MORE_APART}"
            return
        if (gap := float(nearer(x, y))) < NEARER:
            yield "chance", f"pairs are no nearer than others (by {gap:z.4f}), so nothing is learned; {MORE_APART}"
        if self.calls == 1 and (near := float(alignment(x, y))) < SAME:
            yield "identical", f"the two views of a sample are the same (alignment {near:.1e}); {self.apart}"
        if (copies := duplicates(x)) > COPIES:
            yield "duplicates", f"{copies:.1%} of a batch's anchors are copies of another; {REPEATED}"
        yield from self._dimensional(x[:ROWS])
        yield from self._temperature(x, y)

    def _dimensional(self, x: Float[Tensor, "r p"]) -> Iterator[Trouble]:
        rank, most = float(effective_rank(x, centred=True)), bound(len(x), x.shape[1], centred=True)
        self.best = max(self.best, rank)
        if rank < THIN * most and rank < FALLEN * self.best:
            yield (
                "dimensional",
                f"embeddings fill {rank:.1f} directions of {most}, and filled {self.best:.1f}; {MORE_APART}",
            )

    def _temperature(self, x: Float[Tensor, "b p"], y: Float[Tensor, "b p"]) -> Iterator[Trouble]:
        if (temperature := self.temperature) is None:
            return
        cosines, right = x[:ROWS] @ y.T, torch.arange(min(ROWS, len(x)), device=x.device)
        told = (cosines / temperature).log_softmax(1)
        sure, loss = float(told.max(1).values.exp().mean()), -float(told[right, right].mean())
        own = cosines[right, right].mean()
        gap = float(own - (cosines.sum() - own * len(right)) / (cosines.numel() - len(right)))
        told_as = f"temperature {temperature:g}"
        if sure > SURE and loss < LEARNED:
            yield "saturated", f"every sample finds its other view ({told_as}, loss {loss:.4f}); {HARDER}"
        if sure < CHANCE / len(y) and gap > APART:
            yield "blunt", f"pairs are {gap:.2f} nearer than others, and {told_as} hides it; {SHARPER}"


COLLAPSES = ("identical", "constant", "chance", "dimensional")
LOOKS = {"identical": 1, "chance": LONG}
MORE_APART = "lower the learning rate, warm up longer, or see that the objective pushes samples apart"
REPEATED = "remove duplicates from the data, or they are pushed apart from themselves"
HARDER = "nothing is left to learn from this batch: a larger one, harder views, or a higher temperature"
SHARPER = "lower it: 0.05 and 0.1 are usual"


def nearer(x: Float[Tensor, "b p"], y: Float[Tensor, "b p"]) -> Float[Tensor, ""]:
    """The mean cosine of unit rows i of both, less that of different rows."""
    own, n = (x * y).sum(), len(x)
    return own / n - (x.sum(0) @ y.sum(0) - own) / (n * (n - 1))


def duplicates(x: Float[Tensor, "b p"]) -> float:
    """The part of unit rows that are copies of another, up to rounding."""
    along = x.double() @ torch.linspace(1, 2, x.shape[1], dtype=torch.float64, device=x.device)
    ordered = x[along.argsort()]
    return float((ordered.diff(dim=0).square().sum(1) < COPY).sum()) / len(x)
