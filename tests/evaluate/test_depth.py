import math

import numpy as np
import pytest
import torch

from diptych.core import DataError
from diptych.evaluate.depth import errors, fitted, linear_depth, scale_invariant


def test_errors_are_those_of_the_formulas():
    rng = np.random.default_rng(0)
    truth, found = rng.uniform(0.5, 4, (3, 4, 5)), rng.uniform(0.5, 4, (3, 4, 5))
    truth[0, 0], truth[1, 2, 2], truth[2, 1, 1] = 0, np.nan, np.inf
    told = errors(truth, found)
    for i in range(3):
        pairs = [(d, t) for d, t in zip(found[i].ravel(), truth[i].ravel(), strict=True) if t > 0 and math.isfinite(t)]
        assert len(pairs) < 20
        assert told.rmse[i] == pytest.approx(math.sqrt(sum((d - t) ** 2 for d, t in pairs) / len(pairs)))
        assert told.abs_rel[i] == pytest.approx(sum(abs(d - t) / t for d, t in pairs) / len(pairs))
        assert told.delta1[i] == sum(max(d / t, t / d) < 1.25 for d, t in pairs) / len(pairs)


def test_errors_known_by_hand():
    truth = np.array([[[1.0, 2.0, 4.0, 0.0]]])
    told = errors(truth, np.array([[[1.2, 2.0, 8.0, 99.0]]]))
    assert told.rmse[0] == pytest.approx(math.sqrt((0.04 + 16) / 3))
    assert told.abs_rel[0] == pytest.approx((0.2 + 0 + 1) / 3)
    assert told.delta1[0] == pytest.approx(2 / 3)


def test_an_image_without_depth_is_left_out_and_no_depth_at_all_is_refused():
    truth = np.stack([np.zeros((2, 2)), np.ones((2, 2))])
    assert errors(truth, np.ones((2, 2, 2))).rmse.tolist() == [0]
    with pytest.raises(DataError, match="no pixel of 1 depth map has a depth"):
        errors(truth[:1], np.ones((1, 2, 2)))


def test_the_loss_is_that_of_the_formula():
    rng = np.random.default_rng(0)
    found, truth = rng.uniform(1, 3, (2, 3, 3)), rng.uniform(1, 3, (2, 3, 3))
    truth[0, 0] = 0
    g = np.log(found[truth > 0]) - np.log(truth[truth > 0])
    loss = scale_invariant(torch.from_numpy(found), torch.from_numpy(truth))
    assert float(loss) == pytest.approx(math.sqrt(np.mean(g * g) - 0.85 * np.mean(g) ** 2), rel=1e-6)
    assert float(scale_invariant(torch.from_numpy(found), torch.zeros(2, 3, 3))) == 0


def rooms(n=24, seed=0):
    """Patches that tell the logarithm of their depth, and depths of eight by eight that change slowly."""
    rng = np.random.default_rng(seed)
    depth = rng.uniform(1, 4, (n, 1, 1)) + np.linspace(-0.4, 0.4, 4)[None, :, None] + np.zeros((1, 1, 4))
    noise = rng.standard_normal((n, 4, 4, 5))
    patches = np.concatenate([depth[..., None], 0.1 * noise], -1)
    return patches.astype(np.float32), depth.repeat(2, 1).repeat(2, 2).astype(np.float32)


def test_patches_that_tell_their_depth_are_read():
    patches, depths = rooms()
    told = linear_depth((patches[:16], depths[:16]), (patches[16:], depths[16:]), steps=400)
    assert told.delta1.mean() > 0.9
    assert told.rmse.mean() < 0.2
    blind = np.random.default_rng(1).standard_normal(patches.shape).astype(np.float32)
    worse = linear_depth((blind[:16], depths[:16]), (blind[16:], depths[16:]), steps=100)
    assert worse.rmse.mean() > 2 * told.rmse.mean()


def test_missing_depths_teach_nothing():
    patches, depths = rooms(8)
    found = []
    for missing in (0.0, np.nan, -1.0):
        given = depths.copy()
        given[:, :3] = missing
        found.append(linear_depth((patches, given), (patches, depths), steps=20).rmse)
    assert np.array_equal(found[0], found[1])
    assert np.array_equal(found[0], found[2])


def test_no_depth_is_outside_the_bins():
    patches, depths = rooms(8)
    told = fitted(patches, depths, (1.0, 4.0), bins=16, steps=20, seed=0)
    found = told(100 * patches, (8, 8))
    assert found.shape == (8, 8, 8)
    assert found.min() >= 1
    assert found.max() <= 4
