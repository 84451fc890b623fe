import numpy as np
import pytest
import torch

from diptych.core import DataError
from diptych.evaluate import dense
from diptych.evaluate.segmentation import Segmentation, confusions, ious, linear_segmentation, segmented


def by_loops(truth, found, classes, ignore):
    """IoU of each class from sets of pixels; None for one that is in neither."""
    told = []
    for c in range(classes):
        pixels = [i for i in np.ndindex(truth.shape) if truth[i] != ignore]
        mine, theirs = {i for i in pixels if truth[i] == c}, {i for i in pixels if found[i] == c}
        told.append(len(mine & theirs) / len(mine | theirs) if mine | theirs else None)
    return told


def test_iou_is_that_of_sets_of_pixels():
    rng = np.random.default_rng(0)
    truth, found = rng.integers(0, 4, (2, 5, 6)), rng.integers(0, 3, (2, 5, 6))
    truth[truth == 3] = 11  # ignored; and class 3 of five is said by nobody, as is class 4
    scored = Segmentation(confusions(truth, found, 5, ignore=11))
    expected = by_loops(truth, found, 5, 11)
    assert [None if np.isnan(x) else x for x in scored.ious] == pytest.approx(expected)
    assert expected[3:] == [None, None]
    assert scored.mean_iou == pytest.approx(np.mean(expected[:3]))
    assert scored.accuracy == pytest.approx((truth == found)[truth != 11].mean())


def test_a_class_of_neither_is_not_counted_and_one_that_is_said_wrongly_is_zero():
    truth, found = np.array([[[0, 0, 0, 0]]]), np.array([[[0, 0, 1, 1]]])
    scored = Segmentation(confusions(truth, found, 3))
    assert scored.mean_iou == pytest.approx((0.5 + 0) / 2)


def test_ignored_pixels_say_nothing_whatever_is_said_of_them():
    truth, found = np.array([[[0, 1, 255, 255]]]), np.array([[[0, 1, 0, 1]]])
    assert Segmentation(confusions(truth, found, 2, ignore=255)).mean_iou == 1


def test_confusions_are_counted_for_each_image():
    truth, found = np.array([[[0, 1]], [[1, 1]]]), np.array([[[0, 0]], [[1, 0]]])
    assert confusions(truth, found, 2).tolist() == [[[1, 0], [1, 0]], [[0, 0], [1, 1]]]
    assert ious(np.array([[[1, 0], [1, 0]]]))[0].tolist() == [0.5, 0]


def test_a_class_that_is_none_is_named():
    with pytest.raises(DataError, match=r"masks have classes 0\.\.10, 11 for none; got 12, 200"):
        confusions(np.array([[[0, 12, 200, 11]]]), np.zeros((1, 1, 4), int), 11, ignore=11)
    with pytest.raises(DataError, match="no pixel of 1 masks has a class"):
        confusions(np.full((1, 1, 4), 11), np.zeros((1, 1, 4), int), 11, ignore=11)


def bilinear(x, size):
    """Upsampling of [h, w] by loops: a patch's number is that of its middle, and of all beyond the outermost ones."""
    (h, w), (y, x_) = x.shape, size
    out = np.empty(size)
    for i in range(y):
        for j in range(x_):
            a, b = (np.clip((k + 0.5) * s / t - 0.5, 0, s - 1) for k, s, t in ((i, h, y), (j, w, x_)))
            p, q = int(a), int(b)
            r, s = min(p + 1, h - 1), min(q + 1, w - 1)
            u, v = a - p, b - q
            out[i, j] = (1 - u) * ((1 - v) * x[p, q] + v * x[p, s]) + u * ((1 - v) * x[r, q] + v * x[r, s])
    return out


def test_upsampling_is_bilinear():
    x = np.random.default_rng(0).standard_normal((3, 4))
    found = dense.upsampled(torch.from_numpy(x)[None, None], (7, 10))[0, 0].numpy()
    np.testing.assert_allclose(found, bilinear(x, (7, 10)), atol=1e-12)


def test_the_pixels_that_are_learned_from_are_those_of_a_smaller_mask():
    assert dense.stride((180, 240), (12, 12)) == 3
    assert dense.stride((180, 240), (6, 6)) == 5  # seven would cut something off
    assert dense.stride((181, 240), (6, 6)) == 1
    assert dense.stride((32, 32), (8, 8)) == dense.stride((8, 8), (8, 8)) == 1
    x = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 2, 3, 4)))
    whole, small = dense.upsampled(x, (45, 60)), dense.upsampled(x, (15, 20))
    torch.testing.assert_close(whole[:, :, 1::3, 1::3], small)


