import pytest

from diptych.report import digits
from diptych.report.snippet import snippet


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(4.25, "4.2 s"), (45.2, "45 s"), (125, "2 min 5 s"), (11520, "3 h 12 min"), (None, "–"), (float("nan"), "–")],
)
def test_durations_read_as_a_person_says_them(seconds, told):
    assert digits.duration(seconds) == told


def test_scores_have_three_decimals_and_a_real_minus():
    assert digits.score(-0.0123) == "−0.012"
    assert digits.score(0.0123, signed=True) == "+0.012"
    assert digits.score(True) == digits.NONE


def test_a_score_may_have_other_decimals():
    assert digits.score(36.8123, places=1) == "36.8"
    assert digits.with_error(36.8123, 1.487, 1) == "36.8 ± 1.5"
    assert digits.with_error(36.8123, None, 1) == "36.8"


@pytest.mark.parametrize("x", [-0.0004, -0.0, 0.0, -1e-12])
def test_what_rounds_to_zero_has_no_sign(x):
    assert digits.score(x) == "0.000"
    assert digits.score(x, signed=True) == "0.000"
    assert digits.count(x) == "0"
    assert digits.fixed(x, 2) == "0.00"
    assert digits.plain(x * 0) == "0"


def test_counts_are_exact_until_they_are_large():
    assert [digits.count(x) for x in (999, 23_719, 15_360_000)] == ["999", "23,719", "15.4 million"]


def test_a_snippet_is_one_printable_line_of_the_width_asked_for():
    assert snippet("a\n\tb\x00c") == "a b c"
    assert len(snippet("x" * 500)) == 160
    assert len(snippet("word " * 500)) <= 160
    assert snippet("word " * 500).endswith("word…")
