"""Nearest neighbours before and after, for a few documents."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from diptych.report.card import Evidence
from diptych.report.drawing import NOTHING, svg
from diptych.report.snippet import snippet

EXAMPLES, NEAREST = 6, 3


@dataclass(frozen=True)
class Neighbour:
    """`agrees` says whether it has the query's label; None where one of them has none."""

    text: str
    label: str | None
    cosine: float
    agrees: bool | None
    drawing: Markup = NOTHING


@dataclass(frozen=True)
class Example:
    """A document, and `nearest[title]` in each space."""

    text: str
    label: str | None
    nearest: dict[str, list[Neighbour]]
    drawing: Markup = NOTHING


def examples(evidence: Evidence, many: int = EXAMPLES, seed: int = 0) -> list[Example]:
    """Documents drawn at random, of different labels as far as there are, with their nearest by cosine.

    The draw knows nothing of how good their neighbours are.
    """
    if len(evidence.texts) <= NEAREST:
        return []
    rows = drawn(evidence.labels or [None] * len(evidence.texts), many, seed)
    spaces = {} if evidence.before is None else {"Before": evidence.before}
    spaces["After"] = evidence.after
    found = {title: _nearest(evidence, x, rows) for title, x in spaces.items()}
    labels = evidence.labels or [None] * len(evidence.texts)
    return [
        Example(
            snippet(evidence.texts[row], 220),
            labels[row],
            {title: found[title][i] for title in spaces},
            _drawing(evidence, row),
        )
        for i, row in enumerate(rows)
    ]


def drawn(labels: Sequence[str | None], many: int, seed: int) -> list[int]:
    """Rows in random order, the most frequent labels first, one row of each label before a second of any."""
    counts, taken = Counter(labels), Counter[str | None]()
    turns: list[tuple[int, bool, int, int, int]] = []
    for row in np.random.default_rng(seed).permutation(len(labels)).tolist():
        label = labels[row]
        turns.append((taken[label], label is None, -counts[label], len(turns), row))
        taken[label] += 1
    return [row for *_, row in sorted(turns)[:many]]


def _nearest(evidence: Evidence, x: Float[np.ndarray, "n d"], rows: list[int]) -> list[list[Neighbour]]:
    near = nearest(x, rows, NEAREST)
    return [
        [_neighbour(evidence, row, i, cosine) for i, cosine in others] for row, others in zip(rows, near, strict=True)
    ]


def nearest(x: Float[np.ndarray, "n d"], rows: list[int], many: int) -> list[list[tuple[int, float]]]:
    """For each of `rows` the `many` nearest others by cosine, with their cosines. There are more than `many` rows."""
    from diptych.measure.neighbours import neighbours

    x = np.asarray(x, np.float32)
    index, distance = neighbours(x[rows], x, many + 1, cosine=True)
    return [
        [(i, 1 - d * d / 2) for i, d in zip(near, far, strict=True) if i != row][:many]
        for row, near, far in zip(rows, index.tolist(), distance.tolist(), strict=True)
    ]


def _neighbour(evidence: Evidence, row: int, i: int, cosine: float) -> Neighbour:
    label = evidence.labels[i] if evidence.labels else None
    same = agrees(evidence.labels, row, i)
    return Neighbour(snippet(evidence.texts[i]), label, cosine, same, _drawing(evidence, i))


def agrees(labels: Sequence[str | None] | None, row: int, i: int) -> bool | None:
    """Whether two rows have the same label; None where one of them has none."""
    own, other = (labels[row], labels[i]) if labels else (None, None)
    return None if own is None or other is None else own == other


def _drawing(evidence: Evidence, row: int) -> Markup:
    return svg(evidence.graphs[row] if evidence.graphs else None)
