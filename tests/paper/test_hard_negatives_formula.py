"""InfoNCE with hard negatives against its formula, in NumPy loops (supervised SimCSE, arXiv:2104.08821, eq. 5)."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from diptych.core import Encoded
from diptych.objectives import tiled
from diptych.objectives.infonce import InfoNCE
from diptych.train.batches import work
from diptych.train.processes import World


def views(**roles):
    return {role: [Encoded(x, x) for x in many] for role, many in roles.items()}


def logit(a, c, temperature):
    return a @ c / math.sqrt(a @ a) / math.sqrt(c @ c) / temperature


def reference(anchor, positive, negative, temperature, negatives, weight):
    """-1/b sum_i log( exp(s(a_i, p_i)) / sum over the candidates of i ), its own negative counted `weight` times."""
    total, b = 0.0, len(anchor)
    for i, a in enumerate(anchor):
        below = weight * math.exp(logit(a, negative[i], temperature))
        others = [j for j in range(b) if j != i]
        below += sum(math.exp(logit(a, positive[j], temperature)) for j in ([i] if negatives == "own" else range(b)))
        if negatives == "all":
            below += sum(math.exp(logit(a, negative[j], temperature)) for j in others)
        total -= logit(a, positive[i], temperature) - math.log(below)
    return total / b


@pytest.mark.parametrize("negatives", ["own", "batch", "all"])
@pytest.mark.parametrize("weight", [1.0, 0.0, 0.25, math.e])
@pytest.mark.parametrize("symmetric", [False, True])
def test_hard_negatives_count_as_the_formula_says(negatives, weight, symmetric):
    rng = np.random.default_rng(0)
    a, p, n = (rng.normal(size=(7, 5)) for _ in range(3))
    expected = reference(a, p, n, 0.2, negatives, weight)
    if symmetric:
        expected = (expected + reference(p, a, n, 0.2, negatives, weight)) / 2
    loss = InfoNCE(0.2, symmetric, negatives, weight)
    found = loss(views(view=[torch.tensor(a), torch.tensor(p)], negative=[torch.tensor(n)]), {})
    assert float(found["infonce"]) == pytest.approx(expected, rel=1e-10)


def simcse(a, p, n, temperature, weight):
    """As the authors' code: logits [cos(z1, z2) | cos(z1, z3)] / t plus a diagonal of log weights."""
    a, p, n = (F.normalize(x, dim=1) for x in (a, p, n))
    bias = torch.cat([torch.zeros_like(a @ p.T), torch.eye(len(a)).to(a) * math.log(weight)], 1)
    return F.cross_entropy(torch.cat([a @ p.T, a @ n.T], 1) / temperature + bias, torch.arange(len(a)))


def masked(a, p, n, temperature, weight, negatives):
    """The same with -inf where a row is no candidate."""
    a, p, n = (F.normalize(x, dim=1) for x in (a, p, n))
    own = torch.eye(len(a), dtype=torch.bool)
    logits = torch.cat([a @ p.T / temperature, a @ n.T / temperature + math.log(weight) * own.to(a)], 1)
    keep = torch.cat([own if negatives == "own" else torch.ones_like(own), own], 1)
    return F.cross_entropy(logits.masked_fill(~keep, -math.inf), torch.arange(len(a)))


@pytest.mark.parametrize("negatives", ["own", "batch", "all"])
@pytest.mark.parametrize("weight", [1.0, 0.3, 5.0])
@pytest.mark.parametrize("b", [1, 2, 3, 4, 11])
def test_gradients_are_those_of_the_whole_matrix(negatives, weight, b, monkeypatch):
    """Over several tiles, one of them not full."""
    monkeypatch.setattr(tiled, "ROWS", 3)
    generator = torch.Generator().manual_seed(b)
    leaves = [torch.randn(b, 4, dtype=torch.float64, generator=generator).requires_grad_() for _ in range(3)]
    exact = simcse(*leaves, 0.05, weight) if negatives == "all" else masked(*leaves, 0.05, weight, negatives)
    wanted = torch.autograd.grad(exact, leaves)
    made = InfoNCE(0.05, negatives=negatives, hard_weight=weight)(views(view=leaves[:2], negative=leaves[2:]), {})
    found = torch.autograd.grad(made["infonce"], leaves)
    torch.testing.assert_close(made["infonce"], exact, rtol=1e-12, atol=1e-12)
    for x, y in zip(found, wanted, strict=True):
        torch.testing.assert_close(x, y, rtol=1e-6, atol=1e-10)
        assert b == 1 or y.abs().max() > 0


def test_hard_negatives_of_other_processes_are_candidates_too():
    """Three processes share a step: what each cuts of it is of the whole, and together they are all rows."""
    from toy import Sentences, recipe

    from diptych.core import Machine, View

    class Rows(Sentences):
        def __getitem__(self, i):
            return {"premise": super().__getitem__(i)["text"], "contradiction": super().__getitem__(i + 99)["text"]}

    rows = [View(column="premise"), View("negative", "contradiction")]
    made = recipe(rows, InfoNCE(), data=Rows(), batch=8)
    parts = [work(made, 0, Machine(), World(rank, 3)) for rank in range(3)]
    places = torch.cat([micro.place for part in parts for micro in part.model])
    assert sorted(places.tolist()) == list(range(2 * 8))


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"negatives": "mine"}, "one of own, batch, all; got 'mine'"),
        ({"hard_weight": -1}, "0 or more; got -1"),
        ({"hard_weight": math.inf}, "0 or more; got inf"),
    ],
)
def test_what_cannot_be_is_refused(settings, why):
    with pytest.raises(ValueError, match=why):
        InfoNCE(**settings)
