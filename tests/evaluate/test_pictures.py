"""Tasks of encoders of pictures, with an encoder that is known."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from eye import Eye, Maps

from diptych.core import DataError, Picture, Plan
from diptych.data.images.corpus import pictures as corpus_of
from diptych.evaluate.depth import linear_depth
from diptych.evaluate.images import arrays, classes, depth, segmentation
from diptych.evaluate.images import corpus as of_corpus
from diptych.evaluate.images.classes import Classes
from diptych.evaluate.images.invariance import Invariance
from diptych.evaluate.images.seen import look
from diptych.evaluate.images.task import table
from diptych.evaluate.invariance import invariance
from diptych.evaluate.segmentation import linear_segmentation
from diptych.evaluate.weighted import weighted_knn


def noise(n=10, seed=0, size=8):
    return np.random.default_rng(seed).integers(0, 256, (n, size, size, 3), np.uint8)


def blocks_of(x):
    """Pixels of patches of two by two as the encoder has them: [n, 4, 4, 12], channels first."""
    return (x / 255).reshape(len(x), 4, 2, 4, 2, 3).transpose(0, 1, 3, 5, 2, 4).reshape(len(x), 4, 4, 12)


def test_patches_are_those_of_the_last_block_behind_the_norm_and_in_their_places():
    x = noise()
    encoder = Eye()
    encoder.micro = 60  # three micro-batches and more
    seen = look(encoder, [Picture(row) for row in x], blocks=2, patches=True)
    np.testing.assert_allclose(seen.patches, 4 * blocks_of(x) + 100, rtol=1e-5)
    whole = blocks_of(x).mean((1, 2))
    np.testing.assert_allclose(seen.summaries[0], 2 * whole / 2 + 100, rtol=1e-5)
    np.testing.assert_allclose(seen.summaries[1], 4 * whole / 2 + 100, rtol=1e-5)
    np.testing.assert_allclose(seen.embedding, seen.summaries[1], rtol=1e-6)
    np.testing.assert_allclose(seen.mean, seen.patches.mean((1, 2)), rtol=1e-5)


def test_without_a_token_for_the_whole_the_summary_is_the_mean_of_patches():
    seen = look(Eye(token=False), [Picture(row) for row in noise()], blocks=9)
    assert len(seen.summaries) == 2
    assert np.array_equal(seen.summaries[-1], seen.mean)
    assert seen.patches is None


def test_maps_of_convolutions_are_patches_of_the_last_stage():
    x = noise()
    seen = look(Maps(), [Picture(row) for row in x], blocks=2, patches=True)
    means = (x / 255).reshape(10, 2, 4, 2, 4, 3).mean((2, 4))
    np.testing.assert_allclose(seen.patches, means, atol=1e-6)
    np.testing.assert_allclose(seen.summaries[0], (x / 255).mean((1, 2)), atol=1e-6)


def test_looking_leaves_no_hook_and_pictures_of_two_sizes_are_refused():
    encoder = Eye()
    look(encoder, [Picture(noise(1)[0])])
    assert not any(layer._forward_hooks for layer in encoder.modules())
    other = Picture(noise(1)[0], Plan(out=(4, 4)))
    with pytest.raises(ValueError, match="got 2 pictures of 2 sizes"):
        look(encoder, [Picture(noise(1)[0]), other])
    with pytest.raises(ValueError, match="got 0 pictures"):
        look(encoder, [])


COLOURS = np.array([[250, 20, 20], [20, 250, 20], [20, 20, 250]])


def coloured(n, seed=0):
    """Pictures of one of three colours, and noise."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    return np.clip(COLOURS[y][:, None, None] + rng.normal(0, 90, (n, 8, 8, 3)), 0, 255).astype(np.uint8), y


