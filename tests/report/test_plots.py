import math
from itertools import pairwise

import pytest

from diptych.report.plots import bars, curves, plot, ticks


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 2000, [0, 500, 1000, 1500, 2000]), (0.31, 0.88, [0.2, 0.4, 0.6, 0.8, 1.0]), (-3.5, -1.2, [-4, -3, -2, -1])],
)
def test_ticks_are_round_and_enclose_the_numbers(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected)


def number(told):
    return float(told.replace("−", "-").replace(",", ""))


@pytest.mark.parametrize("low", [-3.0, 0.0, 0.25, 12_345.67, 2e6])
@pytest.mark.parametrize("span", [3e-6, 0.004, 0.23, 1.0, 7.0, 260.0, 3e6])
def test_what_stands_at_ticks_is_as_far_apart_as_they_are(low, span):
    made = plot("Loss", [("a", 0, [(0, low), (276, low + span)])])
    for axis in (made.up, made.across):
        places, told = zip(*axis, strict=True)
        gaps = [number(b) - number(a) for a, b in pairwise(told)]
        assert len(gaps) > 1
        assert gaps == pytest.approx([gaps[0]] * len(gaps), rel=1e-4)
        assert gaps[0] != 0
        assert max(b - a for a, b in pairwise(places)) == pytest.approx(min(b - a for a, b in pairwise(places)), 1e-3)


@pytest.mark.parametrize("least", [0.8, 0.55, 0.2, 0.03, 0.0008, 0.0001])
def test_an_axis_of_logarithms_has_round_numbers_where_they_are(least):
    made = plot("Singular values", [("a", 0, [(1, 0.0), (9, math.log10(least))])], logs=True)
    (_, first), (_, last) = made.up[0], made.up[-1]
    assert number(first) <= least * 1.001
    assert number(last) == 1
    low, high = math.log10(number(first)), math.log10(number(last))
    for place, told in made.up:
        assert len(told.replace("0", "").replace(".", "")) <= 2
        assert place == pytest.approx(100 * (high - math.log10(number(told))) / (high - low), abs=1e-6)


def test_a_number_beside_a_line_tells_it_from_the_ticks():
    made = plot("Weights moved", [("a", 0, [(0, 0.0), (9, 0.0034)])])
    assert [told for _, told in made.up] == ["0.000", "0.001", "0.002", "0.003", "0.004"]
    assert made.decimals == 4


def test_a_curve_starts_at_the_left_and_ends_at_its_last_value():
    line = plot("Loss", [("a", 0, [(0, 4.0), (50, 1.0), (100, 0.0)])]).lines[0]
    assert line.path == "M0.0,0.0 500.0,750.0 1000.0,1000.0"
    assert line.end == (100, 100)


def test_points_that_are_no_number_are_left_out():
    history = [{"step": 1, "loss": 2.0}, {"step": 2, "loss": float("nan")}, {"step": 3}, {"step": 4, "loss": 1.0}]
    assert curves(history, "loss") == [(1, 2.0), (4, 1.0)]
    assert plot("Loss", [("a", 0, [(1, 2.0)])]) is None


def test_bars_start_at_zero_and_the_longest_with_its_error_fills_the_width():
    long, short = bars([("a", 0.9, 0.1), ("b", 0.45, None)])
    assert (long.width, long.low, long.high) == pytest.approx((90, 80, 100))
    assert (short.width, short.low) == (pytest.approx(45), None)
