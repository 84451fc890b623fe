import numpy as np
import pytest

from diptych.measure.phase import Peak, phase, smoothed


def trace(*ranks):
    return [(10 * i, float(rank)) for i, rank in enumerate(ranks)]


RISE_AND_FALL = trace(100, 120, 140, 150, 160, 155, 140, 130, 120, 110)


def test_a_trace_that_rises_and_falls_has_its_boundary_between():
    found = phase(RISE_AND_FALL)
    assert (found.step, found.rank, found.interior, found.now) == (40, 155.0, True, "falling")


@pytest.mark.parametrize(
    ("ranks", "now"),
    [
        ((1, 2, 3, 4, 5, 6), "rising"),
        ((6, 5, 4, 3, 2, 1), "falling"),
        ((5, 5.01, 5, 4.99, 5, 5), "flat"),
        ((3,), "flat"),
    ],
)
def test_a_trace_that_only_goes_one_way_has_no_interior_peak(ranks, now):
    found = phase(trace(*ranks))
    assert (found.interior, found.now) == (False, now)


def test_one_look_that_is_off_is_no_peak():
    found = phase(trace(100, 110, 900, 120, 130, 140, 150, 160, 150, 140, 130))
    assert found.step == 60
    assert smoothed([1, 1, 9, 1, 1]) == [1, 1, 1, 1, 1]


def test_a_change_within_the_tolerance_is_no_phase():
    assert not phase(trace(100, 101, 101.5, 101, 100)).interior
    assert phase(trace(100, 101, 101.5, 101.5, 101, 100), tolerance=0).interior


def test_a_peak_is_passed_after_patience_and_stays_where_it_was():
    peak = Peak(patience=3, tolerance=0.02)
    passed = [peak.see(step, rank) for step, rank in RISE_AND_FALL]
    assert passed == [False] * 7 + [True] * 3
    assert (peak.step, peak.rank) == (40, 160.0)
    assert peak.see(1000, 500.0)
    assert (peak.step, peak.rank) == (40, 160.0)


def test_a_wobble_does_not_pass_a_peak():
    assert not Peak.of(trace(100, 120, 110, 110, 121, 110, 110, 122, 123)).passed


def test_a_peak_of_a_written_trace_is_where_the_run_had_been():
    rng = np.random.default_rng(0)
    ranks = [(s, 100 + 40 * np.sin(s / 30) + rng.normal()) for s in range(0, 150, 5)]
    live = Peak()
    for n, look in enumerate(ranks, 1):
        live.see(*look)
        again = Peak.of(ranks[:n])
        assert (again.step, again.rank, again.passed) == (live.step, live.rank, live.passed)
    assert live.passed


@pytest.mark.parametrize("wrong", [lambda: phase([]), lambda: phase(trace(1), window=0), lambda: Peak(patience=0)])
def test_what_has_no_phase_is_refused(wrong):
    with pytest.raises(ValueError, match="got"):
        wrong()
