"""Runs side by side: numbers, a page and a terminal."""

import json

import pytest
from cards import HOSTILE, card
from test_page import Seen

from diptych.report.card import Card, Comparison, Cost
from diptych.report.compared import compared, sentence, told, unlike
from diptych.report.comparison import comparison, shared
from diptych.report.sidebyside import WIDE, side_by_side


def seeds(n=5, gain=0.0, **changed):
    return [card(seed, knn=0.7 + seed / 1000 + gain * (1 + seed / 10), **changed) for seed in range(n)]


@pytest.fixture
def two():
    return compared(Comparison("rates", [*seeds(lr=0.1), *seeds(lr=0.3, gain=0.02)]))


def test_the_page_tells_means_spreads_differences_tests_and_cost(two):
    seen = Seen(comparison(two))
    for words in ("lr=0.1 baseline", "lr=0.3", "0.702 ± 0.002", "0.726 ± 0.005", "From lr=0.1", "+0.024", "p 0.062"):
        assert words in seen, words
    for words in ("TF-IDF", "45 s", "36.5 million", "807,522", "15.4 million", "cannot give a two-sided p below 1/16"):
        assert words in seen, words


def test_what_is_the_same_is_said_once():
    text = side_by_side(compared(Comparison("two", seeds(settings={"dim": 64}))))
    assert text.count("dim 64") == 1
    assert text.startswith("5 runs in 1 group; the same in all: recipe crop · lr 0.3 · dim 64")


def test_the_sentence_says_who_is_ahead_and_whether_that_is_sure(two):
    assert "lr=0.3 is 0.024 above lr=0.1 (95 % interval +0.020 to +0.028)" in sentence(two)
    noise = [card(seed, lr=0.3, knn=0.7 + (-1) ** seed / 50) for seed in range(5)]
    assert "within error" in sentence(compared(Comparison("rates", [*seeds(lr=0.1), *noise])))


def test_the_baseline_is_the_first_or_the_one_that_is_named():
    cards = [*seeds(lr=0.1), *seeds(lr=0.3, gain=0.02)]
    found = compared(Comparison("rates", cards, "0.3"))
    assert found.baseline == "lr=0.3"
    assert found.differences["lr=0.1"]["knn"].mean == pytest.approx(-0.024)
    with pytest.raises(ValueError, match=r"'lr 9'.*lr=0\.1, lr=0\.3"):
        compared(Comparison("rates", cards, "lr 9"))
    with pytest.raises(ValueError, match="at least one run"):
        compared(Comparison("none", []))


def test_a_comparison_with_one_group_needs_no_baseline():
    seen = Seen(comparison(compared(Comparison("seeds", [card(0, knn=0.7), card(1, knn=0.8)]))))
    assert "0.750 ± 0.071" in seen
    assert "Differences" not in seen


def test_what_is_not_paired_or_too_few_is_said():
    others = [card(seed, lr=0.1) for seed in range(10, 15)]
    few = [card(seed, lr=0.5) for seed in range(2)]
    notes = compared(Comparison("three", [*seeds(), *others, *few])).notes
    assert any(note.startswith("Not paired") and "lr=0.1, lr=0.5" in note and "Welch" in note for note in notes)
    assert any(note.startswith("Fewer than 3 runs") and "lr=0.5" in note and "lr=0.1" not in note for note in notes)


def test_json_holds_everything(two):
    found = json.loads(json.dumps(told(two), allow_nan=False))
    one, other = found["groups"]["lr=0.1"], found["groups"]["lr=0.3"]
    assert found["baseline"] == "lr=0.1"
    assert one["differences"] == {}
    assert one["seeds"] == [0, 1, 2, 3, 4]
    assert one["scores"]["knn"]["each"] == pytest.approx([0.7, 0.701, 0.702, 0.703, 0.704])
    difference = other["differences"]["knn"]
    assert difference["paired"]
    assert difference["test"] == {"p": 1 / 16, "least": 1 / 16, "exact": True}
    assert difference["low"] < difference["mean"] < difference["high"]
    assert len(difference["resampled"]) == 2
    assert other["facts"] == {"lr": "0.3"}
    assert other["cost"]["tokens_per_second"] == pytest.approx(36_500_000 / 45.2)
    assert found["same"]["recipe"] == "crop"


