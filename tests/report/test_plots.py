import pytest

from diptych.report.plots import bars, curves, plot, ticks


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 2000, [0, 500, 1000, 1500, 2000]), (0.31, 0.88, [0.2, 0.4, 0.6, 0.8, 1.0]), (-3.5, -1.2, [-4, -3, -2, -1])],
)
def test_ticks_are_round_and_enclose_the_numbers(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected)


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
