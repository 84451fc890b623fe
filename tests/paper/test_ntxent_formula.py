"""NT-Xent against its formula, in NumPy loops."""

import math

import numpy as np
import pytest
import torch

from diptych.core import Encoded
from diptych.objectives.ntxent import NTXent


def views(a, b):
    return {"view": [Encoded(torch.as_tensor(x), torch.as_tensor(x)) for x in (a, b)]}


def reference(a, b, temperature):
    """-1/2b sum_i log( exp(s_ip(i) / t) / sum_{k != i} exp(s_ik / t) ), every pair written out"""
    rows = [x / math.sqrt(x @ x) for x in [*a, *b]]
    n, total = len(a), 0.0
    for i, x in enumerate(rows):
        positive = rows[i + n if i < n else i - n]
        others = sum(math.exp(x @ y / temperature) for k, y in enumerate(rows) if k != i)
        total -= math.log(math.exp(x @ positive / temperature) / others)
    return total / len(rows)


@pytest.mark.parametrize("temperature", [0.07, 0.5])
@pytest.mark.parametrize("b", [1, 2, 9])
def test_ntxent_is_its_formula(temperature, b):
    a, c = (np.random.default_rng(seed).normal(size=(b, 5)) for seed in (0, 1))
    found = NTXent(temperature)(views(a, c), {})["ntxent"]
    assert float(found) == pytest.approx(reference(a, c, temperature), rel=1e-9, abs=1e-9)


def test_its_gradient_is_that_of_the_formula():
    a, c = (np.random.default_rng(seed).normal(size=(4, 3)) for seed in (0, 1))
    x, y = (torch.tensor(z, requires_grad=True) for z in (a, c))
    NTXent(0.3)(views(x, y), {})["ntxent"].backward()
    for which, grad in enumerate((x.grad, y.grad)):
        for place in np.ndindex(4, 3):
            moved = [[a.copy(), c.copy()] for _ in range(2)]
            for sign, pair in zip((1, -1), moved, strict=True):
                pair[which][place] += sign * 1e-6
            slope = (reference(*moved[0], 0.3) - reference(*moved[1], 0.3)) / 2e-6
            assert float(grad[place]) == pytest.approx(slope, abs=1e-7)


def test_rows_that_are_all_alike_give_the_loss_of_chance():
    x = torch.ones(8, 4)
    assert float(NTXent(0.5)(views(x, x), {})["ntxent"]) == pytest.approx(math.log(15))


def test_a_base_temperature_scales_the_loss():
    a, c = (np.random.default_rng(seed).normal(size=(6, 5)) for seed in (0, 1))
    plain, scaled = (float(NTXent(0.5, base)(views(a, c), {})["ntxent"]) for base in (None, 0.07))
    assert scaled == pytest.approx(plain * 0.5 / 0.07)


@pytest.mark.parametrize("given", [(0,), (-1,), (0.5, 0)])
def test_a_temperature_of_zero_is_refused(given):
    with pytest.raises(ValueError, match="above 0; got"):
        NTXent(*given)
