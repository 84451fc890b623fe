import math

import numpy as np
import pytest

from diptych.measure.ranking import ndcg, recall, reciprocal_rank


def test_ndcg_by_hand():
    """Relevant are documents of gain 3, 2 and 1; found are a wrong one, the 2 and the 3."""
    gains, ideal = np.array([0.0, 2, 3]), np.array([1.0, 3, 2])
    best = 3 / math.log2(2) + 2 / math.log2(3) + 1 / math.log2(4)
    assert ndcg(gains, ideal, 10) == pytest.approx((2 / math.log2(3) + 3 / math.log2(4)) / best)
    assert ndcg(gains, ideal, 2) == pytest.approx((2 / math.log2(3)) / (3 + 2 / math.log2(3)))
    assert ndcg(np.sort(ideal)[::-1], ideal, 10) == 1


def test_a_relevant_document_below_the_last_place_is_not_found():
    gains = np.array([0.0] * 10 + [1.0])
    assert (ndcg(gains, np.ones(1), 10), recall(gains, 1, 10), reciprocal_rank(gains, 10)) == (0, 0, 0)
    assert recall(gains, 1, 11) == 1
    assert reciprocal_rank(gains, 11) == pytest.approx(1 / 11)


def test_recall_is_of_all_that_are_relevant():
    assert recall(np.array([1.0, 0, 2]), 4, 10) == 0.5
    assert reciprocal_rank(np.array([0.0, 1, 2]), 10) == 0.5
