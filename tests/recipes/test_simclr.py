import json

import numpy as np
import pytest
import torch

from diptych import encoders, recipes
from diptych.core import DataError, Draw, Machine
from diptych.data.images.corpus import pictures
from diptych.encoders.image.scratch import fresh
from diptych.evaluate.images.corpus import never_asked
from diptych.fitting import fit, resume, verify
from diptych.recipes.pictures import read
from diptych.train.batches import work
from diptych.views.input.image.colour import Colour
from diptych.views.input.image.strategy import Augmentation

WORLD = "world:n=60:size=16"
SMALL = {"width": 4, "batch": 8, "steps": 3}
VIT = {"encoder": "vit-tiny", "width": 16, "depth": 1, "patch": 8, "batch": 8, "steps": 3}


def plans(strategy, n=40, **options):
    """Of two views of some pictures."""
    made = Augmentation(strategy, size=32, colour=Colour(blur_p=0.5, solarize_p=0.3), **options)
    picture = pictures("world:n=2:size=40")[0]["image"]
    return [[made.transform(picture, Draw(0, 0, i, view)).plan for view in (0, 1)] for i in range(n)]


def colours(plan):
    return plan.jitter, plan.gray, plan.blur, plan.solarize


# ---------------------------------------------------------------- strategies


def test_original_draws_everything_anew_for_each_view():
    found = plans("original")
    assert all(a.box != b.box for a, b in found)
    assert np.mean([colours(a) != colours(b) for a, b in found]) > 0.9
    assert 0.3 < np.mean([a.flip != b.flip for a, b in found]) < 0.7


def test_shared_draws_colours_and_flip_once_for_all_views_and_crops_for_each():
    found = plans("shared")
    assert all(colours(a) == colours(b) and a.flip == b.flip for a, b in found)
    assert all(a.box != b.box for a, b in found)
    assert len({colours(a) for a, _ in found}) > 30
    assert any(a.flip != b.flip for a, b in plans("shared", share_flip=False))


def test_shared_views_agree_where_their_own_colours_would_not():
    one = Augmentation("shared", size=32, colour=Colour(blur_p=0.0), shared=Colour(blur_p=0.5))
    other = Augmentation("shared", size=32, colour=Colour(blur_p=0.9), shared=Colour(blur_p=0.5))
    picture = pictures("world:n=2:size=40")[0]["image"]
    for i in range(40):
        a, b = (x.transform(picture, Draw(0, 0, i, view)).plan for view, x in enumerate((one, other)))
        assert colours(a) == colours(b)


def test_crop_resize_changes_nothing_but_box_and_size():
    for pair in plans("crop-resize"):
        for plan in pair:
            assert colours(plan) == ((), False, 0.0, None)
            assert not plan.flip
    areas = [plan.box[2] * plan.box[3] for pair in plans("crop-resize") for plan in pair]
    assert np.std(areas) > 100


def test_crop_has_one_size_of_box_and_nothing_else():
    found = plans("crop", resize=40)
    assert {plan.box[2:] for pair in found for plan in pair} == {(32.0, 32.0)}
    assert {colours(plan) for pair in found for plan in pair} == {((), False, 0.0, None)}
    assert len({plan.box for pair in found for plan in pair}) > 60


def test_the_crops_of_shared_are_those_of_original():
    for (a, _), (b, _) in zip(plans("original"), plans("shared"), strict=True):
        assert a.box == b.box


# ---------------------------------------------------------------- from a corpus to scores


def test_a_run_goes_from_a_corpus_to_scores_and_a_report(tmp_path):
    run = fit(recipes.simclr(WORLD, **SMALL), tmp_path / "run")
    told = run.scores["scores"]
    assert {*told} == {"model", "untrained", "pixels"}
    assert {"world_weighted_knn", "world_linear", "world_invariance"} <= told["model"].keys()
    assert (run.evidence / "pictures.npz").is_file()
    assert "data:image/" in run.report.read_text()
    card = (run.model / "README.md").read_text()
    assert "diptych.load" in card
    assert "trust_remote_code=True" in card
    assert "trust_remote_code=True" in run.report.read_text()
    assert "SentenceTransformer" not in card
    trained, start = encoders.load(run.model), encoders.load(run.start)
    some = pictures(WORLD).items[:4]
    assert not np.allclose(trained.encode(some), start.encode(some))


def test_a_run_of_a_transformer_is_read_by_plain_transformers(tmp_path):
    from transformers import AutoModel

    run = fit(recipes.simclr(WORLD, **VIT), tmp_path / "run", judged=False)
    states = AutoModel.from_pretrained(run.model)
    assert states.config.patch_size == 8