def test_trained_parameters_are_told_where_they_are_a_part():
    lora = seeds(cost=Cost(45.2, 1000, 20, 1_000_000, "", 5_000))
    assert "5,000" in side_by_side(compared(Comparison("one", lora)))
    assert "of them trained" not in side_by_side(compared(Comparison("one", seeds())))


def test_curves_are_those_that_all_histories_have():
    one = [{"step": s, "loss": 1.0, "infonce": 1.0, "rank": 9.0, "tokens": 5, "seconds": 1.0} for s in range(9)]
    other = [{"step": s, "loss": 2.0, "infonce": 2.0, "rank": 8.0, "sts": 0.5} for s in range(9)]
    assert shared([one, other]) == ["loss", "rank"]
    assert shared([other, other]) == ["loss", "rank", "sts"]
    assert shared([one, other, []]) == []
    assert shared([]) == []


def test_thin_lines_are_seeds_and_thick_ones_their_mean(two):
    text = comparison(two)
    assert text.count('class="thick"') == 2 * 3  # groups, each in loss, alignment and uniformity
    assert text.count("<title>lr=0.1, seed 3</title>") == 3
    histories = [[{"step": s, "loss": x + s} for s in range(1, 4)] for x in (1.0, 3.0)]
    found = compared(Comparison("one", [card(s, history=h) for s, h in enumerate(histories)]))
    assert 'class="thick"' in comparison(found)


def test_data_are_told_apart_by_their_documents_else_by_place_else_by_tokens():
    def made(documents, tokens, corpus="a"):
        return card(documents=documents, fingerprint=tokens, arguments={"corpus": corpus})

    assert unlike([made("d", "1"), made("d", "2", "b")]) == []
    assert [len(part) for part in unlike([made("d", "1"), made("e", "1"), made("d", "1")])] == [2, 1]
    assert unlike([made("", "1"), made("", "2")]) == []
    assert len(unlike([made("", "1"), made("", "2", "b")])) == 2
    assert unlike([made("", "1"), made("d", "1", "b")]) == []


def test_many_metrics_make_several_tables_that_fit():
    scores = {"model": {f"metric_number_{i}": 0.5 for i in range(12)}}
    text = side_by_side(compared(Comparison("wide", [card(s, scores=scores) for s in range(3)])))
    assert max(map(len, text.splitlines())) <= WIDE
    assert all(f"metric number {i}" in text for i in range(12))


def test_hostile_names_stay_text(two):
    cards = [card(arguments={"lr": HOSTILE, HOSTILE: x}, views=[{"role": HOSTILE}]) for x in (HOSTILE, "b")]
    found = compared(Comparison(HOSTILE, cards, notes=[HOSTILE]))
    text = comparison(found)
    assert "img" not in [tag for tag, _ in Seen(text).elements]
    assert "\x00" not in side_by_side(found)
    assert "49 }}" not in text


def test_the_same_input_gives_the_same_bytes(two):
    assert comparison(two) == comparison(compared(Comparison("rates", [*seeds(lr=0.1), *seeds(lr=0.3, gain=0.02)])))


def test_runs_without_scores_or_anything_are_put_side_by_side_too():
    found = compared(Comparison("bare", [Card("a"), Card("b", arguments={"lr": 1.0})]))
    assert "No scores" in Seen(comparison(found))
    assert "2 runs in 2 groups" in side_by_side(found)


def test_per_cents_have_one_decimal_side_by_side_and_what_is_no_quality_has_no_best():
    def run(seed, lr, x):
        scores = {"model": {"x_linear": x, "x_invariance": x / 100}, "pixels": {"x_linear": 39.8123}}
        return card(seed, lr=lr, scores=scores, errors={})

    cards = [run(s, lr, x + s) for lr, x in ((0.1, 30.1234), (0.3, 36.8123)) for s in range(3)]
    found = compared(Comparison("rates", cards))
    text, seen = side_by_side(found), Seen(comparison(found))
    for words in ("31.1 ± 1.0", "37.8 ± 1.0", "+6.7"):
        assert words in text, words
        assert words in seen, words
    assert "lr=0.3 is 6.7 above lr=0.1" in sentence(found)
    assert "39.8" in seen
    assert "39.812" not in seen
    best = next(line for line in text.splitlines() if line.startswith("lr=0.3"))
    assert best.count("*") == 1
    only = [card(s, lr=lr, scores={"model": {"x_invariance": 0.1}}) for lr in (0.1, 0.3) for s in range(3)]
    assert sentence(compared(Comparison("rates", only))) == "No score of quality: see below."