def scenes(n=12, seed=0):
    """Patches of four by four whose class decides their features, and masks of twelve by twelve."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 3, (n, 4, 4))
    centres = np.random.default_rng(9).standard_normal((3, 6))
    patches = centres[small] + 0.1 * rng.standard_normal((n, 4, 4, 6))
    return patches.astype(np.float32), small.repeat(3, 1).repeat(3, 2)


def test_patches_that_tell_their_class_are_segmented_up_to_the_blur_of_borders():
    patches, masks = scenes(24)
    scored = linear_segmentation((patches[:16], masks[:16]), (patches[16:], masks[16:]), 3, steps=300)
    assert scored.accuracy > 0.9
    low, high = scored.interval()
    assert 0.8 < low < scored.mean_iou < high < 1
    noise = np.random.default_rng(1).standard_normal(patches.shape).astype(np.float32)
    assert linear_segmentation((noise[:16], masks[:16]), (noise[16:], masks[16:]), 3, steps=100).mean_iou < 0.4


def test_where_patches_are_of_one_class_each_their_middles_are_right():
    patches, masks = scenes(24)
    layer = dense.fit(patches[:16], masks[:16], 3, module_loss, 300)
    found = segmented(layer, patches[16:], (12, 12))
    assert (found == masks[16:])[:, 1::3, 1::3].mean() == 1


def module_loss(logits, masks):
    from diptych.evaluate.segmentation import _loss

    return _loss(logits, masks)


def test_the_loss_is_the_mean_cross_entropy_of_pixels_with_a_class():
    rng = np.random.default_rng(0)
    logits, masks = rng.standard_normal((2, 3, 2, 2)), rng.integers(-1, 3, (2, 4, 5))
    total = []
    for i in range(2):
        whole = np.stack([bilinear(logits[i, c], (4, 5)) for c in range(3)])
        for y, x in np.ndindex(4, 5):
            if masks[i, y, x] >= 0:
                total.append(np.log(np.exp(whole[:, y, x]).sum()) - whole[masks[i, y, x], y, x])
    found = module_loss(torch.from_numpy(logits), torch.from_numpy(masks))
    assert float(found) == pytest.approx(np.mean(total))
    assert float(module_loss(torch.from_numpy(logits), torch.full((2, 4, 5), -1))) == 0


def test_of_large_masks_the_middle_of_every_few_pixels_is_learned_from():
    """What lies between them may be anything."""
    patches, masks = scenes(4)
    large = masks.repeat(4, 1).repeat(4, 2)
    assert dense.stride(large.shape[1:], (4, 4)) == 3
    other = np.random.default_rng(0).integers(0, 3, large.shape)
    other[:, 1::3, 1::3] = large[:, 1::3, 1::3]
    test = patches, masks
    one, two = (linear_segmentation((patches, given), test, 3, steps=20).confusions for given in (large, other))
    assert np.array_equal(one, two)


def test_void_teaches_nothing():
    """Masks whose void pixels are filled with anything train the same layer."""
    patches, masks = scenes()
    void = masks.copy()
    void[:, :6] = 7
    test = patches, masks
    one = linear_segmentation((patches, void), test, 3, ignore=7, steps=20)
    void[:, :6] = 9
    other = linear_segmentation((patches, void), test, 3, ignore=9, steps=20)
    assert np.array_equal(one.confusions, other.confusions)


def test_masks_may_be_bytes():
    patches, masks = scenes()
    masks[:, :2] = 255
    found = [
        linear_segmentation((patches, given), (patches, given), 3, ignore=255, steps=20).confusions
        for given in (masks, masks.astype(np.uint8))
    ]
    assert np.array_equal(*found)


def test_the_global_generator_is_left_alone():
    patches, masks = scenes(4)
    before = torch.get_rng_state()
    linear_segmentation((patches, masks), (patches, masks), 3, steps=2)
    assert torch.equal(before, torch.get_rng_state())


def test_patches_of_other_images_are_refused():
    patches, masks = scenes()
    with pytest.raises(ValueError, match=r"of the same images, one or more; got \(12, 4, 4, 6\) and \(11, 12, 12\)"):
        linear_segmentation((patches, masks[:11]), (patches, masks), 3, steps=2)


def test_the_interval_is_that_of_resampled_images():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 2, (10, 4, 4))
    found = np.where(rng.random((10, 4, 4)) < 0.2, 1 - truth, truth)
    scored = Segmentation(confusions(truth, found, 2))
    draws = []
    for _ in range(2000):
        rows = rng.integers(10, size=10)
        draws.append(np.nanmean(ious(scored.confusions[rows].sum(0))))
    np.testing.assert_allclose(scored.interval(), np.quantile(draws, [0.025, 0.975]), atol=0.015)
