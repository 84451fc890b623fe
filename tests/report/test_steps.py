"""Transforms in words."""

import pytest
from cards import HOSTILE, card
from test_page import Seen

from diptych.report import page
from diptych.report.steps import alike, brief, steps
from diptych.views.input.graph.change import AddEdges, DropEdges, DropNodes
from diptych.views.input.graph.choice import OneOf
from diptych.views.input.image.strategy import Augmentation
from diptych.views.input.then import Then


def test_a_chain_is_a_line_for_each_step_in_order_however_it_is_nested():
    made = repr(Then(Augmentation(size=32).transform, Augmentation("crop", 16).transform))
    assert [name for name, _ in steps(made)] == ["ResizedCrop", "Flip", "Colour", "FixedCrop"]
    told = dict(steps(made))
    assert told["ResizedCrop"] == "size 32 · scale 0.2 to 1 · aspect 0.75 to 1.333"
    assert told["Flip"] == "p 0.5"
    assert "blur_p 0 · sigma 0.1 to 2 · radius 4" in told["Colour"]
    assert told["FixedCrop"] == "size 16 · resize 18"


def test_what_is_on_is_named_and_what_is_off_is_left_out():
    assert steps("A(x=True, y=False, z=None, n=-1, s='noise')") == [("A", "x · n -1 · s noise")]


def test_a_choice_of_steps_is_one_step():
    made = OneOf((DropNodes(0.1), Then(DropEdges(0.1), AddEdges(0.25))))
    [(name, told)] = steps(repr(made))
    assert name == "OneOf"
    assert told == "transforms DropNodes (ratio 0.1), DropEdges (ratio 0.1) then AddEdges (ratio 0.25)"
    assert brief("Then(first=A(n=1), second=B())") == "A (n 1) → B"


@pytest.mark.parametrize("told", ["", "sentence", "Then(first=", "(" * 5000, HOSTILE, "Then(first=" * 3000])
def test_what_is_no_call_stays_as_it_is(told):
    assert steps(told) == [(told, "")]
    assert brief(told) == told


def test_views_that_are_alike_are_told_once_from_three_on():
    one, other = {"role": "global"}, {"role": "local"}
    assert alike([one, one, *[other] * 8]) == [(one, 1), (one, 1), (other, 8)]
    assert alike([one, other, one]) == [(one, 1), (other, 1), (one, 1)]
    assert alike([]) == []
    row = {"role": "local", "column": "image", "transform": repr(Augmentation(size=12).transform), "by": "model"}
    text = page.page(card(views=[row] * 8))
    assert text.count("ResizedCrop") == 1
    seen = Seen(text)
    for words in ("local, 8 of them alike", "ResizedCrop size 12 · scale 0.2 to 1", "Flip p 0.5"):
        assert words in seen, words
    assert "Then(" not in seen
