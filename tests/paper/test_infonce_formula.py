"""InfoNCE against its formula, in NumPy loops."""

import math

import numpy as np
import pytest
import torch

from diptych.core import Encoded
from diptych.objectives.infonce import InfoNCE


def views(**roles):
    return {role: [Encoded(torch.as_tensor(x), torch.as_tensor(x)) for x in many] for role, many in roles.items()}


def reference(anchor, candidates, temperature):
    """-1/b sum_i log( exp(cos(a_i, c_i) / t) / sum_j exp(cos(a_i, c_j) / t) )"""
    total = 0.0
    for i, a in enumerate(anchor):
        cosines = [a @ c / math.sqrt(a @ a) / math.sqrt(c @ c) / temperature for c in candidates]
        total -= cosines[i] - math.log(sum(math.exp(x) for x in cosines))
    return total / len(anchor)


@pytest.mark.parametrize("temperature", [0.05, 0.5])
@pytest.mark.parametrize("negatives", [0, 1])
@pytest.mark.parametrize("symmetric", [False, True])
def test_infonce_is_its_formula(temperature, negatives, symmetric):
    rng = np.random.default_rng(0)
    a, b, *hard = (rng.normal(size=(7, 5)) for _ in range(2 + negatives))
    expected = reference(a, [*b, *(row for x in hard for row in x)], temperature)
    if symmetric:
        expected = (expected + reference(b, [*a, *(row for x in hard for row in x)], temperature)) / 2
    found = InfoNCE(temperature, symmetric)(views(view=[a, b], negative=hard), {})
    assert float(found["infonce"]) == pytest.approx(expected, rel=1e-10)


def test_orthogonal_views_give_the_known_value():
    x = torch.eye(16)
    found = InfoNCE(0.05)(views(view=[x, x]), {})["infonce"]
    assert float(found) == pytest.approx(-math.log(math.exp(20) / (math.exp(20) + 15)), abs=1e-7)


def test_a_temperature_of_zero_is_refused():
    with pytest.raises(ValueError, match="above 0; got 0"):
        InfoNCE(0)