@pytest.fixture
def colours(tmp_path):
    (x, y), (u, v) = coloured(60), coloured(30, 1)
    np.savez(tmp_path / "colours.npz", x_train=x, y_train=y, x_test=u, y_test=v, names=np.array(["r", "g", "b"]))
    return tmp_path / "colours.npz"


def test_classes_are_asked_by_neighbours_and_by_a_probe(colours):
    task = classes.task(corpus_of(colours))
    lines = {line.metric: line for line in task.score(Eye())}
    assert [*lines] == ["weighted_knn", "linear"]
    rows = Eye().encode([*task.data.pictures["train"], *task.data.pictures["test"]])
    y = np.unique(np.concatenate([task.data.truth["train"], task.data.truth["test"]]), return_inverse=True)[1]
    assert lines["weighted_knn"].value == 100 * weighted_knn(rows, y, np.arange(60), np.arange(60, 90)).value
    assert lines["linear"].value > 95
    assert (lines["linear"].task, lines["linear"].n) == ("colours", 30)
    assert lines["weighted_knn"].how == "Wilson over 30 test pictures, 20 neighbours of 60"


def test_the_grid_is_chosen_on_a_part_of_training_where_no_other_is_given(colours):
    lines = classes.task(corpus_of(colours), grid=True).score(Eye(depth=4))
    assert lines[-1].metric == "linear_grid"
    assert "the best of 12 others, a random fifth of training" in lines[-1].how
    assert lines[-1].value > 90


def test_the_grid_is_chosen_on_validation_where_it_is_given(tmp_path):
    parts = {"train": coloured(60), "val": coloured(25, 1), "test": coloured(30, 2)}
    given = {f"{letter}_{part}": x for part, pair in parts.items() for letter, x in zip("xy", pair, strict=True)}
    np.savez(tmp_path / "a.npz", **given)
    [*_, line] = classes.task(corpus_of(tmp_path / "a.npz"), grid=True).score(Eye())
    assert line.how.endswith("the best of 25 others")


def test_classes_may_be_numbers_and_one_that_training_lacks_is_told(colours):
    data = arrays.labels(corpus_of(colours))
    assert {*data.truth["train"].tolist()} == {"r", "g", "b"}
    truth = {part: np.array(["bgr".index(x) for x in y]) for part, y in data.truth.items()}
    plain = Classes(data).score(Eye())
    assert [line.value for line in Classes(replace(data, truth=truth)).score(Eye())] == [line.value for line in plain]
    truth["test"][:2] = 3
    [note] = Classes(replace(data, truth=truth)).notes
    assert note == "colours: 2 test pictures are of a class with no training picture: none can be right"


def halves(n=12, seed=0):
    """Pictures whose left part, of a width of their own, is of another colour than the right one; their masks."""
    rng = np.random.default_rng(seed)
    edge = rng.integers(2, 7, n)
    mask = (np.arange(8)[None, None] >= edge[:, None, None]).repeat(8, 1).astype(np.uint8)
    x = np.clip(COLOURS[mask] + rng.normal(0, 20, (n, 8, 8, 3)), 0, 255).astype(np.uint8)
    return x, mask


@pytest.fixture
def scenes(tmp_path):
    (x, m), (u, v) = halves(12), halves(6, 1)
    m[:, :2] = 255
    far, asked = (np.where(x == 1, 3000, 1000).astype(np.uint16) for x in (m, v))
    far[:, -1], far[:, -2] = 0, 65535
    path = tmp_path / "scenes.npz"
    truth = {"m_train": m, "m_test": v, "depth_train": far, "depth_test": asked}
    np.savez(path, x_train=x, x_test=u, **truth)
    return path


