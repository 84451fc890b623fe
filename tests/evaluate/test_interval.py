import numpy as np
import pytest
from scipy.stats import binomtest, t

from diptych.evaluate.interval import bootstrap, repeated, wilson


@pytest.mark.parametrize("right", [0, 1, 58, 100])
def test_the_interval_of_an_accuracy_is_wilsons(right):
    theirs = binomtest(right, 100).proportion_ci(method="wilson")
    assert wilson(np.arange(100) < right) == pytest.approx((theirs.low, theirs.high), abs=1e-5)


def test_the_bootstrap_of_many_items_is_the_usual_interval_of_a_mean():
    values = np.random.default_rng(0).exponential(size=2000)
    half = 1.96 * values.std(ddof=1) / 2000**0.5
    assert bootstrap(values) == pytest.approx((values.mean() - half, values.mean() + half), abs=half / 8)
    assert bootstrap(np.ones(5)) == (1, 1)


def test_few_repetitions_have_the_interval_of_t():
    values = np.array([1.0, 2, 4])
    assert repeated(values) == pytest.approx(t.interval(0.95, 2, values.mean(), values.std(ddof=1) / 3**0.5))
