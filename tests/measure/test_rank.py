import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diptych.measure.rank import bound, effective_of, effective_rank, energy_rank, entropy, spectra, spectrum

RANKS = [effective_rank, energy_rank, entropy, spectrum, spectra]


def gaussian(n=40, d=8, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@pytest.mark.parametrize(("n", "d"), [(40, 8), (8, 40), (12, 12)])
@pytest.mark.parametrize("centred", [False, True])
def test_the_spectrum_is_that_of_a_singular_value_decomposition(n, d, centred):
    x = gaussian(n, d)
    rows = x / x.norm(dim=1, keepdim=True)
    right = torch.linalg.svdvals(rows - rows.mean(0) if centred else rows)
    torch.testing.assert_close(spectrum(x, centred), right, rtol=1e-6, atol=1e-6)
    raw = torch.linalg.svdvals(x - x.mean(0) if centred else x)
    torch.testing.assert_close(spectrum(x, centred, unit=False), raw, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize(("n", "d"), [(40, 8), (8, 40), (12, 12), (2, 5)])
@pytest.mark.parametrize("unit", [False, True])
@pytest.mark.parametrize("aside", [0.0, 30.0], ids=["around zero", "far from zero"])
def test_both_spectra_at_once_are_those_of_each(n, d, unit, aside):
    x = gaussian(n, d) + aside
    for both, centred in zip(spectra(x, unit), (False, True), strict=True):
        torch.testing.assert_close(both, spectrum(x, centred, unit), rtol=1e-6, atol=1e-6 * float(x.norm()))
        assert float(effective_of(both)) == pytest.approx(float(effective_rank(x, centred, unit)), rel=1e-6)


def test_equal_directions_have_the_rank_of_their_number():
    for k in (1, 3, 10):
        x = torch.eye(10)[torch.arange(30) % k]
        assert float(effective_rank(x)) == pytest.approx(k)
        assert energy_rank(x, 1.0) == k
        assert energy_rank(x, 0.5) == -(-k // 2)


def test_centring_takes_a_common_direction_away():
    x = torch.cat([torch.eye(6), torch.full((6, 1), 50.0)], 1)
    assert float(effective_rank(x)) < 1.01
    assert float(effective_rank(x, centred=True)) == pytest.approx(5, rel=1e-3)


@pytest.mark.parametrize("centred", [False, True])
def test_a_collapse_has_entropy_zero_and_no_gradient_that_is_no_number(centred):
    x = torch.full((6, 5), 0.3, requires_grad=True)
    value = entropy(x, centred)
    value.backward()
    assert float(value.detach()) == pytest.approx(0, abs=1e-9)
    assert x.grad.isfinite().all()
    assert energy_rank(x.detach(), centred=centred) == (0 if centred else 1)


@pytest.mark.parametrize("shape", [(5, 9), (9, 4)])
@pytest.mark.parametrize("centred", [False, True])
def test_the_gradient_of_the_entropy_is_that_of_finite_differences(shape, centred):
    x = gaussian(*shape).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: entropy(x, centred), (x,))


def test_repeated_rows_have_a_finite_gradient_that_still_lowers_the_rank():
    x = gaussian(8, 5).repeat(4, 1).float().requires_grad_()
    before = entropy(x)
    before.backward()
    assert x.grad.isfinite().all()
    assert x.grad.dtype == torch.float32
    with torch.no_grad():
        assert entropy(x - 0.1 * x.grad) < before


@given(st.integers(2, 30), st.integers(1, 30), st.integers(0, 99), st.booleans())
def test_ranks_stay_within_their_bound(n, d, seed, centred):
    x = gaussian(n, d, seed)
    most = bound(n, d, centred)
    assert 1 - 1e-9 <= float(effective_rank(x, centred)) <= most + 1e-6
    assert 0 <= energy_rank(x, 1.0, 1, centred) <= most
    assert energy_rank(x, 0.5, 2, centred) <= energy_rank(x, 0.9, 2, centred) <= energy_rank(x, 0.9, 1, centred)


def test_scaling_rows_matters_only_where_they_are_not_scaled():
    x, lengths = gaussian(), torch.linspace(0.1, 9, 40)[:, None]
    assert float(effective_rank(lengths * x)) == pytest.approx(float(effective_rank(x)))
    assert abs(float(effective_rank(lengths * x, unit=False)) - float(effective_rank(x, unit=False))) > 0.01


@pytest.mark.parametrize("rank", RANKS)
@pytest.mark.parametrize(
    ("x", "told"),
    [
        (torch.ones(1, 4), r"got the shape \(1, 4\)"),
        (torch.ones(4), r"got the shape \(4,\)"),
        (torch.tensor([[1.0, float("nan")], [float("inf"), 1.0]]), "2 of 4 are NaN or infinite"),
        (np.array([[1.0, np.nan], [0.0, 1.0]]), "1 of 4"),
    ],
)
def test_what_has_no_rank_is_refused(rank, x, told):
    with pytest.raises(ValueError, match=told):
        rank(x)


@pytest.mark.parametrize(("threshold", "power"), [(0, 2), (1.1, 2), (0.9, 3)])
def test_an_energy_that_there_is_not_is_refused(threshold, power):
    with pytest.raises(ValueError, match="got"):
        energy_rank(gaussian(), threshold, power)
