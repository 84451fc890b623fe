import numpy as np
import pytest
import torch
from torch import nn

from diptych.core import Encoded
from diptych.objectives.decoupled import Decoupled
from diptych.objectives.infograph import InfoGraph
from diptych.objectives.infonce import InfoNCE


def seen(x, tokens=None, labels=None):
    return Encoded(x, x, tokens=tokens, labels=labels)


def unit(x):
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def test_the_loss_of_graphcl_leaves_the_positive_out_of_the_denominator():
    x, y = np.random.default_rng(0).normal(size=(2, 3, 4))
    s, t, losses = unit(x) @ unit(y).T, 0.2, []
    for i in range(3):
        others = sum(np.exp(s[i, j] / t) for j in range(3) if j != i)
        losses.append(-np.log(np.exp(s[i, i] / t) / others))
    views = {"view": [seen(torch.tensor(x)), seen(torch.tensor(y))]}
    assert float(Decoupled(t)(views, {})["decoupled"]) == pytest.approx(np.mean(losses))
    counted = [-np.log(np.exp(s[i, i] / t) / np.exp(s[i] / t).sum()) for i in range(3)]
    assert float(InfoNCE(t)(views, {})["infonce"]) == pytest.approx(np.mean(counted))


def test_both_directions_are_halved():
    x, y = (torch.tensor(z) for z in np.random.default_rng(1).normal(size=(2, 5, 4)))
    one, other = ({"view": [seen(a), seen(b)]} for a, b in ((x, y), (y, x)))
    both = (Decoupled()(one, {})["decoupled"] + Decoupled()(other, {})["decoupled"]) / 2
    assert float(Decoupled(symmetric=True)(one, {})["decoupled"]) == pytest.approx(float(both))


def test_it_is_below_zero_where_pairs_are_nearer_than_others():
    x = torch.eye(3, 5)
    assert float(Decoupled()({"view": [seen(x), seen(x)]}, {})["decoupled"]) < 0


@pytest.mark.parametrize(
    "make", [lambda: Decoupled(0), lambda: Decoupled()({"view": [seen(torch.ones(1, 2))] * 2}, {})]
)
def test_one_sample_or_no_temperature_is_refused(make):
    with pytest.raises(ValueError, match=r"above 0|two or more"):
        make()


def softplus(x):
    return np.log1p(np.exp(x))


def test_infograph_is_the_jensen_shannon_estimate_over_nodes_and_graphs():
    rng = np.random.default_rng(0)
    nodes, graphs = rng.normal(size=(3, 4, 2)), rng.normal(size=(3, 2))
    heads = [nn.Linear(2, 2, dtype=torch.float64) for _ in range(2)]
    local, whole = (
        lambda x, head=head: x @ head.weight.detach().numpy().T + head.bias.detach().numpy() for head in heads
    )
    there = np.array([[0, 1, -100, -100], [0, 1, 2, 3], [0, -100, -100, -100]])
    own, other = [], []
    for i in range(3):
        for node in range(4):
            if there[i, node] < 0:
                continue
            for j in range(3):
                s = local(nodes[i, node]) @ whole(graphs[j])
                if i == j:
                    own.append(np.log(2) - softplus(-s))
                else:
                    other.append(softplus(-s) + s - np.log(2))
    view = seen(torch.tensor(graphs), torch.tensor(nodes), torch.tensor(there))
    found = InfoGraph(*heads)({"view": [view]}, {})["infograph"].detach()
    assert (len(own), len(other)) == (7, 14)
    assert float(found) == pytest.approx(np.mean(other) - np.mean(own))


def test_infograph_of_one_graph_is_refused():
    view = seen(torch.ones(1, 2), torch.ones(1, 3, 2), torch.zeros(1, 3, dtype=torch.long))
    with pytest.raises(ValueError, match="two graphs or more"):
        InfoGraph(nn.Identity(), nn.Identity())({"view": [view]}, {})
