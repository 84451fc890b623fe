import math

import numpy as np
import pytest

from diptych.evaluate.weighted import weighted_knn


def by_loops(rows, classes, train, test, k, temperature):
    """The formula: the k nearest by cosine vote with exp(cosine / temperature)."""
    right = []
    for q in test:
        cosines = []
        for b in train:
            product = sum(float(a) * float(c) for a, c in zip(rows[q], rows[b], strict=True))
            cosines.append((-product / math.sqrt(sum(rows[q] ** 2) * sum(rows[b] ** 2)), b))
        votes = {}
        for negative, b in sorted(cosines)[:k]:
            votes[classes[b]] = votes.get(classes[b], 0) + math.exp(-negative / temperature)
        right.append(max(sorted(votes), key=lambda c: votes[c]) == classes[q])
    return right


@pytest.mark.parametrize(("k", "temperature"), [(1, 0.07), (5, 0.07), (20, 0.07), (20, 1.0)])
def test_the_vote_is_that_of_the_formula(k, temperature):
    rng = np.random.default_rng(0)
    y = rng.integers(0, 4, 120)
    x = rng.standard_normal((4, 6))[y] + 1.5 * rng.standard_normal((120, 6))
    train, test = np.arange(80), np.arange(80, 120)
    score = weighted_knn(x, y, train, test, k, temperature)
    assert score.right.tolist() == by_loops(x, y, train, test, k, temperature)
    assert 0.3 < score.value < 1


def test_one_near_neighbour_outvotes_two_far_ones_when_the_temperature_is_low():
    angles = np.array([0.1, 1.0, 1.0, 0.0])
    rows, classes = np.stack([np.cos(angles), np.sin(angles)], 1), np.array([1, 0, 0, 1])
    train, test = np.arange(3), np.array([3])
    assert weighted_knn(rows, classes, train, test, 3, 0.07).value == 1
    assert weighted_knn(rows, classes, train, test, 3, 10.0).value == 0


def test_the_length_of_rows_says_nothing():
    rng = np.random.default_rng(1)
    y = rng.integers(0, 3, 90)
    x = np.eye(3)[y] + rng.standard_normal((90, 3))
    train, test = np.arange(60), np.arange(60, 90)
    long = x * rng.uniform(0.01, 100, (90, 1))
    assert weighted_knn(long, y, train, test).right.tolist() == weighted_knn(x, y, train, test).right.tolist()


def test_a_low_temperature_does_not_overflow():
    y = np.array([0, 1, 0])
    assert weighted_knn(np.eye(3)[[0, 1, 0]], y, np.arange(2), np.array([2]), 2, 1e-4).value == 1


def test_rows_of_zeros_vote_as_orthogonal_ones():
    rows = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 0.1]])
    assert weighted_knn(rows, np.array([0, 1, 1]), np.arange(2), np.array([2]), 2).value == 1


@pytest.mark.parametrize("settings", [{"k": 0}, {"temperature": 0.0}, {"temperature": float("nan")}])
def test_what_is_no_vote_is_refused(settings):
    with pytest.raises(ValueError, match="k is 1 or more and the temperature above 0"):
        weighted_knn(np.eye(3), np.arange(3), np.arange(2), np.array([2]), **settings)
