import numpy as np
import pytest
import torch

from diptych.core import Perturb
from diptych.draws import keys
from diptych.views.network.pca import RemovePrincipal

EDGES = torch.tensor([0, 4, 9, 20])


def key(n):
    return torch.from_numpy(keys(0, 0, range(n), 0))


def rows(n=40, d=12, seed=0):
    scale = torch.linspace(3, 0.2, d)
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) * scale + 1


def removed(x, component):
    """As the formula says, with NumPy's SVD."""
    x = x.double().numpy()
    mean = x.mean(0)
    directions = np.linalg.svd(x - mean)[2]
    chosen = directions[:component] if component > 0 else directions[:6][component:]
    return x - (x - mean) @ chosen.T @ chosen


@pytest.mark.parametrize("component", [1, 3, -1, -2])
@pytest.mark.parametrize("n", [40, 8], ids=["more rows", "fewer rows than columns"])
def test_removal_is_the_formula(component, n):
    x = rows(n)
    batch = {"key": key(n)}
    out = Perturb(1, RemovePrincipal(component), fraction=1)(x, batch)
    np.testing.assert_allclose(out.numpy(), removed(x, component), atol=2e-5)


def test_the_mean_stays_and_nothing_is_left_along_the_direction():
    x = rows()
    out = Perturb(1, RemovePrincipal(1), fraction=1)(x, {"key": key(40)})
    torch.testing.assert_close(out.mean(0), x.mean(0), atol=1e-5, rtol=1e-4)
    first = torch.linalg.svd(x - x.mean(0))[2][0]
    assert float(((out - out.mean(0)) @ first).abs().max()) < 1e-4 < float(((x - x.mean(0)) @ first).abs().max())


def test_tokens_of_a_row_and_padded_ones_lose_the_same_and_padding_does_not_count():
    x = rows(24)
    packed = Perturb(1, RemovePrincipal(2), fraction=1)(x[None], {"key": key(3), "edges": EDGES})
    lengths = EDGES.diff().tolist()
    mask = torch.zeros(3, max(lengths), dtype=torch.long)
    padded = torch.full((3, max(lengths), 12), 50.0)
    for i, (part, n) in enumerate(zip(x[:20].split(lengths), lengths, strict=True)):
        padded[i, :n], mask[i, :n] = part, 1
    apart = Perturb(1, RemovePrincipal(2), fraction=1)(padded, {"key": key(3), "mask": mask})
    torch.testing.assert_close(packed[0, :20], apart[mask.bool()], atol=1e-5, rtol=1e-4)
    np.testing.assert_allclose(packed[0, :20].numpy(), removed(x[:20], 2), atol=2e-5)


def test_directions_are_those_of_all_samples_but_only_touched_ones_change():
    x = rows(400)
    out = Perturb(1, RemovePrincipal(1), fraction=0.5)(x, {"key": key(400)})
    touched = (out != x).any(1)
    assert 0.4 < float(touched.float().mean()) < 0.6
    np.testing.assert_allclose(out[touched].numpy(), removed(x, 1)[touched.numpy()], atol=2e-5)


def test_a_gradient_passes_through_the_projection():
    x = rows().requires_grad_()
    Perturb(1, RemovePrincipal(1), fraction=1, gradient="pass")(x, {"key": key(40)}).sum().backward()
    first = torch.linalg.svd(x.detach() - x.detach().mean(0))[2][0]
    torch.testing.assert_close(x.grad[0], torch.ones(12) - first * first.sum(), atol=1e-4, rtol=1e-4)


def test_the_authors_estimate_finds_the_first_direction_and_leaves_the_generator_alone():
    x = rows(200)
    x[:, 0] *= 5
    before = torch.get_rng_state()
    out = Perturb(1, RemovePrincipal(1, exact=False), fraction=1)(x, {"key": key(200)})
    assert torch.equal(before, torch.get_rng_state())
    np.testing.assert_allclose(out.numpy(), removed(x, 1), atol=0.05)


@pytest.mark.parametrize("component", [0, -7])
def test_a_component_that_there_is_not_is_refused(component):
    with pytest.raises(ValueError, match=f"got {component}"):
        RemovePrincipal(component)


@pytest.mark.parametrize("component", [4, -1])
def test_a_batch_that_varies_along_fewer_directions_loses_only_those(component):
    x = torch.randn(4, 64, generator=torch.Generator().manual_seed(1)) + 1
    noise = RemovePrincipal(component).fitted(x, {})
    assert noise.directions.shape[1] == (3 if component > 0 else 1)
    torch.testing.assert_close(noise.directions.T @ noise.directions, torch.eye(noise.directions.shape[1]))
    out = noise(x, key(4))
    kept = out if component < 0 else x.mean(0).expand(4, 64)
    torch.testing.assert_close(out, kept, atol=1e-4, rtol=1e-4)


def test_numbers_are_not_lowered_under_autocast():
    x = rows()
    plain = Perturb(1, RemovePrincipal(2), fraction=1)(x, {"key": key(40)})
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(Perturb(1, RemovePrincipal(2), fraction=1)(x, {"key": key(40)}), plain)
