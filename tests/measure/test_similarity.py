import numpy as np
import pytest
import torch

from diptych.measure.similarity import cka, mean_off_diagonal, minibatch_cka, table


def gaussian(n=20, d=5, seed=0):
    return np.random.default_rng(seed).standard_normal((n, d))


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
@pytest.mark.parametrize("debiased", [True, False])
def test_what_turns_moves_and_scales_changes_nothing(kernel, debiased):
    x = gaussian()
    turned = 3 * x @ np.linalg.qr(gaussian(5, 5, 1))[0] + 2
    assert cka(x, turned, kernel, debiased) == pytest.approx(1, rel=1e-9)


def test_a_stretch_of_one_direction_changes_it():
    x = gaussian()
    assert cka(x, x * [9, 1, 1, 1, 1]) < 0.9


def test_a_large_common_offset_costs_no_digits():
    x, y = gaussian(), gaussian(seed=1)
    assert cka(x + 1e6, y - 1e6) == pytest.approx(cka(x, y), rel=1e-6)


def test_debiased_cka_may_be_negative():
    found = [cka(gaussian(8, 30, seed), gaussian(8, 30, seed + 100)) for seed in range(30)]
    assert min(found) < 0 < max(found)


def test_tensors_and_float32_are_welcome():
    x, y = gaussian(), gaussian(seed=1)
    assert cka(torch.from_numpy(x).float(), y) == pytest.approx(cka(x, y), rel=1e-5)


def test_small_numbers_are_as_good_as_others():
    x, y = gaussian(), gaussian(seed=1)
    assert cka(1e-9 * x, 1e-9 * y) == pytest.approx(cka(x, y), rel=1e-9)


@pytest.mark.parametrize(
    ("x", "y", "told"),
    [
        (gaussian(3), gaussian(3), "needs 4 samples or more; got 3"),
        (gaussian(), gaussian(19), "20 and 19"),
        (np.where(gaussian() > 1, np.nan, 1), gaussian(), "NaN or infinity in "),
        (gaussian()[:, 0], gaussian(), r"tables \(n d\); got shape \(20,\)"),
        (np.full((20, 5), 0.1), gaussian(), r"all rows .20. are the same"),
        ((1 + 1e-7 * gaussian()).astype(np.float32), gaussian(), r"all rows .20. are the same"),
    ],
)
@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_what_has_no_cka_is_refused(x, y, told, kernel):
    with pytest.raises(ValueError, match=told):
        cka(x, y, kernel)
    with pytest.raises(ValueError, match=r"row|samples|shape"):
        minibatch_cka([(x, y)], kernel)


def test_biased_cka_needs_two_samples():
    assert cka(gaussian(2), gaussian(2, seed=1), debiased=False) == pytest.approx(1)
    with pytest.raises(ValueError, match=r"all rows \(1\) are the same"):
        cka(gaussian(1), gaussian(1), debiased=False)


def test_an_hsic_of_nothing_is_refused_and_no_nan():
    """Four samples of which the Gram matrix without its diagonal is all one number."""
    simplex = np.eye(4)
    with pytest.raises(ValueError, match="HSIC of a side with itself"):
        cka(simplex, gaussian(4))
    with pytest.raises(ValueError, match="HSIC of a side with itself"):
        minibatch_cka([(simplex, gaussian(4))])
    with pytest.raises(ValueError, match="one batch or more; got none"):
        minibatch_cka([])


def test_layers_of_other_numbers_of_rows_are_no_table():
    with pytest.raises(ValueError, match="got 20 and 21"):
        table([gaussian(), gaussian(21)])


def test_the_mean_off_the_diagonal_leaves_the_diagonal_out():
    assert mean_off_diagonal(np.array([[1, 0.2], [0.4, 1]])) == pytest.approx(0.3)
    assert mean_off_diagonal(np.ones((1, 1))) is None