def test_segmentation_is_that_of_the_patches_of_the_last_block(scenes):
    task = replace(segmentation.task(corpus_of(scenes)), steps=100)
    assert task.classes == 2
    lines = {line.metric: line for line in task.score(Eye())}
    assert lines["mean_iou"].value > 80
    assert lines["majority_iou"].value < 40
    data = task.data
    train, test = (look(Eye(), data.pictures[part], patches=True).patches for part in ("train", "test"))
    same = linear_segmentation((train, data.truth["train"]), (test, data.truth["test"]), 2, 255, 100)
    assert lines["mean_iou"].value == pytest.approx(100 * same.mean_iou)
    assert lines["mean_iou"].low <= lines["mean_iou"].value <= lines["mean_iou"].high
    assert lines["pixel_accuracy"].value == pytest.approx(100 * same.accuracy)


def test_the_call_says_which_number_is_no_class(scenes, tmp_path):
    there = dict(np.load(scenes))
    there["m_train"] = np.where(there["m_train"] == 255, 7, there["m_train"])
    np.savez(tmp_path / "a.npz", **there)
    assert segmentation.task(corpus_of(tmp_path / "a.npz")).classes == 8
    assert segmentation.task(corpus_of(tmp_path / "a.npz"), ignore=7).classes == 2


def test_depth_is_that_of_the_patches_of_the_last_block(scenes):
    task = replace(depth.task(corpus_of(scenes)), steps=300)
    lines = {line.metric: line for line in task.score(Eye())}
    assert [*lines] == ["rmse", "abs_rel", "delta1", "median_rmse"]
    assert lines["rmse"].value < 0.6 < 0.9 < lines["median_rmse"].value
    assert [line.main for line in lines.values()] == [True, False, True, False]
    data = task.data
    train, test = (look(Eye(), data.pictures[part], patches=True).patches for part in ("train", "test"))
    same = linear_depth((train, data.truth["train"]), (test, data.truth["test"]), steps=300)
    assert lines["rmse"].value == pytest.approx(same.rmse.mean())
    assert lines["delta1"].value == pytest.approx(100 * same.delta1.mean())


def test_whole_numbers_are_millimetres_and_0_and_65535_are_no_depth():
    assert arrays.metres(np.array([[[0, 1500, 65535]]], np.uint16)).tolist() == [[[0, 1.5, 0]]]
    assert arrays.metres(np.array([[[0.0, 1.5, np.nan, -1, np.inf]]])).tolist() == [[[0, 1.5, 0, 0, 0]]]


def test_without_parts_a_corpus_is_parted_by_its_order(tmp_path):
    rgb = np.arange(10, dtype=np.uint8)[:, None, None, None] + np.zeros((10, 4, 4, 3), np.uint8)
    np.savez(tmp_path / "walk.npz", rgb=rgb, depth_mm=np.full((10, 4, 4), 1000, np.uint16))
    task = depth.task(corpus_of(tmp_path / "walk.npz"))
    frames = {part: [int(p.pixels[0, 0, 0]) for p in pictures] for part, pictures in task.data.pictures.items()}
    assert frames == {"train": [0, 1, 2, 3, 4, 5], "val": [6], "test": [7, 8, 9]}
    assert "parted by their order (6 train, 1 val, 3 test)" in task.notes[0]
    few = depth.task(corpus_of(tmp_path / "walk.npz"), most=2)
    assert {part: len(x) for part, x in few.data.pictures.items()} == {"train": 2, "val": 1, "test": 2}
    assert few.data.truth["train"].tolist() == np.ones((2, 4, 4)).tolist()


class Flicker:
    """An augmentation that takes a box of the picture's own."""

    def __call__(self, picture, draw):
        top, left = draw.own.integers(0, 4, 2).tolist()
        return replace(picture, plan=replace(picture.plan, box=(top, left, 4, 4)))


