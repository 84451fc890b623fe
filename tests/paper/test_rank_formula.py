"""Ranks by the definitions that arXiv:2405.11297 and arXiv:2304.01434 speak of, on noise whose spectrum falls."""

import math

import pytest
import torch

from diptych.measure.rank import effective_rank, energy_rank, entropy


def noise(n, d=768, seed=0):
    """Gaussian columns of scale i^(-1/2)."""
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed)) * torch.arange(1, d + 1) ** -0.5


def by_hand(x):
    """S of sigma(Z / sqrt(N))^2, which sum to one for unit rows: the construction of arXiv:2304.01434."""
    z = torch.nn.functional.normalize(x.double(), dim=1)
    part = torch.linalg.svdvals(z / len(z) ** 0.5) ** 2
    assert float(part.sum()) == pytest.approx(1)
    return -sum(p * math.log(p) for p in part.tolist() if p > 0)


@pytest.mark.parametrize("n", [64, 1000])
def test_the_entropy_is_the_one_of_the_paper_and_the_effective_rank_its_exponential(n):
    x = noise(n)
    assert float(entropy(x)) == pytest.approx(by_hand(x), rel=1e-6)
    assert float(effective_rank(x)) == pytest.approx(math.exp(by_hand(x)), rel=1e-5)


def test_the_entropy_of_a_batch_of_64_is_at_most_log_64():
    assert float(entropy(torch.eye(64, 768))) == pytest.approx(math.log(64), rel=1e-9)
    assert round(math.log(64), 2) == 4.16


@pytest.mark.parametrize(
    ("n", "linear", "ninety", "more", "most", "effective"),
    [(64, 54, 45, 53, 62, 41.9), (128, 104, 78, 98, 120, 64.6), (1000, 516, 250, 362, 558, 145.6)],
)
def test_definitions_differ_by_an_order_of_magnitude_on_the_same_rows(n, linear, ninety, more, most, effective):
    """Expected numbers are of one draw; other draws differ by a few per cent."""
    x = noise(n)
    found = [energy_rank(x, t, p, unit=False) for t, p in ((0.9, 1), (0.9, 2), (0.95, 2), (0.99, 2))]
    assert found == pytest.approx([linear, ninety, more, most], rel=0.05)
    assert float(effective_rank(x)) == pytest.approx(effective, rel=0.08)
