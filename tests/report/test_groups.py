"""Runs are grouped, and groups are named, by what differs."""

import pytest
from cards import HOSTILE, card

from diptych.report.groups import grouping, matching

NONE = {"role": "view", "column": "text", "transform": "", "perturb": "", "by": "model"}
LAYER = "Perturb(layer={}, noise=Dropout(rate=0.5), fraction=0.5, gradient='stop')"


def named(*cards):
    return {name: len(group) for name, group in grouping(cards).groups.items()}


def test_runs_are_grouped_by_what_differs_but_the_seed():
    found = named(card(0), card(1), card(0, lr=0.1), card(0, recipe="dropout"))
    assert found == {"crop(lr=0.3)": 2, "crop(lr=0.1)": 1, "dropout": 1}


def test_of_one_recipe_the_arguments_alone_are_named():
    assert named(card(0, lr=0.1), card(1, lr=0.1), card(0, lr=0.3)) == {"lr=0.1": 2, "lr=0.3": 1}


def test_recipes_with_other_arguments_say_both():
    assert named(card(lr=0.1), card(recipe="dropout", lr=0.3)) == {"crop(lr=0.1)": 1, "dropout(lr=0.3)": 1}


def test_equal_calls_are_one_group_named_by_the_recipe():
    assert named(card(0), card(1)) == {"crop": 2}


def test_views_that_follow_from_an_argument_are_not_named_again():
    def made(sentences):
        views = [NONE | {"transform": f"Crop(sentences={sentences}, words=0.5)"}] * 2
        return card(arguments={"sentences": sentences}, views=views, settings={"steps": 100 * sentences})

    found = grouping([made(1), made(2)])
    assert list(found.groups) == ["sentences=1", "sentences=2"]
    assert found.differing["view: transform_sentences"] == {"sentences=1": "1", "sentences=2": "2"}
    assert found.differing["steps"] == {"sentences=1": "100", "sentences=2": "200"}
    assert found.same["view: transform_words"] == "0.5"


def test_runs_whose_views_alone_differ_are_named_by_these():
    cards = [card(views=[NONE | {"perturb": told}] * 2) for told in ("", LAYER.format(4), LAYER.format(6))]
    assert named(*cards) == {"perturb_layer=none": 1, "perturb_layer=4": 1, "perturb_layer=6": 1}


def test_views_that_are_not_alike_are_told_apart_by_their_number():
    one, other = [NONE, NONE | {"transform": "Crop(sentences=2)"}], [NONE, NONE | {"transform": "Crop(sentences=3)"}]
    assert named(card(views=one), card(views=other)) == {
        "view 2: transform_sentences=2": 1,
        "view 2: transform_sentences=3": 1,
    }


def test_columns_and_who_encodes_are_told():
    rows = [NONE, NONE | {"column": "premise"}, NONE | {"by": "teacher"}]
    groups = grouping([card(views=[row]) for row in rows]).groups
    assert len(groups) == 3
    assert any("premise" in name for name in groups)


def test_a_default_that_is_asked_for_is_the_same_call():
    asked, left_out = card(arguments={"lr": 0.1}), card(arguments={}, settings={"lr": 0.1})
    assert named(asked, left_out) == {"crop": 2}


def test_what_was_not_asked_for_is_called_so():
    assert named(card(arguments={"lora": 8}), card(arguments={})) == {"lora=8": 1, "lora=default": 1}


def test_the_place_of_a_corpus_is_no_difference_but_another_corpus_is():
    here, there = (card(arguments={"corpus": f"/{place}/docs.jsonl"}) for place in "ab")
    assert named(here, there) == {"crop": 2}
    other = card(arguments={"corpus": "/b/news.csv"}, fingerprint="other")
    assert named(here, other) == {"corpus=docs.jsonl": 1, "corpus=news.csv": 1}


def test_names_that_look_alike_stay_apart():
    cards = [card(arguments={"init": f"/{place}/model"}) for place in "abc"]
    assert named(*cards) == {"init=model": 1, "init=model (2)": 1, "init=model (3)": 1}
    assert named(card(lr=0.100001), card(lr=0.100002)) == {"lr=0.100001": 1, "lr=0.100002": 1}


def test_what_is_no_call_is_told_as_it_is():
    cards = [card(views=[NONE | {"transform": told}]) for told in ("lambda (", HOSTILE, "f(1)", "a" * 9 + "(" * 300)]
    assert sum(named(*cards).values()) == 4


def test_a_group_is_found_by_a_part_of_its_name():
    groups = ["crop(lr=0.1)", "crop(lr=0.3)", "dropout", "drop"]
    assert matching(groups, "dropout") == "dropout"
    assert matching(groups, "0.3") == "crop(lr=0.3)"
    assert matching(groups, "drop") == "drop"
    with pytest.raises(ValueError, match=r"more than one group.*'crop'"):
        matching(groups, "crop")
    with pytest.raises(ValueError, match=r"no group is called 'lr 9'; there are crop\(lr=0\.1\), crop"):
        matching(groups, "lr 9")
    with pytest.raises(ValueError, match="no group"):
        matching(groups, "")