def test_invariance_is_that_of_augmented_pictures_and_repeats():
    pictures = [Picture(row) for row in noise(6)]
    task = Invariance("crops", pictures, Flicker(), draws=3, seed=5)
    [line, within, between] = task.score(Eye())
    from diptych.core import Draw

    views = [Flicker()(picture, Draw(5, 0, i, v)) for i, picture in enumerate(pictures) for v in range(3)]
    found = invariance(Eye().embed(views).reshape(6, 3, -1))
    assert (line.value, within.value, between.value) == (found.value, found.within, found.between)
    assert [x.value for x in task.score(Eye())] == [line.value, within.value, between.value]
    assert replace(task, seed=6).score(Eye())[0].value != line.value
    with pytest.raises(ValueError, match="got 1 of 6"):
        replace(task, draws=1)


def test_a_table_has_a_row_for_each_encoder_and_is_plain_json(colours, scenes):
    tasks = [classes.task(corpus_of(colours)), replace(depth.task(corpus_of(scenes)), steps=5)]
    told = table(tasks, {"model": Eye(), "untrained": None})
    assert told["scores"]["untrained"] is None
    assert [*told["scores"]["model"]][:3] == ["colours_weighted_knn", "colours_linear", "scenes_rmse"]
    assert [*told["scores"]["model"]][3:] == ["scenes_delta1"]  # what needs no network is no score of one
    assert len(told["results"]["model"]) == 6
    [first, *_] = told["results"]["model"]
    assert told["errors"]["model"]["colours_weighted_knn"] == (first["high"] - first["low"]) / 2 / 1.96
    assert told["errors"]["untrained"] is None
    json.dumps(told, allow_nan=False)


def bad(tmp_path, **given):
    x = noise(4)
    whole = {"x_train": x, "y_train": np.arange(4) % 2, "x_test": x, "y_test": np.arange(4) % 2} | given
    np.savez(tmp_path / "bad.npz", **{k: v for k, v in whole.items() if v is not None})
    return corpus_of(tmp_path / "bad.npz")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"y_test": None}, "no picture is of the part 'test'; train and test are both due"),
        ({"x_train": None}, "no picture is of the part 'train'"),
        ({"y_train": np.zeros(4, int)}, "all training pictures are of one class"),
        ({"y_test": np.full(4, 9)}, "no test picture is of a class of the training pictures"),
    ],
)
def test_what_classes_lack_is_named(tmp_path, given, told):
    with pytest.raises(DataError, match=told):
        classes.task(bad(tmp_path, **given))


def test_what_does_not_belong_together_is_named():
    x = [Picture(row) for row in noise(4)]
    with pytest.raises(DataError, match="a: the part 'train' has 4 pictures and 3 rows of what is known of them"):
        arrays.Known("a", {"train": x, "test": x}, {"train": np.arange(3), "test": np.arange(4)})
    with pytest.raises(DataError, match="a: a picture has one class"):
        Classes(arrays.Known("a", {"train": x, "test": x}, {"train": np.zeros((4, 2)), "test": np.arange(4)}))


def test_masks_and_depths_that_are_none_are_named(tmp_path, scenes, colours):
    there = dict(np.load(scenes))
    with pytest.raises(DataError, match="colours has no map 'mask' of its pictures; there is none"):
        segmentation.task(corpus_of(colours))
    np.savez(tmp_path / "b.npz", **{**there, "m_test": np.full((6, 8, 8), 255, np.uint8)})
    with pytest.raises(DataError, match="no pixel of 6 masks has a class"):
        segmentation.task(corpus_of(tmp_path / "b.npz"))
    np.savez(tmp_path / "c.npz", **{**there, "depth_train": np.zeros((12, 8, 8), np.uint16)})
    with pytest.raises(DataError, match="no pixel of 12 depth maps has a depth"):
        depth.task(corpus_of(tmp_path / "c.npz"))


NETWORKS = {
    "vit": {"name": "vit-tiny", "patch": 4, "width": 16, "depth": 2},
    "registers": {"name": "dinov2-tiny", "patch": 4, "width": 16, "depth": 2, "registers": 2, "layer_scale": 1.0},
    "resnet": {"name": "resnet18", "width": 4},
}


