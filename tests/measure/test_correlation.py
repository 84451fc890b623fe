"""Rank correlation, by hand, against scipy, and its interval against simulation."""

import math

import numpy as np
import pytest
from scipy.stats import rankdata, spearmanr

from diptych.measure.correlation import fieller, spearman


def test_ties_share_the_mean_of_their_ranks():
    """Ranks 1, 2.5, 2.5, 4 against 2, 1, 3, 4: centred products 2.25 + 0 + 0 + 2.25, squares 4.5 and 5."""
    x, y = np.array([0.0, 1, 1, 2]), np.array([20.0, 10, 30, 40])
    by_hand = (-1.5 * -0.5 + 0 * -1.5 + 0 * 0.5 + 1.5 * 1.5) / math.sqrt(4.5 * 5)
    assert spearman(x, y) == pytest.approx(by_hand, abs=1e-12)


def test_it_is_what_scipy_says_where_gold_is_heavily_tied():
    rng = np.random.default_rng(0)
    gold, cosine = rng.integers(0, 6, 500).astype(float), rng.normal(size=500).round(1)
    assert spearman(cosine, gold) == pytest.approx(spearmanr(cosine, gold).statistic, abs=1e-12)
    broken = np.corrcoef(cosine.argsort().argsort(), gold.argsort().argsort())[0, 1]  # an order in place of ranks
    ranks = np.corrcoef(rankdata(cosine), rankdata(gold))[0, 1]
    assert spearman(cosine, gold) == pytest.approx(ranks, abs=1e-12)
    assert spearman(cosine, gold) != pytest.approx(broken, abs=1e-3)


def test_a_constant_side_orders_nothing():
    assert spearman(np.ones(5), np.arange(5.0)) == 0


@pytest.mark.parametrize("lengths", [(3, 4), (1, 1), (0, 0)])
def test_lists_are_of_one_length_and_two_at_least(lengths):
    with pytest.raises(ValueError, match=f"got {lengths[0]} and {lengths[1]}"):
        spearman(*(np.arange(float(n)) for n in lengths))


def test_the_interval_holds_the_true_correlation_19_times_of_20():
    rng, n, rho = np.random.default_rng(0), 200, 0.8
    true, held = 6 / math.pi * math.asin(rho / 2), 0  # of a normal pair
    for _ in range(400):
        x = rng.normal(size=n)
        y = rho * x + math.sqrt(1 - rho**2) * rng.normal(size=n)
        low, high = fieller(spearman(x, y), n)
        held += low <= true <= high
    assert 0.92 <= held / 400 <= 0.98


def test_where_nothing_is_known_of_the_error_there_is_no_interval():
    assert fieller(0.5, 3) is None
    assert fieller(1.0, 100) is None
    assert fieller(-1.0, 100) is None
