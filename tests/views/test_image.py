import numpy as np
import pytest

from diptych.core import Draw, Picture, Plan
from diptych.views.input.image.colour import Colour
from diptych.views.input.image.crop import FixedCrop, ResizedCrop
from diptych.views.input.image.flip import Flip
from diptych.views.input.image.mask import BlockMask, blocks
from diptych.views.input.then import chain


def picture(h=40, w=60):
    return Picture(np.zeros((h, w, 3), np.uint8))


def plans(transform, n=400, view=0, of=picture, seed=0):
    return [transform(of(), Draw(seed, 3, i, view, i, n)).plan for i in range(n)]


def shown(plan):
    return plan.box, plan.flip, plan.jitter, plan.gray, plan.blur, plan.solarize


def test_a_resized_crop_lies_within_the_picture_and_its_bounds():
    for plan in plans(ResizedCrop(32, (0.05, 0.32))):
        top, left, height, width = plan.box
        assert 0 <= top <= 40 - height + 1e-9
        assert 0 <= left <= 60 - width + 1e-9
        assert 0.05 - 1e-6 <= height * width / 2400 <= 0.32 + 1e-6
        assert 0.75 - 1e-6 <= width / height <= 4 / 3 + 1e-6
        assert plan.out == (32, 32)


def test_areas_of_resized_crops_are_uniform_and_aspects_in_the_logarithm():
    found = plans(ResizedCrop(32, (0.1, 0.3)), 4000)
    area = np.array([plan.box[2] * plan.box[3] / 2400 for plan in found])
    aspect = np.log([plan.box[3] / plan.box[2] for plan in found])
    assert np.abs(np.histogram(area, 4, (0.1, 0.3))[0] / 1000 - 1).max() < 0.12
    assert abs(aspect.mean()) < 0.01
    assert aspect.std() == pytest.approx(np.log(16 / 9) / 12**0.5, rel=0.05)


def test_a_picture_too_thin_for_any_box_gives_its_middle():
    (plan,) = plans(ResizedCrop(32, (0.9, 1.0)), 1, of=lambda: picture(10, 100))
    assert plan.box == pytest.approx((0, (100 - 40 / 3) / 2, 10, 40 / 3))


def test_a_fixed_crop_has_always_the_same_size_and_no_random_aspect():
    found = plans(FixedCrop(24, 32))
    assert {plan.box[2:] for plan in found} == {(30.0, 30.0)}
    assert {plan.out for plan in found} == {(24, 24)}
    assert np.ptp([plan.box[0] for plan in found]) > 9
    assert np.ptp([plan.box[1] for plan in found]) > 28


def test_a_fixed_crop_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="a crop of 33 pixels does not fit"):
        FixedCrop(33, 32)


def test_what_happens_to_a_picture_has_the_probability_that_is_asked():
    found = plans(Colour(blur_p=0.9, solarize_p=0.2, gray_p=0.3, jitter_p=0.8), 4000)
    for name, p in (("blur", 0.9), ("solarize", 0.2), ("gray", 0.3), ("jitter", 0.8)):
        assert np.mean([bool(getattr(plan, name)) for plan in found]) == pytest.approx(p, abs=0.03)
    assert np.mean([plan.flip for plan in plans(Flip(0.5), 4000)]) == pytest.approx(0.5, abs=0.03)


def test_strengths_are_within_bounds_and_every_order_occurs():
    found = plans(Colour(0.4, 0.3, 0.2, 0.1, jitter_p=1, blur_p=1, sigma=(0.5, 0.7)), 1000)
    assert len({tuple(name for name, _ in plan.jitter) for plan in found}) == 24
    bounds = {"brightness": (1, 0.4), "contrast": (1, 0.3), "saturation": (1, 0.2), "hue": (0, 0.1)}
    for name, (middle, width) in bounds.items():
        x = np.array([dict(plan.jitter)[name] for plan in found]) - middle
        assert width * 0.97 < np.abs(x).max() <= width
        assert abs(x.mean()) < width / 10
    assert all(0.5 <= plan.blur <= 0.7 for plan in found)