@pytest.mark.parametrize("family", NETWORKS)
def test_of_networks_of_transformers_what_is_seen_is_what_they_say(family):
    from diptych.encoders.image.scratch import fresh
    from diptych.pictures.render import render

    encoder = fresh(side=16, **NETWORKS[family]).eval()
    encoder.precision, encoder.micro = "fp32", 40
    pictures = [Picture(row) for row in noise(size=16)]
    seen = look(encoder, pictures, blocks=2, patches=True)
    with torch.no_grad():
        x = (render(encoder.collate(pictures)) - encoder.mean) / encoder.std
        told = encoder.network(pixel_values=x, output_hidden_states=True)
        last, earlier = told.last_hidden_state, told.hidden_states[-2]
        if family == "resnet":
            patches, summaries = last.permute(0, 2, 3, 1), [earlier.mean((2, 3)), last.mean((2, 3))]
        else:
            patches = last[:, 3 if family == "registers" else 1 :].unflatten(1, (4, 4))
            summaries = [encoder.network.layernorm(earlier)[:, 0], last[:, 0]]
    close = {"rtol": 1e-4, "atol": 1e-5}
    np.testing.assert_allclose(seen.patches, patches, **close)
    for found, expected in zip(seen.summaries, summaries, strict=True):
        np.testing.assert_allclose(found, expected, **close)
    np.testing.assert_allclose(seen.embedding, summaries[-1], **close)


def test_tasks_are_put_to_a_network_of_transformers(colours, scenes):
    from diptych.encoders.image.scratch import fresh

    encoder = fresh("dinov2-tiny", 8, patch=2, width=16, depth=2)
    tasks = [
        classes.task(corpus_of(colours), grid=True),
        segmentation.task(corpus_of(scenes)),
        depth.task(corpus_of(scenes)),
    ]
    tasks = [replace(task, steps=5) for task in tasks]
    assert len(table(tasks, {"model": encoder})["results"]["model"]) == 10


def test_a_world_is_asked_for_its_masks_and_depths():
    world = corpus_of("world:n=80:size=16")
    masks, depths = (replace(kind.task(world, most=48), steps=150) for kind in (segmentation, depth))
    assert (masks.name, depths.name) == ("world", "world")
    assert {part: len(x) for part, x in masks.data.pictures.items()} == {"train": 48, "val": 8, "test": 24}
    assert 2 < masks.classes <= 11
    there = depths.data.truth["test"]
    assert there.shape == (24, 16, 16)
    assert 0.99 < there.min() < there.max() <= 5
    found = {line.metric: line.value for task in (masks, depths) for line in task.score(Eye())}
    assert found["pixel_accuracy"] > 50
    assert 0 < found["rmse"] < 2


def asked(path, corpus=None):
    """What a corpus is asked for, by the kind of task, and the notes of it and of its tasks."""
    tasks, notes = of_corpus.tasks(corpus or corpus_of(path), Flicker())
    return {type(task).__name__: task for task in tasks}, [*notes, *(note for task in tasks for note in task.notes)]


def test_a_corpus_is_asked_for_whatever_it_knows(colours, scenes, tmp_path):
    assert [*asked(colours)[0]] == ["Classes", "Invariance"]
    tasks, notes = asked(scenes)
    assert [*tasks] == ["Masks", "Depths", "Invariance"]
    assert notes == [
        "No labels, so no classes are asked.",
        "scenes: masks have 2 classes; pixels of number 255 have none (another: --ignore)",
    ]
    np.savez(tmp_path / "plain.npz", x=noise())
    assert asked(tmp_path / "plain.npz")[1] == ["No labels, so no classes are asked."]


def test_the_number_that_is_no_class_is_that_of_the_corpus(scenes, tmp_path):
    there = dict(np.load(scenes))
    there["m_train"] = np.where(there["m_train"] == 255, 7, there["m_train"])
    np.savez(tmp_path / "a.npz", **there)
    assert asked(tmp_path / "a.npz")[0]["Masks"].classes == 8
    assert asked(None, corpus_of(tmp_path / "a.npz").ignoring(7))[0]["Masks"].classes == 2


