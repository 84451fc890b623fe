import math

import numpy as np
import pytest

from diptych.measure.isotropy import isotropy


def test_it_is_the_least_partition_function_over_the_greatest():
    """Mu & Viswanath, arXiv:1702.01417, in loops."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((12, 4)) + np.eye(4)[0]
    directions = [s * a for a in np.linalg.eigh(x.T @ x)[1].T for s in (1, -1)]
    partition = [sum(math.exp(a @ row) for row in x) for a in directions]
    assert float(isotropy(x, unit=False)) == pytest.approx(min(partition) / max(partition), rel=1e-9)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    assert float(isotropy(7 * x)) == pytest.approx(float(isotropy(unit, unit=False)), rel=1e-9)


def test_one_direction_is_far_from_isotropic_and_all_of_them_are_isotropic():
    assert float(isotropy(np.tile([3.0, 4.0], (9, 1)))) == pytest.approx(math.exp(-2))
    axes = np.concatenate([np.eye(5), -np.eye(5)])
    assert float(isotropy(axes)) == pytest.approx(1)


def test_long_rows_overflow_nothing():
    assert 0 <= float(isotropy(np.array([[2000.0, 0], [0, 1]]), unit=False)) < 1e-300


@pytest.mark.parametrize("x", [np.empty((0, 3)), np.array([[np.nan, 1]])])
def test_what_has_no_directions_is_refused(x):
    with pytest.raises(ValueError, match="isotropy is of"):
        isotropy(x)
