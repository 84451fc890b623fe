import pytest
from cards import card

from diptych.report.spread import difference, grouped, spread


def test_runs_are_grouped_by_what_differs_but_the_seed():
    cards = [card(0), card(1), card(0, lr=0.1), card(0, recipe="dropout")]
    assert {name: len(group) for name, group in grouped(cards).items()} == {
        "crop · lr 0.3": 2,
        "crop · lr 0.1": 1,
        "dropout · lr 0.3": 1,
    }


def test_equal_calls_are_one_group_named_by_the_recipe():
    assert list(grouped([card(0), card(1)])) == ["crop"]


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


def test_two_pairs_are_listed_without_an_interval():
    found = difference([card(0, knn=0.6), card(1, knn=0.7)], [card(1, knn=0.5), card(0, knn=0.5)], "knn")
    assert found.each == pytest.approx({0: 0.1, 1: 0.2})
    assert (found.mean, found.low, found.high) == (None, None, None)


def test_runs_on_other_data_are_no_pairs():
    assert difference([card(0)], [card(0, fingerprint="other")], "knn") is None
