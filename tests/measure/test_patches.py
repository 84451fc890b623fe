import numpy as np
import pytest

from diptych.measure.patches import painted


def halves(n=3, seed=0):
    """An object in the middle of each picture, which differs from the ground by a vector; a second vector tells left
    from right, a third top from bottom, each weaker than the one before."""
    rng = np.random.default_rng(seed)
    there = np.zeros((n, 6, 6))
    there[:, 2:4, 1:5] = 1
    side = np.broadcast_to(np.arange(6) < 3, (n, 6, 6))
    signs = np.stack([there, 0.3 * side, 0.1 * side.transpose(0, 2, 1)], -1)
    axes = np.linalg.qr(rng.standard_normal((8, 8)))[0][:3]
    return signs @ axes + 5, there > 0


def test_colours_are_the_first_three_principal_components():
    """Against singular vectors of centred patches: each colour is one of them, up to its scale and sign."""
    x = np.random.default_rng(0).standard_normal((2, 5, 4, 7)) * np.array([9, 5, 3, 1, 1, 1, 1])
    rows = x.reshape(-1, 7)
    u = np.linalg.svd(rows - rows.mean(0), full_matrices=False)[0]
    colours = painted(x).colours.reshape(-1, 3).astype(float)
    for component in range(3):
        inner = (colours[:, component] > 0) & (colours[:, component] < 255)
        assert abs(np.corrcoef(colours[inner, component], u[inner, component])[0, 1]) > 0.999


@pytest.mark.parametrize("sign", [1, -1])
def test_the_foreground_is_what_is_not_at_the_edges_whatever_the_sign_of_a_component(sign):
    x, there = halves()
    found = painted(sign * x)
    assert np.array_equal(found.foreground, there)
    assert found.colours[there][:, 0].min() > found.colours[~there][:, 0].max()


def test_patches_that_are_alike_have_one_colour_in_all_pictures():
    x, there = halves()
    colours = painted(x).colours
    left = there & (np.arange(6) < 3) & (np.arange(6) < 3)[:, None]
    assert len(np.unique(colours[left], axis=0)) == 1


@pytest.mark.parametrize("d", [1, 2, 3])
def test_what_patches_do_not_differ_in_is_gray(d):
    x = np.zeros((1, 3, 3, d))
    x[0, 1, 1, 0] = 1
    colours = painted(x).colours
    assert (colours[..., 1:] == 128).all()
    assert len(np.unique(colours[..., 0])) == 2
    assert (painted(np.ones((1, 3, 3, d))).colours == 128).all()


def test_rounding_is_no_component():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((2, 4, 4, 1)) * rng.standard_normal(8) + 5
    assert (painted(x).colours[..., 1:] == 128).all()


@pytest.mark.parametrize("shape", [(0, 3, 3, 4), (3, 3, 4)])
def test_no_patch_is_refused(shape):
    with pytest.raises(ValueError, match="patches are"):
        painted(np.ones(shape))
