import pytest
from cards import card

from diptych.report.spread import difference, spread


def test_the_spread_is_the_sample_standard_deviation():
    found = spread([card(s, knn=x) for s, x in enumerate((0.1, 0.2, 0.6))], "model", "knn")
    assert (found.mean, found.deviation) == pytest.approx((0.3, 0.2645751))


def test_one_run_has_no_spread():
    assert spread([card()], "model", "knn").deviation is None
    assert spread([card()], "tfidf", "uniformity") is None


def test_the_paired_interval_is_that_of_a_textbook():
    ours = [card(s, knn=x) for s, x in enumerate((0.52, 0.63, 0.71))]
    theirs = [card(s, knn=x) for s, x in enumerate((0.50, 0.60, 0.70))]
    found = difference(ours, theirs, "knn")
    # differences 0.02, 0.03, 0.01: mean 0.02, deviation 0.01; t(0.975, 2) = 4.302653
    margin = 4.302653 * 0.01 / 3**0.5
    assert (found.mean, found.low, found.high) == pytest.approx((0.02, 0.02 - margin, 0.02 + margin))
    assert found.each == pytest.approx({0: 0.02, 1: 0.03, 2: 0.01})
    assert (found.test.p, found.test.least) == (0.25, 0.25)
    assert found.resampled == pytest.approx((0.01, 0.03))


def test_runs_are_paired_by_their_seed_not_by_their_order():
    ours = [card(s, knn=x) for s, x in ((2, 0.9), (0, 0.1), (1, 0.5))]
    theirs = [card(s, knn=x) for s, x in enumerate((0.1, 0.5, 0.9))]
    assert difference(ours, theirs, "knn").each == pytest.approx({0: 0, 1: 0, 2: 0})


def test_two_pairs_are_listed_without_an_interval():
    found = difference([card(0, knn=0.6), card(1, knn=0.7)], [card(1, knn=0.5), card(0, knn=0.5)], "knn")
    assert found.each == pytest.approx({0: 0.1, 1: 0.2})
    assert found.mean == pytest.approx(0.15)
    assert (found.low, found.high, found.resampled, found.test) == (None,) * 4
    assert not found.sure


def test_seeds_that_both_have_are_paired_if_they_are_enough():
    ours = [card(s, knn=0.5 + s / 100) for s in range(5)]
    theirs = [card(s, knn=0.5) for s in range(1, 4)]
    found = difference(ours, theirs, "knn")
    assert found.each == pytest.approx({1: 0.01, 2: 0.02, 3: 0.03})
    assert (found.n, found.m) == (3, 3)


def test_other_seeds_are_compared_unpaired():
    ours, theirs = ([card(at + s, knn=x + s / 100) for s in range(4)] for at, x in ((0, 0.7), (9, 0.5)))
    found = difference(ours, theirs, "knn")
    assert found.each is None
    assert found.mean == pytest.approx(0.2)
    assert found.sure
    assert found.low < 0.2 < found.high
    assert found.test.p == found.test.least == pytest.approx(2 / 70)


def test_runs_on_other_data_are_no_pairs():
    found = difference([card(0, knn=0.6)], [card(0, knn=0.5, fingerprint="other")], "knn")
    assert (found.each, found.mean) == (None, pytest.approx(0.1))


def test_runs_on_the_same_documents_are_pairs_whatever_their_tokens():
    ours, theirs = (card(0, knn=x, fingerprint=tokens, documents="d") for x, tokens in ((0.6, "a"), (0.5, "b")))
    assert difference([ours], [theirs], "knn").each == pytest.approx({0: 0.1})


def test_a_score_that_one_side_lacks_has_no_difference():
    assert difference([card(0)], [card(0, scores={})], "knn") is None