def test_masks_and_depths_of_a_world_are_asked_of_the_pictures_whose_classes_are(monkeypatch):
    world = corpus_of("world:n=60:size=16")
    tasks, _ = asked(None, world)
    for part in ("train", "test"):
        pixels = [
            {picture.pixels.tobytes() for picture in tasks[kind].data.pictures[part]}
            for kind in ("Classes", "Masks", "Depths")
        ]
        assert pixels[0] == pixels[1] == pixels[2]
    assert len(tasks["Depths"].data.pictures["test"]) == 6
    assert np.array_equal(tasks["Masks"].data.truth["test"][0], world.map("mask", at(world, tasks["Masks"])))
    chosen = world.select(range(59, 9, -1))
    masks = asked(None, chosen)[0]["Masks"]
    assert np.array_equal(masks.data.truth["test"][0], chosen.map("mask", at(chosen, masks)))
    monkeypatch.setattr(of_corpus, "MAPPED", 10)
    tasks, notes = asked(None, world)
    assert len(tasks["Masks"].data.pictures["train"]) == 10
    assert "world: segmentation and depth are of at most 10 pictures of a part, evenly taken" in notes


def at(corpus, task):
    """The place of a task's first test picture."""
    first = task.data.pictures["test"][0].pixels
    return next(i for i in range(len(corpus)) if np.array_equal(corpus.picture(i).pixels, first))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"m_test": np.full((6, 8, 8), 255, np.uint8)}, "No segmentation: no pixel of 6 masks has a class"),
        ({"m_train": np.full((12, 8, 8), 300, np.uint16)}, "No segmentation: scenes: a mask has the number 300"),
        ({"m_train": np.zeros((12, 8, 8), np.float32)}, "No segmentation: scenes: masks are whole numbers"),
        ({"depth_train": np.zeros((12, 8, 8), np.uint16)}, "No depth: no pixel of 12 depth maps has a depth"),
    ],
)
def test_maps_that_nothing_can_be_learned_from_are_told_and_the_rest_is_asked(scenes, tmp_path, changed, told):
    np.savez(tmp_path / "b.npz", **{**dict(np.load(scenes)), **changed})
    corpus = corpus_of(tmp_path / "b.npz")
    tasks, notes = asked(None, replace(corpus, name="scenes.npz"))
    assert len(tasks) == 2
    assert any(note.startswith(told) for note in notes), notes


@pytest.mark.parametrize("parts", [(), ("train", "val"), ("train", "test")])
@pytest.mark.parametrize("labelled", [0, 5, 40])
@pytest.mark.parametrize("most", [30, 1000])
def test_what_is_never_asked_is_asked_for_no_class_mask_or_depth(labelled, most, parts, monkeypatch):
    monkeypatch.setattr(of_corpus, "MOST", most)
    whole = corpus_of("world:n=61:size=16")
    names, of = whole.index.classes.copy(), whole.index.parts.copy()
    names[labelled:] = -1
    for i, part in enumerate(parts):
        of[i::3] = ("train", "val", "test").index(part)
    corpus = replace(whole, index=replace(whole.index, classes=names, parts=of))
    asked, _ = of_corpus.tasks(corpus, lambda picture, draw: picture)
    known = [task.data for task in asked if hasattr(task, "data")]
    assert len(known) == (3 if labelled == 40 else 2)
    assert parts != ("train", "test") or {*corpus.part("test")}.isdisjoint(of_corpus.never_asked(corpus))
    seen = {corpus.picture(i).pixels.tobytes() for i in of_corpus.never_asked(corpus).tolist()}
    assert 30 < len(seen) < 61
    for data in known:
        assert not seen & {picture.pixels.tobytes() for picture in data.pictures["test"]}
