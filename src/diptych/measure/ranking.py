"""How good is a ranking? Its relevant places are known, and how relevant each is.

Source: trec_eval's `ndcg_cut`, `recall` and `recip_rank`, as BEIR, arXiv:2104.08663, and mteb use them.
Legend: k places of the ranking, r relevant documents of the query, all of them.
"""

import numpy as np
from jaxtyping import Float


def ndcg(gains: Float[np.ndarray, " k"], ideal: Float[np.ndarray, " r"], k: int) -> float:
    """DCG of the first k places over the best possible one; DCG = sum of gain_i / log2(i + 1), i from 1.

    `gains` are those of the places, 0 where a document is not relevant; `ideal` those of all relevant documents.
    """
    best = np.sort(ideal)[::-1]
    return _dcg(gains[:k]) / _dcg(best[:k])


def _dcg(gains: Float[np.ndarray, " k"]) -> float:
    return float((gains / np.log2(np.arange(2, len(gains) + 2))).sum())


def recall(gains: Float[np.ndarray, " k"], relevant: int, k: int) -> float:
    """The part of all relevant documents that is among the first k."""
    return float((gains[:k] > 0).sum() / relevant)


def reciprocal_rank(gains: Float[np.ndarray, " k"], k: int) -> float:
    """1 / the place of the first relevant document, counted from 1; 0 if none is among the first k."""
    places = np.flatnonzero(gains[:k] > 0)
    return float(1 / (places[0] + 1)) if len(places) else 0.0
