import re

import pytest
from cards import card

from diptych.report import page
from diptych.report.card import Card
from diptych.report.inside import inside, layers, sentence


def history(ranks, blocks=3, **more):
    steps = range(10, 10 * len(ranks) + 1, 10)
    moved = [{f"change_{i}": s / 1000 * (1 + i) for i in range(blocks)} for s in steps]
    return [
        {"step": s, "loss": 1.0, "rank": float(r), "rank_centred": r + 5.0, "positive_cosine": 0.9, **m, **more}
        for s, r, m in zip(steps, ranks, moved, strict=True)
    ]


PEAK = [100, 120, 140, 150, 160, 150, 140, 130, 120]


@pytest.mark.parametrize(
    ("ranks", "told"),
    [
        (PEAK, "rose from 100 to a peak of 150 at step 40, then fell to 120."),
        (PEAK[:5], "rose from 100 to 160; it has no peak between start and end."),
        (PEAK[4:], "fell from 160 to 120; it has no peak between start and end."),
        ([100, 101, 100], "stayed near 100; it has no peak between start and end."),
    ],
)
def test_the_sentence_says_when_the_rank_peaked(ranks, told):
    assert sentence(history(ranks)) == f"The effective rank of fixed samples {told}"


def test_the_boundary_stands_where_the_rank_peaked_and_nowhere_else():
    ranks, cosines = inside(Card("a", history=history(PEAK, negative_cosine=0.1))).plots
    assert ranks[0].boundary == pytest.approx(100 * 40 / 90)
    assert [name for _, name in ranks[1]] == ["effective", "effective, centred"]
    assert cosines[0].boundary is None
    assert inside(Card("a", history=history(PEAK[:5]))).plots[0][0].boundary is None


def test_layers_stand_in_order_the_last_first_and_the_strongest_is_full():
    found = inside(Card("a", history=history(PEAK, blocks=12))).heat
    assert layers(history(PEAK, blocks=12))[-1] == "change_11"
    assert [name for name, _ in found.rows][:2] == ["block 11", "block 10"]
    assert found.rows[-1][0] == "input"
    assert found.most == pytest.approx(0.09 * 12)
    assert found.rows[0][1][-1].strength == 1
    assert sum(cell.width for cell in found.rows[0][1]) == pytest.approx(100)


def test_one_layer_is_a_line_and_no_numbers_are_no_section():
    found = inside(Card("a", history=history(PEAK, blocks=1)))
    assert found.heat is None
    assert found.plots[-1][0].title.startswith("Weights moved")
    assert inside(Card("a", history=[{"step": 1, "loss": 2.0}])) is None
    assert "<h2>Inside</h2>" not in page.page(card())


def test_the_page_shows_curves_boundary_layers_and_the_sentence():
    made = page.page(card(history=history(PEAK, negative_cosine=0.1)))
    assert "a peak of 150 at step 40" in made
    assert len(re.findall('class="boundary"', made)) == 1
    assert "block 2, step 90: 0.2700" in made
    assert "of a pair" in made
    assert page.page(card(history=history(PEAK))) == page.page(card(history=history(PEAK)))
