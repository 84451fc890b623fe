"""The measures against their formulas, in loops."""

import math

import numpy as np
import pytest
import torch
from scipy import sparse

from diptych.measure.geometry import alignment, cosines, mean_cosine, potentials, uniformity
from diptych.measure.neighbours import neighbours, ranks, vote

KINDS = {"tensor": torch.from_numpy, "array": np.asarray, "sparse": sparse.csr_matrix}


@pytest.fixture(params=KINDS)
def pairs(request):
    """Two views of eleven samples: as plain arrays of unit rows, and of any length in the kind asked for."""
    rng = np.random.default_rng(3)
    x = rng.standard_normal((11, 6)) * (rng.random((11, 6)) < 0.7) + 0.1
    y = x + 0.3 * rng.standard_normal((11, 6))
    unit = [np.array([v / math.sqrt(sum(c * c for c in v)) for v in side]) for side in (x, y)]
    return unit, [KINDS[request.param](side) for side in (x, y)]


def square(u, v):
    return sum((a - b) ** 2 for a, b in zip(u, v, strict=True))


@pytest.mark.parametrize("alpha", [1, 2, 3])
def test_alignment_is_the_mean_distance_of_positives_to_the_power_alpha(pairs, alpha):
    (x, y), given = pairs
    expected = sum(math.sqrt(square(u, v)) ** alpha for u, v in zip(x, y, strict=True)) / len(x)
    assert float(alignment(*given, alpha=alpha)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("t", [1, 2, 5])
def test_uniformity_is_the_log_of_the_mean_potential_of_distinct_pairs(pairs, t):
    (x, _), (given, _) = pairs
    n = len(x)
    potential = [math.exp(-t * square(x[i], x[j])) for i in range(n) for j in range(i + 1, n)]
    assert float(uniformity(given, t)) == pytest.approx(math.log(sum(potential) / len(potential)), rel=1e-9)


def test_potentials_are_means_over_the_other_rows(pairs):
    (x, _), (given, _) = pairs
    n = range(len(x))
    expected = [np.mean([math.exp(-2 * square(x[i], x[j])) for j in n if j != i]) for i in n]
    np.testing.assert_allclose(potentials(given).numpy(), expected, rtol=1e-9)


def test_cosines_are_products_of_unit_rows(pairs):
    (x, y), given = pairs
    expected = [sum(a * b for a, b in zip(u, v, strict=True)) for u, v in zip(x, y, strict=True)]
    np.testing.assert_allclose(cosines(*given).numpy(), expected, rtol=1e-9)


def test_the_mean_cosine_is_that_of_distinct_pairs(pairs):
    (x, _), (given, _) = pairs
    n = len(x)
    expected = np.mean([x[i] @ x[j] for i in range(n) for j in range(n) if i != j])
    assert float(mean_cosine(given)) == pytest.approx(expected, rel=1e-9)


def nearest(query, bank, k):
    """Sort by exact squared distance, then by index."""
    far = [(square(query.tolist(), row.tolist()), i) for i, row in enumerate(bank)]
    return [i for _, i in sorted(far)[:k]]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("cosine", [False, True])
def test_neighbours_are_the_nearest_rows_and_ties_go_to_the_lower_index(kind, cosine):
    rng = np.random.default_rng(5)
    bank = rng.integers(-1, 2, (90, 4)).astype(float)  # small integers: many distances are equal
    queries = rng.integers(-1, 2, (30, 4)).astype(float)
    if cosine:  # rows of one length have exact cosines
        bank, queries = bank[(bank**2).sum(1) == 3], queries[(queries**2).sum(1) == 3]
    index, distance = neighbours(KINDS[kind](queries), KINDS[kind](bank), 12, cosine)
    assert index.tolist() == [nearest(q, bank, 12) for q in queries]
    scale = 3 if cosine else 1
    expected = [[math.sqrt(square(q, bank[i]) / scale) for i in row] for q, row in zip(queries, index, strict=True)]
    np.testing.assert_allclose(distance, expected, atol=1e-6)


def test_the_vote_goes_to_the_most_frequent_class_and_of_equals_to_the_smallest():
    labels = np.random.default_rng(0).integers(0, 4, (50, 6))
    expected = [min(range(4), key=lambda c: (-row.count(c), c)) for row in labels.tolist()]
    assert vote(labels).tolist() == expected


def test_a_rank_counts_the_rows_that_come_before_the_matching_one(pairs):
    (x, y), given = pairs
    expected = [sum(u @ w > u @ v for w in y) for u, v in zip(x, y, strict=True)]
    assert ranks(*given).tolist() == expected
    assert max(expected) > 0
