import numpy as np
import pytest
import torch
from scipy import sparse

import diptych.measure.rows
from diptych.measure.geometry import alignment, cosines, mean_cosine, potentials, uniformity


def gaussian(n=40, d=8, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_alignment_is_two_minus_twice_the_mean_cosine():
    x, y = gaussian(), gaussian(seed=1)
    assert float(alignment(x, y)) == pytest.approx(2 - 2 * float(cosines(x, y).mean()), rel=1e-12)


def test_equal_views_are_perfectly_aligned_and_opposite_ones_are_not_at_all():
    x = gaussian()
    assert float(alignment(x, 3 * x)) == pytest.approx(0, abs=1e-12)
    assert float(alignment(x, -x)) == pytest.approx(4)


def test_a_collapse_has_uniformity_zero_and_mean_cosine_one():
    x = torch.ones(30, 5)
    assert float(uniformity(x)) == pytest.approx(0, abs=1e-5)
    assert float(mean_cosine(x)) == pytest.approx(1)


def test_a_sphere_of_many_dimensions_has_uniformity_near_minus_four():
    assert float(uniformity(gaussian(300, 2000))) == pytest.approx(-4, abs=0.02)


def test_two_opposite_points_have_uniformity_minus_four_t():
    x = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    assert float(uniformity(x, t=2)) == pytest.approx(-8)
    assert float(uniformity(x, t=100)) == pytest.approx(-400)


def test_the_size_of_the_blocks_does_not_matter(monkeypatch):
    x = gaussian(37)
    whole = potentials(x)
    monkeypatch.setattr(diptych.measure.rows.blocks, "__defaults__", (50,))
    assert len(diptych.measure.rows.blocks(37, 37)) == 37
    torch.testing.assert_close(potentials(x), whole, rtol=1e-12, atol=0)


def test_a_row_of_zeros_has_no_direction_and_gives_no_nan():
    x = gaussian(6)
    x[2] = 0
    for rows in (x, x.numpy(), sparse.csr_matrix(x.numpy())):
        assert np.isfinite(float(uniformity(rows)))
        assert float(cosines(rows, rows)[2]) == 0


def test_uniformity_passes_gradients():
    x = gaussian().requires_grad_()
    (uniformity(x) + alignment(x, gaussian(seed=1))).backward()
    assert x.grad.abs().sum() > 0
    assert torch.isfinite(x.grad).all()


def test_what_cannot_be_compared_is_refused():
    with pytest.raises(ValueError, match="at least 2; got 1"):
        uniformity(torch.ones(1, 3))
    with pytest.raises(ValueError, match="at least 2; got 1"):
        mean_cosine(torch.ones(1, 3))
    with pytest.raises(ValueError, match="shapes agree"):
        alignment(torch.ones(2, 3), torch.ones(3, 3))
    with pytest.raises(ValueError, match="0 rows"):
        alignment(torch.ones(0, 3), torch.ones(0, 3))
