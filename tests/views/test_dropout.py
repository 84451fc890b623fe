import pytest
import torch

from diptych.core import Perturb
from diptych.draws import keys, uniform
from diptych.views.network.dropout import Dropout


def key(n=64, step=0):
    return torch.from_numpy(keys(0, step, range(n), 0))


def test_survivors_are_scaled_and_the_rest_are_zero():
    h = torch.ones(64, 5, 32)
    noisy = Dropout(0.25)(h, key())
    assert sorted(noisy.unique().tolist()) == pytest.approx([0, 4 / 3])
    assert float((noisy == 0).float().mean()) == pytest.approx(0.25, abs=0.02)


def test_noise_depends_on_the_sample_and_not_on_its_batch_or_padding():
    h = torch.randn(64, 5, 32)
    noisy = Dropout(0.5)(h, key())
    assert torch.equal(Dropout(0.5)(h[10:20], key()[10:20]), noisy[10:20])
    padded = torch.cat([h, torch.zeros(64, 3, 32)], 1)
    assert torch.equal(Dropout(0.5)(padded, key())[:, :5], noisy)


def test_two_steps_have_other_noise():
    h = torch.ones(8, 4, 16)
    assert not torch.equal(Dropout(0.5)(h, key(8)), Dropout(0.5)(h, key(8, step=1)))


def test_only_a_fraction_of_the_samples_is_touched_and_the_others_keep_every_bit():
    h = torch.randn(4000, 2, 8)
    out = Perturb(1, Dropout(0.5), 0.3)(h, {"key": key(4000)})
    touched = (out != h).flatten(1).any(1)
    assert float(touched.float().mean()) == pytest.approx(0.3, abs=0.03)
    assert torch.equal(out[~touched], h[~touched])


def test_the_numbers_behind_the_noise_are_uniform_and_unrelated():
    u = uniform(key(2000), 1, 64)[:, 0]
    counts = torch.histc(u, 10, 0, 1) / u.numel()
    assert torch.all((counts - 0.1).abs() < 0.004)
    correlation = torch.corrcoef(u[:200]).fill_diagonal_(0)
    assert float(correlation.mean().abs()) < 0.002


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.1])
def test_a_fraction_that_touches_nothing_or_more_than_all_is_refused(fraction):
    with pytest.raises(ValueError, match="in \\(0, 1\\]"):
        Perturb(1, Dropout(0.5), fraction)


def test_a_rate_that_would_drop_everything_is_refused():
    with pytest.raises(ValueError, match="got 1"):
        Dropout(1.0)


@pytest.mark.parametrize(("name", "given"), [("gradient", "halt"), ("unit", "token")])
def test_a_word_that_is_not_known_is_refused_with_those_that_are(name, given):
    with pytest.raises(ValueError, match=f"Perturb.{name} is one of .*; got '{given}'"):
        Perturb(1, Dropout(0.5), **{name: given})


def test_a_reversed_gradient_is_the_opposite_of_one_that_passes():
    found = {}
    for gradient in ("stop", "pass", "reverse"):
        h = torch.randn(300, 4, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
        out = Perturb(1, Dropout(0.5), 0.5, gradient)(h, {"key": key(300)})
        out.square().sum().backward()
        found[gradient] = out.detach(), h.grad
    touched = (found["pass"][0] != h.detach()).flatten(1).any(1)
    assert torch.equal(found["reverse"][0], found["pass"][0])
    assert torch.equal(found["reverse"][1][touched], -found["pass"][1][touched])
    assert torch.equal(found["reverse"][1][~touched], found["pass"][1][~touched])
    assert not found["stop"][1][touched].any()
    assert found["pass"][1][touched].any()
