"""How high do the right ones stand in an order?

Legend: n items, highest score first where they are sorted; m distinct scores; r resamples.
"""

import numpy as np
from jaxtyping import Bool, Float, Int


def average_precision(scores: Float[np.ndarray, " n"], right: Bool[np.ndarray, " n"]) -> float:
    """The mean precision over the places of the right items, highest scores first, in [0, 1].

    Items of equal scores come in together, so their order does not matter: sum over distinct scores of
    (recall - recall before) * precision, as scikit-learn has it. Raises ValueError if no item is right.
    """
    if not right.any():
        raise ValueError(f"average precision needs an item that is right; none of {len(right)} is")
    return _precision(*_ordered(scores, right), np.ones(len(right), np.int64))


def resampled_precision(
    scores: Float[np.ndarray, " n"], right: Bool[np.ndarray, " n"], draws: int = 1000, seed: int = 0
) -> Float[np.ndarray, " r"]:
    """Average precision of `draws` resamples of the items, with replacement, less those without a right item."""
    rng, n = np.random.default_rng(seed), len(scores)
    right, ends = _ordered(scores, right)
    counts = (np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(draws))
    return np.array([_precision(right, ends, each) for each in counts if each[right].any()])


def _ordered(
    scores: Float[np.ndarray, " n"], right: Bool[np.ndarray, " n"]
) -> tuple[Bool[np.ndarray, " n"], Int[np.ndarray, " m"]]:
    """The items by falling score, and where each run of equal scores ends."""
    order = np.argsort(-scores, kind="stable")
    return right[order], np.append(np.flatnonzero(np.diff(scores[order])), len(scores) - 1)


def _precision(right: Bool[np.ndarray, " n"], ends: Int[np.ndarray, " m"], counts: Int[np.ndarray, " n"]) -> float:
    """Average precision where item i is there `counts[i]` times."""
    seen, hits = counts.cumsum()[ends], (counts * right).cumsum()[ends]
    return float((np.diff(hits, prepend=0) * hits / np.maximum(seen, 1)).sum() / hits[-1])
