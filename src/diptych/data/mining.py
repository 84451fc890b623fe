"""Hard negatives from an encoder's own neighbours: texts that are near to an anchor and do not belong to it.

Shapes: n pairs, a anchors of a part, p distinct positives, d width, k negatives.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from diptych.measure.neighbours import neighbours
from diptych.measure.rows import Rows


@dataclass(frozen=True)
class Wanted:
    """Which neighbours of an anchor are its hard negatives.

    Of the other positives, by cosine, ranks `first`..`last` (from 1) are looked at, and the `k` nearest of them are
    taken whose cosine is at most `part` times that of the anchor's own positive (TopK-PercPos of NV-Retriever,
    arXiv:2407.15831: 0.95), and at most that of the positive less `less` (its TopK-MarginPos).

    Raises ValueError for numbers that cannot be.
    """

    k: int = 1
    first: int = 1
    last: int = 100
    part: float = 0.95
    less: float = 0.0

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError(f"an anchor gets 1 negative or more; got k={self.k}")
        if not 1 <= self.first <= self.last:
            raise ValueError(f"ranks count from 1, the first before the last; got {self.first}..{self.last}")
        if not 0 < self.part <= 1:
            raise ValueError(f"a margin is a part of the positive's cosine, in (0, 1]; got {self.part}")
        if not 0 <= self.less <= 2:
            raise ValueError(f"an absolute margin is a difference of cosines, in [0, 2]; got {self.less}")


@dataclass(frozen=True)
class Pool:
    """The distinct positives of pairs; `which[i]` is the number of row i's positive, `first[j]` the row of number j.

    `known[i]` are the numbers that are no negatives of row i: positives of the same anchor, and its own text.
    """

    which: Int[np.ndarray, " n"]
    first: Int[np.ndarray, " p"]
    known: Sequence[frozenset[int]]

    @staticmethod
    def of(anchors: Sequence[str], positives: Sequence[str]) -> "Pool":
        numbers: dict[str, int] = {}
        first: list[int] = []
        which = np.empty(len(positives), np.int64)
        belongs: dict[str, set[int]] = {}
        for i, (anchor, positive) in enumerate(zip(anchors, positives, strict=True)):
            if (number := numbers.setdefault(positive, len(numbers))) == len(first):
                first.append(i)
            which[i] = number
            belongs.setdefault(anchor, set()).add(number)
        for anchor, known in belongs.items():
            if anchor in numbers:
                known.add(numbers[anchor])
        frozen = {anchor: frozenset(known) for anchor, known in belongs.items()}
        return Pool(which, np.array(first, np.int64), [frozen[anchor] for anchor in anchors])


@dataclass(frozen=True)
class Found:
    """A hard negative: row `pair`, the number of a positive of the pool, and two cosines with the anchor."""

    pair: int
    negative: int
    positive_cosine: float
    negative_cosine: float


def mine(
    anchors: Float[np.ndarray, "a d"], pairs: Int[np.ndarray, " a"], bank: Rows, pool: Pool, wanted: Wanted
) -> list[Found]:
    """The hard negatives of some anchors, row `pairs[i]` each, by exact search in all positives of the pool."""
    if not len(pairs):
        return []
    most = max(len(pool.known[i]) for i in pairs.tolist())
    index, distance = neighbours(anchors, bank, min(wanted.last + most, len(bank)), cosine=True)
    cosine = 1 - np.square(distance) / 2
    own = _cosines(anchors, bank[pool.which[pairs]])
    out: list[Found] = []
    for row, pair in enumerate(pairs.tolist()):
        limit = min(wanted.part * own[row], own[row] - wanted.less) if own[row] > 0 else own[row] - wanted.less
        others = [place for place, number in enumerate(index[row].tolist()) if number not in pool.known[pair]]
        ranked = others[wanted.first - 1 : wanted.last]
        taken = [place for place in ranked if cosine[row, place] <= limit][: wanted.k]
        out += [Found(pair, int(index[row, x]), float(own[row]), float(cosine[row, x])) for x in taken]
    return out


def _cosines(x: Float[np.ndarray, "a d"], y: Float[np.ndarray, "a d"]) -> Float[np.ndarray, " a"]:
    """The cosine of row i of one with row i of the other."""
    x, y = x.astype(np.float64), y.astype(np.float64)
    lengths = np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1)
    return (x * y).sum(1) / np.maximum(lengths, 1e-12)