def test_views_have_draws_of_their_own_and_shared_ones_agree():
    for transform in (Colour(blur_p=0.5, solarize_p=0.5), Flip(), ResizedCrop(32)):
        one, other = plans(transform), plans(transform, view=1)
        assert [shown(x) for x in one] != [shown(y) for y in other]
        assert [shown(x) for x in one] == [shown(y) for y in plans(transform)]
    for transform in (Colour(blur_p=0.5, solarize_p=0.5, shared=True), Flip(shared=True)):
        one, other = plans(transform), plans(transform, view=7)
        assert [shown(x) for x in one] == [shown(y) for y in other]
        assert len({shown(x) for x in one}) > 1


def test_shared_operations_do_not_decide_one_another():
    flip = np.array([plan.flip for plan in plans(Flip(shared=True), 2000)])
    jitter = np.array([bool(plan.jitter) for plan in plans(Colour(jitter_p=0.5, shared=True), 2000)])
    assert abs(np.corrcoef(flip, jitter)[0, 1]) < 0.07


def test_a_chain_goes_in_its_order_and_no_link_decides_another():
    drawn = []

    def link(name):
        return lambda sample, draw: drawn.append((name, draw.own.random())) or sample

    chain(link("a"), link("b"), link("c"), link("d"))(picture(), Draw(0, 0, 0, 1))
    assert [name for name, _ in drawn] == ["a", "b", "c", "d"]
    assert len({number for _, number in drawn}) == 4
    masked = chain(ResizedCrop(32), BlockMask(4, fraction=1.0))(picture(), Draw(0, 0, 0, 0))
    assert masked.plan.mask.shape == (8, 8)


# ---------------------------------------------------------------- masks


def masks(n, crops=2, seed=0, step=0, places=None, **options):
    """Of every crop of a step, by crop and then by picture."""
    of = Picture(np.zeros((64, 64, 3), np.uint8), Plan(out=(64, 64)))
    return np.stack(
        [
            BlockMask(4, crop, crops, **options)(of, Draw(seed, step, i * i + 5, crop, i, n)).plan.mask
            for crop in range(crops)
            for i in (range(n) if places is None else places)
        ]
    )


def test_exactly_half_of_the_crops_of_a_step_are_masked():
    for n in (1, 7, 16):
        assert masks(n).any((1, 2)).sum() == n


def test_ratios_are_stratified_over_the_step():
    hidden = np.sort(masks(64).sum((1, 2)))[64:]
    edges = np.linspace(0.1, 0.5, 65) * 256
    assert (hidden <= edges[1:]).all()  # a mask ends below its ratio where no block fits any more
    assert (hidden >= edges[:-1] - 4).mean() > 0.9


def test_masks_of_a_step_are_the_same_however_many_processes_share_it():
    whole = masks(12).reshape(2, 12, 16, 16)
    assert np.array_equal(masks(12, places=range(6, 12)).reshape(2, 6, 16, 16), whole[:, 6:])


def test_other_steps_and_seeds_mask_other_crops():
    assert not np.array_equal(masks(16), masks(16, step=1))
    assert not np.array_equal(masks(16), masks(16, seed=1))


def test_a_mask_is_made_of_blocks_and_never_hides_too_much():
    rng = np.random.default_rng(0)
    for many in (1, 4, 5, 20, 100, 128):
        mask = blocks(16, 16, many, rng)
        assert mask.sum() <= many
    mask = blocks(16, 16, 60, rng)
    beside = mask[1:] & mask[:-1]
    assert beside.sum() > 0.5 * mask.sum()


def test_patches_that_do_not_fill_a_crop_are_refused():
    of = Picture(np.zeros((30, 30, 3), np.uint8), Plan(out=(30, 30)))
    with pytest.raises(ValueError, match="patches of 4 pixels do not fill a crop of 30 x 30"):
        BlockMask(4)(of, Draw(0, 0, 0, 0))
