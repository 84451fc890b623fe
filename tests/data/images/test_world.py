import numpy as np
import pytest

from diptych.data.images.corpus import pictures
from diptych.data.images.scene import GROUND, NAMES, SEEN, SHAPES, Scenes
from diptych.data.images.world import World


def scenes(b=200, size=48, others=2, light=0.5, seed=0):
    return Scenes.drawn(np.random.default_rng(seed), b, size, others, light)


def test_the_first_pictures_of_a_larger_world_are_those_of_a_smaller_one():
    small, large = pictures("world:n=300:size=16"), pictures("world:n=600:size=16")
    assert (len(small), len(large)) == (300, 600)
    assert all(np.array_equal(small.picture(i).pixels, large.picture(i).pixels) for i in range(0, 300, 17))
    assert large.labels[:300] == small.labels
    assert small.fingerprint != pictures("world:n=300:size=16:seed=1").fingerprint


def test_classes_are_even_and_known():
    labels = pictures("world:n=2000:size=8").labels
    assert {*labels} == {*NAMES}
    assert all(140 < labels.count(name) < 260 for name in NAMES)


def test_masks_and_depths_lie_beside_each_picture():
    world = pictures("world:n=20:size=32")
    for i in range(20):
        mask, depth = world.map("mask", i), world.map("depth", i)
        assert mask.shape == depth.shape == (32, 32)
        assert 1 + NAMES.index(world.labels[i]) in mask
        line = np.round(1000 * (GROUND[1] + (GROUND[0] - GROUND[1]) * (np.arange(32) + 0.5) / 32))
        ground = mask == 0
        assert np.abs(depth - line[:, None])[ground].max() <= 1
        assert depth[~ground].max() <= 1000 * GROUND[0]


def test_an_object_has_one_depth_and_what_is_nearer_lies_in_front():
    seen = scenes(100, 48, 0)
    for mask, depth in zip(seen.mask, seen.depth, strict=True):
        assert len(np.unique(depth[mask > 0])) == 1
    whole = (seen.mask > 0).sum((1, 2))
    among = scenes(100, 48, 3)
    main = np.array([(mask == 1 + shape).sum() for mask, shape in zip(among.mask, among.shape, strict=True)])
    assert (whole > 0).all()
    assert (main > 0).all()


def test_enough_of_the_main_object_is_seen_to_name_it(monkeypatch):
    """The same scenes, without the others: at least a part of what was seen then is seen with them."""
    from diptych.data.images import scene

    drawn = []
    real = scene._uncovered
    monkeypatch.setattr(
        scene, "_uncovered", lambda objects, signed: drawn.append((objects, signed)) or real(objects, signed)
    )
    seen = scenes(400, 32, 4)
    (objects, signed) = drawn[0]
    inside = signed[0] < 0
    there = real(objects, signed)
    nearer = np.zeros_like(inside)
    for each, edge, here in zip(objects[1:], signed[1:], there[1:], strict=True):
        nearer |= (edge < 0) & (here & (each.depth < objects[0].depth))[:, None, None]
    assert ((inside & ~nearer).sum((1, 2)) >= SEEN * inside.sum((1, 2)) - 1e-9).all()
    assert nearer.any()
    shown = (seen.mask == (1 + seen.shape)[:, None, None]) & inside & ~nearer
    assert (shown.sum((1, 2)) >= SEEN * inside.sum((1, 2)) - 1e-9).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_shape_is_below_zero_inside_and_about_one_wide(name):
    line = np.linspace(-1.5, 1.5, 301, dtype=np.float32)
    y, x = np.meshgrid(line, line, indexing="ij")
    inside = SHAPES[name](x[None], y[None])[0] < 0
    assert 0.5 < inside.sum() * 0.01**2 < 3
    assert np.hypot(x, y)[inside].max() < 1.15


def test_only_shape_tells_classes_apart():
    """Mean colours and areas of the main object are no better than chance at naming the class."""
    seen = scenes(3000, 16, 0)
    rows = np.hstack([seen.pixels.mean((1, 2)), seen.pixels.std((1, 2))])
    rows = (rows - rows.mean(0)) / rows.std(0)
    one_hot = np.eye(len(NAMES))[seen.shape]
    half = 1500
    weights = np.linalg.lstsq(rows[:half], one_hot[:half], rcond=None)[0]
    accuracy = (np.argmax(rows[half:] @ weights, 1) == seen.shape[half:]).mean()
    assert accuracy < 0.17


def test_light_can_be_switched_off():
    dark, bright = scenes(20, 16, 1, light=0.0), scenes(20, 16, 1, light=1.0)
    assert np.array_equal(dark.mask, bright.mask)
    assert np.abs(dark.pixels.astype(int) - bright.pixels).mean() > 5


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("world:n=1", "n of a world is from 2"),
        ("world:size=4", "size of a world is from 8"),
        ("world:colour=3", "'colour=3' is none of n=NUMBER"),
        ("world:n=many", "'n=many' is none of"),
        ("world:light=2", "light of a world is from 0 to 1"),
    ],
)
def test_what_makes_no_world_is_refused(text, said):
    with pytest.raises(ValueError, match=said):
        World.of(text)
