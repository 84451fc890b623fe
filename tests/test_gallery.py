"""From an encoder and a recipe to what a report shows, on disk and back."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from diptych import gallery as module
from diptych.core import Model, Optimiser, Picture, Plan, Recipe, View
from diptych.draws import Draw
from diptych.encoders.image.scratch import fresh
from diptych.objectives.ntxent import NTXent
from diptych.pictures import plan
from diptych.pictures.render import render
from diptych.report import written
from diptych.runs import Run
from diptych.train.batches import samples, work
from diptych.views.input.image.crop import ResizedCrop
from diptych.views.input.image.mask import BlockMask
from diptych.views.input.then import Then


class Data:
    fingerprint = "squares"

    def __len__(self):
        return 20

    def __getitem__(self, i):
        return {"image": Picture(np.random.default_rng(i).integers(0, 256, (24, 20, 3), np.uint8))}


PICTURES = [Data()[i]["image"] for i in range(20)]


def encoder(seed=0):
    return fresh("dinov2-tiny", 16, seed, patch=4, width=16, depth=2, layer_scale=1.0)


def recipe():
    whole, part = ResizedCrop(16, (0.3, 1.0)), ResizedCrop(8, (0.05, 0.3))
    views = [
        View("global", "image", Then(whole, BlockMask(4, 0)), by="both"),
        View("global", "image", Then(whole, BlockMask(4, 1)), by="both"),
        View("local", "image", part),
    ]
    return Recipe(Model(encoder()), views, NTXent(), Data(), Optimiser(lr=1e-3), batch=8, steps=2, seed=3)


def test_views_are_those_of_the_first_step():
    made = module.seen(recipe(), many=3)
    assert [*made] == ["picture", "global 1", "global 2", "local 1"]
    rows = samples(recipe(), 0)
    for v, name in enumerate(["global 1", "global 2", "local 1"]):
        for place in range(3):
            i = int(rows[place])
            view = recipe().views[v].transform(PICTURES[i], Draw(3, 0, i, v, place, 8))
            pixels = (render(plan.tensors([view], 16))[0].permute(1, 2, 0) * 255).round().numpy()
            assert np.array_equal(made[name][place][..., :3], pixels)


def test_they_are_what_the_step_works_on():
    """The micro-batches of step 0 have the same boxes."""
    from diptych.core import Machine

    step = work(recipe(), 0, Machine())
    made = module.seen(recipe(), many=8)
    for micro in step.model:
        pixels = (render(micro.batch).permute(0, 2, 3, 1) * 255).round().numpy()
        for row, place in enumerate(micro.place.tolist()):
            view, i = divmod(place, 8)
            name = ["global 1", "global 2", "local 1"][view]
            assert np.abs(made[name][i][..., :3].astype(float) - pixels[row]).max() <= 1  # sums in another order


def test_a_mask_hides_its_patches_and_nothing_else():
    made = module.seen(recipe(), many=8)
    rows, hidden = samples(recipe(), 0), 0
    for place, i in enumerate(rows.tolist()):
        mask = recipe().views[0].transform(PICTURES[i], Draw(3, 0, i, 0, place, 8)).plan.mask
        there = made["global 1"][place][..., 3]
        assert np.array_equal(there == 0, mask.repeat(4, 0).repeat(4, 1))
        hidden += int(mask.sum())
    assert hidden > 0
    assert made["local 1"].shape == (8, 8, 8, 3)


def test_a_gallery_holds_thumbnails_embeddings_and_the_colours_of_patches():
    found = module.gallery(PICTURES, ["a", None] * 10, encoder(), encoder(1), recipe())
    assert found.thumbnails.shape == (20, 20, 20, 3)
    np.testing.assert_array_equal(found.places.after, encoder().embed(PICTURES))
    np.testing.assert_array_equal(found.places.before, encoder(1).embed(PICTURES))
    assert [*found.patches] == ["picture", "before", "after"]
    assert found.patches["after"].shape == (8, 4, 4, 4)
    assert {*np.unique(found.patches["after"][..., 3])} == {module.FAINT, 255}


def test_plans_of_pictures_change_no_thumbnail():
    flipped = [replace(x, plan=Plan(flip=True)) for x in PICTURES]
    one, other = (module.gallery(x, None, encoder()) for x in (PICTURES, flipped))
    assert np.array_equal(one.thumbnails, other.thumbnails)
    assert np.array_equal(one.patches["after"], other.patches["after"])
    assert one.places.labels is one.places.before is None


def test_what_is_written_is_read(tmp_path):
    folder = tmp_path / "evidence"
    made = module.gallery(PICTURES, ["a", None] * 10, encoder(), encoder(1), recipe())
    module.write(folder, made)
    found = written.gallery(Run(tmp_path))
    assert np.array_equal(found.thumbnails, made.thumbnails)
    assert np.array_equal(found.places.after, made.places.after)
    assert np.array_equal(found.places.before, made.places.before)
    assert found.places.labels == made.places.labels
    for kind in ("views", "patches"):
        assert [*getattr(found, kind)] == [*getattr(made, kind)]
        assert all(np.array_equal(x, getattr(made, kind)[name]) for name, x in getattr(found, kind).items())
    assert written.evidence(Run(tmp_path)) is None
    assert written.gallery(Run(tmp_path / "none")) is None


def test_networks_of_convolutions_and_of_one_patch_have_a_gallery_too():
    found = module.gallery(PICTURES, None, fresh("resnet18", 16, width=4))
    assert found.patches["after"].shape == (8, 2, 2, 4)
    found = module.gallery(PICTURES, None, fresh("vit-tiny", 16, patch=16, width=16, depth=1))
    assert found.patches == {}
    assert len(found.thumbnails) == 20


def test_a_recipe_of_text_has_no_views_to_show():
    import toy

    text = toy.recipe([View(), View()], NTXent())
    with pytest.raises(ValueError, match="views are shown of encoders of pictures; Toy is none"):
        module.seen(text)


def test_gathering_leaves_the_global_generator_alone():
    before = torch.get_rng_state()
    given, start = encoder(), recipe()
    before = torch.get_rng_state()
    module.gallery(PICTURES, None, given, None, start)
    assert torch.equal(before, torch.get_rng_state())
