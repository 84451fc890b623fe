"""Tests of differences, against scipy's and by hand."""

import numpy as np
import pytest
from scipy import stats

from diptych.measure.paired import EXACT, bootstrap, repeated, sign_flip
from diptych.measure.unpaired import shuffled, welch


def drawn(n, mean=0.0, seed=0):
    return np.random.default_rng(seed).normal(mean, 1, n)


def mean_of(x, axis):
    return np.mean(x, axis=axis)


def apart(x, y, axis):
    return np.mean(x, axis=axis) - np.mean(y, axis=axis)


@pytest.mark.parametrize("n", [2, 3, 5, 8, 13])
@pytest.mark.parametrize("mean", [0.0, 0.5, -2.0])
def test_all_sign_flips_are_those_of_scipy(n, mean):
    d = drawn(n, mean, seed=n)
    theirs = stats.permutation_test((d,), mean_of, permutation_type="samples", n_resamples=2**n, vectorized=True)
    found = sign_flip(d)
    assert found.exact
    assert found.p == pytest.approx(theirs.pvalue)


def test_five_seeds_that_agree_give_a_sixteenth_and_no_less():
    found = sign_flip(np.array([0.01, 0.02, 0.03, 0.02, 0.05]))
    assert (found.p, found.least) == (1 / 16, 1 / 16)
    assert sign_flip(np.array([0.01, 0.02, 0.03, 0.02, -0.001])).p == 1 / 8


def test_equal_numbers_tie_whatever_the_order_of_their_sum():
    d = np.array([0.1, 0.2, 0.3, -0.1, -0.2, -0.3, 0.1])
    assert sign_flip(d).p == sign_flip(d[::-1]).p == sign_flip(10 * d).p
    assert sign_flip(np.zeros(4)).p == 1.0


def test_drawn_flips_come_near_the_exact_ones_and_are_decided_by_the_seed():
    d = drawn(EXACT + 4, 0.4)
    theirs = stats.permutation_test((d,), mean_of, permutation_type="samples", n_resamples=2 ** len(d), batch=4096)
    found = sign_flip(d)
    assert not found.exact
    assert found.p == pytest.approx(theirs.pvalue, abs=4 * (theirs.pvalue / 9999) ** 0.5)
    assert found == sign_flip(d)
    assert found.p != sign_flip(d, seed=1).p
    assert sign_flip(d + 9).p == found.least == 1 / 10_000


def test_a_test_of_nothing_is_refused():
    with pytest.raises(ValueError, match="needs at least one"):
        sign_flip(np.array([]))


def test_the_intervals_of_paired_differences_are_those_of_scipy():
    d = drawn(9, 0.3)
    told = stats.ttest_1samp(d, 0).confidence_interval()
    assert repeated(d) == pytest.approx((told.low, told.high))
    low, high = bootstrap(d, draws=20_000)
    told = stats.bootstrap((d,), np.mean, method="percentile", n_resamples=20_000).confidence_interval
    assert (low, high) == pytest.approx((told.low, told.high), abs=0.03)
    assert bootstrap(d) == bootstrap(d) != bootstrap(d, seed=1)


@pytest.mark.parametrize(("n", "m"), [(5, 5), (3, 6), (2, 4)])
def test_unpaired_numbers_are_tested_as_by_scipy(n, m):
    x, y = drawn(n, 0.8, seed=1), drawn(m, seed=2)
    told = stats.ttest_ind(x, y, equal_var=False).confidence_interval()
    assert welch(x, y) == pytest.approx((told.low, told.high))
    distance = stats.permutation_test(
        (x, y), lambda x, y, axis: abs(apart(x, y, axis)), alternative="greater", n_resamples=100_000, vectorized=True
    )
    found = shuffled(x, y)
    assert found.exact
    assert found.p == pytest.approx(distance.pvalue)
    assert shuffled(x + 99, y).p == pytest.approx(found.least)


def test_many_deals_are_drawn():
    x, y = drawn(12, 0.8, seed=1), drawn(14, seed=2)
    theirs = stats.permutation_test((x, y), apart, n_resamples=20_000, vectorized=True)
    found = shuffled(x, y)
    assert not found.exact
    assert found.p == pytest.approx(theirs.pvalue, abs=0.015)
    assert found == shuffled(x, y)


def test_numbers_without_spread_have_an_interval_of_one_point():
    assert welch(np.array([1.0, 1.0]), np.array([0.5, 0.5])) == (0.5, 0.5)
