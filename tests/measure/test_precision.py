"""Average precision, by hand and against scikit-learn."""

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from diptych.measure.precision import average_precision, resampled_precision


def cases():
    rng = np.random.default_rng(0)
    for n in (2, 7, 300):
        right = rng.random(n) < 0.4
        right[0] = True
        yield rng.normal(size=n), right
        yield rng.normal(size=n).round(), right  # equal scores


def test_it_is_the_mean_precision_at_the_places_of_the_right_ones():
    assert average_precision(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False])) == (1 + 2 / 3) / 2


def test_equal_scores_come_in_together():
    assert average_precision(np.array([0.5, 0.5]), np.array([False, True])) == 0.5
    assert average_precision(np.array([0.5, 0.5]), np.array([True, False])) == 0.5


@pytest.mark.parametrize(("scores", "right"), list(cases()))
def test_it_is_what_scikit_learn_says(scores, right):
    assert average_precision(scores, right) == pytest.approx(average_precision_score(right, scores), abs=1e-12)


def test_a_resample_is_the_average_precision_of_items_drawn_again():
    scores, right = np.array([0.9, 0.5, 0.5, 0.1, 0.0]), np.array([True, False, True, False, True])
    order = np.argsort(-scores, kind="stable")
    rng, expected = np.random.default_rng(3), []
    for _ in range(50):
        drawn = order[rng.integers(5, size=5)]
        if right[drawn].any():
            expected.append(average_precision_score(right[drawn], scores[drawn]))
    np.testing.assert_allclose(resampled_precision(scores, right, 50, seed=3), expected, atol=1e-12)


def test_without_a_right_item_there_is_none():
    with pytest.raises(ValueError, match="none of 3 is"):
        average_precision(np.arange(3.0), np.zeros(3, bool))
