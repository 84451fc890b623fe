"""The words for data, and what is advised of them."""

from dataclasses import replace

import numpy as np
import pytest
from toy import recipe as of_toy

from diptych import recipes
from diptych.called import GRAPH, OTHER, PICTURE, TEXT, called
from diptych.core import Machine, View
from diptych.data.images.corpus import pictures
from diptych.doctor import examine
from diptych.fitting import fit
from diptych.instruments.guard import Guard
from diptych.objectives.infonce import InfoNCE

WORLD = "world:n=40:size=16"
SMALL = {"width": 4, "batch": 8, "steps": 2}


def plain():
    """A recipe whose pictures are of one colour: no crop changes them."""
    corpus = pictures(WORLD)
    x = np.repeat(np.random.default_rng(0).integers(0, 256, (len(corpus), 3), np.uint8), 256, 0).reshape(-1)
    corpus = replace(corpus, fingerprint="plain", pixels=x)
    return recipes.simclr(corpus, augmentation="crop-resize", **SMALL)


def test_data_are_called_by_what_a_view_is_made_of():
    assert called(recipes.simclr(WORLD, **SMALL)) is PICTURE
    assert called(recipes.graphcl("families:n=40", width=4, batch=8, steps=2)) is GRAPH
    made = of_toy([View(), View()], InfoNCE())
    assert called(made) is OTHER or called(made) is TEXT


def test_views_of_pictures_that_are_identical_are_told_with_a_remedy_for_pictures(tmp_path):
    with pytest.raises(ValueError, match=r"identical.*; augment pictures more \(--augmentation original\)"):
        fit(plain(), tmp_path / "run", judged=False, guard="off")
    said = []
    guard = Guard.of(plain(), said.append)
    assert guard.apart == PICTURE.apart
    same = replace(plain(), views=[View(column="image"), View(column="image")])
    [found] = [each for each in examine(same, Machine()) if each.check == "views"]
    assert found.verdict == "stop"
    assert found.remedy == f"there is nothing to learn from: {PICTURE.apart}"
