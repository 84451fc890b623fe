from itertools import combinations

import numpy as np
import pytest

from diptych.evaluate.invariance import invariance


def by_loops(x):
    u = x / np.linalg.norm(x, axis=-1, keepdims=True)
    n, k, _ = x.shape
    within = [u[i, a] @ u[i, b] for i in range(n) for a, b in combinations(range(k), 2)]
    between = [u[i, a] @ u[j, b] for i, j in combinations(range(n), 2) for a in range(k) for b in range(k)]
    return np.mean(within), np.mean(between)


@pytest.mark.parametrize("k", [2, 5])
def test_it_is_the_difference_of_two_means_over_pairs(k):
    rng = np.random.default_rng(0)
    x = rng.standard_normal((7, 1, 4)) + 0.5 * rng.standard_normal((7, k, 4)) + 0.3
    found, (within, between) = invariance(x), by_loops(x)
    assert (found.within, found.between) == pytest.approx((within, between), rel=1e-12)
    assert found.value == found.within - found.between


def test_a_collapse_is_not_invariance():
    x = np.ones((5, 3, 4)) + 1e-6 * np.random.default_rng(0).standard_normal((5, 3, 4))
    found = invariance(x)
    assert found.within == pytest.approx(1)
    assert found.value == pytest.approx(0, abs=1e-9)


def test_images_at_right_angles_that_augmentations_leave_alone_have_one():
    x = np.eye(4)[:, None].repeat(3, 1)
    found = invariance(x)
    assert (found.value, found.within, found.between, found.error) == pytest.approx((1, 1, 0, 0), abs=1e-12)


def test_the_error_is_the_spread_over_draws_of_images():
    rng = np.random.default_rng(0)

    def drawn():
        return invariance(rng.standard_normal((60, 1, 6)) + rng.standard_normal((60, 3, 6)) + 0.8)

    found = [drawn() for _ in range(400)]
    assert np.mean([x.error for x in found]) == pytest.approx(np.std([x.value for x in found]), rel=0.12)


@pytest.mark.parametrize("shape", [(1, 3, 4), (5, 1, 4)])
def test_one_image_or_one_augmentation_is_refused(shape):
    with pytest.raises(ValueError, match=f"got {shape[0]} images, {shape[1]} of each"):
        invariance(np.ones(shape))
