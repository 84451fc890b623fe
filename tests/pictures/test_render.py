import colorsys
from itertools import permutations

import numpy as np
import pytest
import torch
from pictures.drawings import picture, smooth
from PIL import Image, ImageOps
from scipy.ndimage import convolve1d

from diptych.core import Picture, Plan
from diptych.pictures.plan import OPERATIONS, tensors
from diptych.pictures.render import render


def rendered(*pictures, side=32):
    """As h x w x 3, in 0..255."""
    return (render(tensors(pictures, side)).permute(0, 2, 3, 1) * 255).numpy()


@pytest.mark.parametrize(
    ("extent", "box", "out"),
    [
        ((64, 80), (3.3, 5.7, 40.2, 30.9), (24, 32)),
        ((33, 29), None, (48, 40)),
        ((100, 120), (10, 20, 80, 90), (16, 16)),
        ((40, 40), (8, 4, 32, 32), (32, 32)),
        ((5, 200), None, (32, 32)),
    ],
    ids=["box", "larger", "smaller", "as it is", "thin"],
)
def test_a_resized_box_is_what_pillow_makes_of_it(extent, box, out):
    pixels = smooth(*extent)
    top, left, height, width = box or (0, 0, *extent)
    bounds = left, top, left + width, top + height
    expected = Image.fromarray(pixels).resize(out[::-1], Image.Resampling.BICUBIC, box=bounds)
    found = rendered(Picture(pixels, Plan(box=box, out=out)))[0]
    assert np.abs(found - np.asarray(expected, np.float32)).max() < 3  # it rounds twice


def test_a_picture_without_a_plan_is_resized_to_what_the_network_wants():
    expected = Image.fromarray(smooth(20, 30)).resize((32, 32), Image.Resampling.BICUBIC)
    assert np.abs(rendered(picture(20, 30))[0] - np.asarray(expected, np.float32)).max() < 3


def test_a_mirrored_picture_is_its_mirror_image():
    upright, mirrored = rendered(picture(), picture(flip=True))
    assert np.array_equal(mirrored, upright[:, ::-1])


def reference(pixels, jitter):
    """One operation after the other, pixel by pixel, as torchvision's documentation defines them."""
    x = pixels / 255.0
    for name, by in jitter:
        gray = (x * [0.299, 0.587, 0.114]).sum(-1, keepdims=True)
        if name == "hue":
            flat = [colorsys.rgb_to_hsv(*rgb) for rgb in x.reshape(-1, 3)]
            x = np.array([colorsys.hsv_to_rgb((h + by) % 1, s, v) for h, s, v in flat]).reshape(x.shape)
        else:
            other = {"brightness": 0, "contrast": gray.mean(), "saturation": gray}[name]
            x = (other + by * (x - other)).clip(0, 1)
    return x * 255


def test_colours_change_in_the_order_of_each_picture():
    factors = {"brightness": 1.3, "contrast": 0.6, "saturation": 1.4, "hue": -0.08}
    pixels = smooth(8, 8)
    plans = [Plan(out=(8, 8), jitter=tuple((k, factors[k]) for k in order)) for order in permutations(OPERATIONS)]
    found = rendered(*(Picture(pixels, plan) for plan in plans))
    for plan, x in zip(plans, found, strict=True):
        assert np.abs(x - reference(pixels, plan.jitter)).max() < 1e-2
    assert np.abs(found[0] - found[5]).max() > 5  # so the order matters


def test_a_hue_turned_all_round_is_where_it_was_and_gray_has_none():
    gray = Picture(np.full((4, 4, 3), 77, np.uint8), Plan(out=(4, 4), jitter=(("hue", 0.3),)))
    around = picture(4, 4, out=(4, 4), jitter=(("hue", 1.0),))
    found = rendered(gray, around)
    assert found[0] == pytest.approx(77, abs=1e-3)
    assert np.abs(found[1] - smooth(4, 4)).max() < 1e-2


def test_a_blur_is_a_truncated_gaussian_over_a_mirrored_picture():
    for sigma, radius in ((0.4, 4), (1.7, 4), (2.0, 2), (1.0, 11)):
        along = np.arange(-radius, radius + 1)
        bell = np.exp(-0.5 * (along / sigma) ** 2)
        bell /= bell.sum()
        expected = smooth(12, 9).astype(float)
        for axis in (0, 1):
            expected = convolve1d(expected, bell, axis, mode="mirror")
        found = rendered(picture(12, 9, out=(12, 9), blur=sigma, radius=radius))[0]
        assert np.abs(found - expected).max() < 1e-2


def test_pictures_of_one_batch_are_blurred_each_by_its_own():
    some = [picture(16, 16, i, out=(16, 16), blur=s, radius=r) for i, (s, r) in enumerate([(0.5, 1), (2.0, 7), (0, 4)])]
    for one, x in zip(some, rendered(*some), strict=True):
        assert np.abs(rendered(one)[0] - x).max() < 1e-2


def test_gray_is_luminance_and_solarizing_inverts_what_is_bright():
    pixels = smooth(8, 8)
    gray, negative = rendered(picture(8, 8, out=(8, 8), gray=True), picture(8, 8, out=(8, 8), solarize=128.0))
    assert np.abs(gray - (pixels * [0.299, 0.587, 0.114]).sum(-1, keepdims=True)).max() < 1e-2
    assert np.abs(negative - np.asarray(ImageOps.solarize(Image.fromarray(pixels), 128))).max() < 1e-2


def many():
    jitter = (("saturation", 1.3), ("hue", 0.1), ("brightness", 0.8), ("contrast", 1.2))
    plans = [
        Plan(box=(1.5, 2.5, 17, 15), jitter=jitter),
        Plan(flip=True, blur=1.1),
        Plan(gray=True, jitter=jitter[::-1]),
        Plan(solarize=100.0, blur=0.3, radius=2),
        Plan(),
    ]
    extents = [(20, 24), (33, 18), (32, 32), (19, 40), (18, 18)]
    return [Picture(smooth(*extent, i), plan) for i, (extent, plan) in enumerate(zip(extents, plans, strict=True))]


def test_the_pixels_of_a_picture_do_not_depend_on_what_is_beside_it():
    together = rendered(*many())
    for one, x in zip(many(), together, strict=True):
        assert np.abs(rendered(one)[0] - x).max() < 1e-2
    assert np.abs(rendered(*many()[::-1])[::-1] - together).max() < 1e-2


def test_pixels_are_computed_in_fp32_whatever_the_network_runs_in():
    batch = tensors(many(), 32)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(render(batch), render(tensors(many(), 32)))
    assert render(batch).dtype == torch.float32


def test_what_is_stored_stays_as_it_is():
    some = many()
    before = [one.pixels.copy() for one in some]
    rendered(*some)
    assert all(np.array_equal(one.pixels, x) for one, x in zip(some, before, strict=True))


def test_pictures_of_two_sizes_are_no_batch():
    with pytest.raises(ValueError, match="one size; got 16 x 16, 32 x 32"):
        tensors([picture(), picture(out=(16, 16))], 32)


def test_masks_of_a_batch_are_rows_of_patches():
    mask = np.array([[True, False], [False, False]])
    batch = tensors([picture(mask=mask), picture()], 32)
    assert batch["masked"].tolist() == [[True, False, False, False], [False] * 4]
    assert "masked" not in tensors([picture()], 32)