def test_a_run_that_is_stopped_and_resumed_ends_in_the_same_bytes(tmp_path, stopped):
    whole = fit(recipes.simclr(WORLD, **SMALL), tmp_path / "whole", judged=False)
    with stopped(2):
        fit(recipes.simclr(WORLD, **SMALL), tmp_path / "part", Machine(checkpoint=0), judged=False)
    part = resume(recipes.simclr(WORLD, **SMALL), tmp_path / "part")
    bytes_of = [(run.model / "model.safetensors").read_bytes() for run in (whole, part)]
    assert bytes_of[0] == bytes_of[1]
    assert verify(recipes.simclr(WORLD, **SMALL), tmp_path / "part") == (3, 3)


def test_workers_and_micro_batches_change_no_view():
    made = recipes.simclr(WORLD, **VIT)
    whole = work(made, 1, Machine())
    parts = work(made, 1, Machine(tokens=20))
    assert len(parts.model) > len(whole.model)
    order = torch.cat([micro.place for micro in parts.model]).argsort()
    boxes = torch.cat([micro.batch["box"] for micro in parts.model])[order]
    assert torch.equal(boxes, whole.model[0].batch["box"][whole.model[0].place.argsort()])


def test_only_the_training_part_is_learned_from_and_that_is_said(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (30, 16, 16, 3), np.uint8)
    np.savez(tmp_path / "x.npz", x_train=x[:20], y_train=np.arange(20) % 2, x_test=x[20:], y_test=np.arange(10) % 2)
    made = recipes.simclr(str(tmp_path / "x.npz"), **SMALL)
    assert (len(made.data), len(made.documents)) == (20, 30)
    assert "learned from the 20 of the training part; 10 pictures are not seen" in made.notes
    assert len(recipes.simclr(WORLD, **SMALL, train_only=True).data) == 54
    np.savez(tmp_path / "v.npz", x_train=x[:20], y_train=np.arange(20) % 2, x_val=x[20:], y_val=np.arange(10) % 2)
    made = recipes.simclr(str(tmp_path / "v.npz"), **SMALL, train_only=True)  # a tenth of all 30 is asked
    assert 17 <= len(made.data) < 20
    assert {*made.data.rows.tolist()} <= {*never_asked(made.documents).tolist()} & {*range(20)}


def test_pictures_given_in_python_have_a_name_that_no_path_has(tmp_path):
    given = pictures(WORLD).select(range(20))
    run = fit(recipes.simclr(given, **SMALL), tmp_path / "run", judged=False)
    assert run.call["arguments"]["corpus"] == "<Pictures of Python: world>"
    with pytest.raises(ValueError, match="the run was made in Python, of pictures given there"):
        recipes.simclr(run.call["arguments"]["corpus"])


def test_pictures_without_labels_are_judged_by_what_needs_none(tmp_path):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), np.uint8))
    run = fit(recipes.simclr(str(tmp_path / "x.npy"), **SMALL), tmp_path / "run")
    assert {*run.scores["scores"]["model"]} == {"x_invariance", "x_cosine_within", "x_cosine_between"}
    assert "No labels" in " ".join(run.scores["notes"])


def test_it_learns_to_find_the_other_view_of_a_picture(tmp_path):
    made = recipes.simclr("world:n=128:size=16", width=4, batch=32, steps=40, lr=1e-2, augmentation="crop-resize")
    run = fit(made, tmp_path / "run", judged=False)
    losses = [json.loads(line)["loss"] for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.2


# ---------------------------------------------------------------- options


@pytest.mark.parametrize("encoder", ["resnet18", "vit-tiny"])
def test_layers_are_perturbed_and_ranks_reduced_as_for_text(encoder, tmp_path):
    small = SMALL if encoder == "resnet18" else VIT
    last = 5 if encoder == "resnet18" else 2
    for layer in (0, 1, last):
        made = recipes.simclr(WORLD, **small, perturb_layer=layer, perturb_rate=0.5, rank_reduction=0.01)
        assert [view.perturb.layer for view in made.views] == [layer] * 2
    fit(made, tmp_path / "run", judged=False)
    with pytest.raises(ValueError, match=f"layers of this model are 0 .* to {last}"):
        recipes.simclr(WORLD, **small, perturb_layer=last + 1)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"augmentation": "none"}, "an augmentation is one of original, shared, crop-resize, crop; got 'none'"),
        ({"augmentation": "crop", "scale": (0.1, 1)}, "--scale changes nothing with --augmentation crop"),
        ({"augmentation": "crop-resize", "blur_p": 0.5}, "--blur-p changes nothing with --augmentation crop-resize"),
        ({"augmentation": "crop", "pre_resize": 8}, "a crop of 16 pixels does not fit"),
        ({"pre_resize": 20}, "--pre-resize is for --augmentation crop"),
        ({"share_flip": False}, "--share-flip changes nothing with --augmentation original"),
        ({"blur_p": 1.5}, "blur_p is a probability"),
        ({"scale": (0.5, 0.2)}, "a crop takes a part of the area"),
        ({"scale": (0.5,)}, "--scale is two numbers"),
        ({"encoder": "vit-tiny", "patch": 5}, "patches of 5 pixels do not fill a side of 32"),
        ({"encoder": "vit-tiny", "init": "x"}, "brings its own encoder"),
        ({"encoder": "vit-tiny", "depth": 0}, "--depth is 1 or more; got 0"),
        ({"encoder": "vit-tiny", "patch": 0}, "--patch is 1 or more; got 0"),
        ({"encoder": "dinov2-tiny", "registers": -1}, "--registers is 0 or more; got -1"),
        ({"encoder": "dinov2-tiny", "layer_scale": float("nan")}, "--layer-scale is a number above 0; got nan"),
        ({"size": 0}, "--size is a number of pixels, 1 or more; got 0"),
        ({"pre_resize": 0, "augmentation": "crop"}, "--pre-resize is a number of pixels, 1 or more; got 0"),
        ({"projection": 0}, "a head is 1 wide or more"),
        ({"batch": 1}, "a batch has at least two pictures"),
        ({"train_last": 9}, "train_last is one of 1..4"),
        ({"temperature": 0.0}, "a temperature is above 0"),
        ({"max_tokens": 5}, "no option is called 'max_tokens'"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        recipes.simclr(
            "world:n=20:size=16", **({"width": 16} | ({"size": 16} if "pre_resize" in options else {}) | options)
        )


def test_one_picture_is_no_corpus_to_learn_from(tmp_path):
    np.save(tmp_path / "x.npy", np.zeros((1, 16, 16, 3), np.uint8))
    with pytest.raises((ValueError, DataError), match="at least two pictures"):
        recipes.simclr(str(tmp_path / "x.npy"), width=4)


def test_a_picture_smaller_than_the_crop_is_enlarged():
    made = recipes.simclr("world:n=20:size=8", **SMALL, size=32)
    (micro,) = work(made, 0, Machine()).model
    assert micro.batch["canvas"].shape[1:] == (32, 32)
    assert micro.batch["pixels"].shape[1:3] == (8, 8)
    assert "20 pictures narrower than 32 pixels, enlarged" in made.notes
    assert not any("enlarged" in note for note in recipes.simclr("world:n=20:size=8", **SMALL, size=8).notes)


def test_pictures_are_stored_as_large_as_they_are_seen(tmp_path):
    from PIL import Image

    (tmp_path / "big").mkdir()
    for i in range(4):
        Image.fromarray(np.full((300, 400, 3), 40 * i, np.uint8)).save(tmp_path / "big" / f"{i}.png")
    for options, short in (({"size": 280}, 280), ({"augmentation": "crop", "pre_resize": 290}, 290), ({}, 256)):
        assert read(tmp_path / "big", options).index.extent.min() == short
    start = tmp_path / "start"
    fresh("resnet18", 272, width=4).save(start)
    made = recipes.simclr(str(tmp_path / "big"), init=str(start), batch=2, steps=1)
    assert made.documents.index.extent.min() == 272


def test_the_side_is_that_of_the_corpus_unless_it_is_given():
    assert recipes.simclr("world:n=20:size=50", **SMALL).model.encoder.side == 48
    assert recipes.simclr("world:n=20:size=50", **SMALL, size=64).model.encoder.side == 64


def test_a_trained_encoder_can_be_the_start_of_another_run(tmp_path):
    run = fit(recipes.simclr(WORLD, **SMALL), tmp_path / "run", judged=False)
    again = recipes.simclr(WORLD, init=str(run.folder), batch=8, steps=2, train_last=1)
    some = pictures(WORLD).items[:4]
    assert np.array_equal(again.model.encoder.eval().embed(some), encoders.load(run.model).embed(some))
    with pytest.raises(ValueError, match="--width belongs to an encoder from scratch"):
        recipes.simclr(WORLD, init=str(run.folder), width=8)
