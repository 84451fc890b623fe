"""Barlow Twins, BYOL, DINO, iBOT, KoLeo, centring, Sinkhorn-Knopp and their heads, in NumPy loops."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from diptych.core import Encoded, Twin
from diptych.encoders import heads
from diptych.objectives.barlow_twins import BarlowTwins
from diptych.objectives.byol import BYOL
from diptych.objectives.centring import Centring
from diptych.objectives.dino import DINO
from diptych.objectives.ibot import IBOT
from diptych.objectives.koleo import KoLeo
from diptych.objectives.sinkhorn import SinkhornKnopp
from diptych.objectives.sum import Sum


def views(**roles):
    return {role: [Encoded(torch.as_tensor(x), torch.as_tensor(x)) for x in many] for role, many in roles.items()}


def drawn(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in shapes]


def cosine(a, b):
    return a @ b / math.sqrt(a @ a) / math.sqrt(b @ b)


def softmax(x, temperature):
    powers = [math.exp(v / temperature) for v in x]
    return [p / sum(powers) for p in powers]


def cross_entropy(target, logits, temperature):
    return -sum(t * math.log(p) for t, p in zip(target, softmax(logits, temperature), strict=True))


def linear(d, k, seed):
    """A linear head, of which the teacher's is another, and what both are in NumPy."""
    with heads.seeded(seed):
        made = Twin(nn.Linear(d, k)).double()
        nn.init.normal_(made.teacher.weight)
    one, other = ([x.detach().numpy() for x in (m.weight, m.bias)] for m in (made.model, made.teacher))
    return made, lambda x: one[0] @ x + one[1], lambda x: other[0] @ x + other[1]


# ---------------------------------------------------------------- two views


def test_barlow_twins_is_its_formula():
    b, p, weight = 7, 5, 0.02
    a, c = drawn((b, p), (b, p))

    def standard(x):
        out = np.empty_like(x)
        for j in range(p):
            mean = sum(x[:, j]) / b
            out[:, j] = (x[:, j] - mean) / math.sqrt(sum((x[:, j] - mean) ** 2) / b)
        return out

    x, y = standard(a), standard(c)
    products = [[sum(x[n, i] * y[n, j] for n in range(b)) / b for j in range(p)] for i in range(p)]
    diagonal = sum((1 - products[i][i]) ** 2 for i in range(p))
    beside = sum(products[i][j] ** 2 for i in range(p) for j in range(p) if i != j)
    found = BarlowTwins(weight)(views(view=[a, c]), {})
    assert {k: float(x) for k, x in found.items()} == pytest.approx(
        {"barlow_diagonal": diagonal, "barlow_beside": weight * beside}, rel=1e-9
    )


def test_features_that_agree_and_are_not_alike_cost_nothing():
    x = torch.tensor([[1.0, 1], [1, -1], [-1, 1], [-1, -1]])
    assert float(sum(BarlowTwins(1.0)(views(view=[x, 3 * x + 2]), {}).values())) == pytest.approx(0, abs=1e-12)
    twice = x[:, [0, 0]]
    assert float(sum(BarlowTwins(0.25)(views(view=[twice, twice]), {}).values())) == pytest.approx(0.5)


def test_a_constant_feature_costs_one_and_has_a_gradient_that_is_a_number():
    x = torch.tensor([[1.0, 5], [-1, 5]], requires_grad=True)
    loss = sum(BarlowTwins()(views(view=[x, x]), {}).values())
    loss.backward()
    assert float(loss.detach()) == pytest.approx(1)
    assert bool(x.grad.isfinite().all())


def test_byol_is_its_formula():
    b, d, p = 6, 4, 3
    a, c, s, t = drawn((b, d), (b, d), (b, d), (b, d))
    head, own, others = linear(d, p, 1)
    predictor, predict, _ = linear(p, p, 2)
    total = 0.0
    for seen, taught in ((a, t), (c, s)):
        total += sum(2 - 2 * cosine(predict(own(seen[i])), others(taught[i])) for i in range(b)) / b
    found = BYOL(head, predictor.model)(views(view=[a, c]), views(view=[s, t]))
    assert float(found["byol"].detach()) == pytest.approx(total, rel=1e-10)


def test_nothing_is_learned_through_what_a_teacher_says():
    a, c, s, t = (torch.tensor(x, requires_grad=True) for x in drawn(*[(6, 4)] * 4))
    head, predictor = linear(4, 3, 1)[0], linear(3, 3, 2)[0].model
    BYOL(head, predictor)(views(view=[a, c]), views(view=[s, t]))["byol"].backward()
    assert s.grad is None
    assert all(p.grad is None for p in head.teacher.parameters())
    assert all(p.grad.abs().sum() > 0 for p in (a, c, *head.model.parameters(), *predictor.parameters()) if p.is_leaf)


# ---------------------------------------------------------------- targets


def test_centring_takes_away_the_mean_of_earlier_steps():
    targets, centre = Centring(4, 0.04, 0.07, warmup=3, momentum=0.9).double(), np.zeros(4)
    for step in range(6):
        (x,) = drawn((5, 4), seed=step)
        temperature = 0.04 + 0.03 * min(1, step / 3)
        found = targets(torch.tensor(x))
        for i in range(5):
            assert found[i].tolist() == pytest.approx(softmax(x[i] - centre, temperature), rel=1e-6)
        centre = [0.9 * c + 0.1 * sum(x[:, k]) / 5 for k, c in enumerate(centre)]
    assert targets.centre.tolist() == pytest.approx(centre, rel=1e-6)


def test_a_step_without_rows_leaves_the_centre():
    targets = Centring(3).double()
    targets(torch.tensor(drawn((4, 3))[0]))
    before = targets.centre.clone()
    assert targets(torch.zeros(0, 3, dtype=torch.float64)).shape == (0, 3)
    assert torch.equal(targets.centre, before)
    assert SinkhornKnopp()(torch.zeros(0, 3)).shape == (0, 3)


def test_looking_without_training_counts_no_step_and_moves_no_centre():
    targets = Centring(3, warmup=4).double().eval()
    before = {k: x.clone() for k, x in targets.state_dict().items()}
    targets(torch.tensor(drawn((4, 3))[0]))
    assert all(torch.equal(x, before[k]) for k, x in targets.state_dict().items())


@pytest.mark.parametrize(("n", "k"), [(8, 3), (3, 8), (1, 4)])
def test_sinkhorn_knopp_is_its_rounds(n, k):
    (x,), temperature = drawn((n, k)), 0.07 + 0.43
    q = [[math.exp(x[i, j] / temperature) for i in range(n)] for j in range(k)]
    total = sum(map(sum, q))
    q = [[v / total for v in row] for row in q]
    for _ in range(3):
        q = [[v / sum(row) / k for v in row] for row in q]
        columns = [sum(q[j][i] for j in range(k)) for i in range(n)]
        q = [[v / columns[i] / n for i, v in enumerate(row)] for row in q]
    wanted = [[q[j][i] * n for j in range(k)] for i in range(n)]
    found = SinkhornKnopp(temperature, temperature)(torch.tensor(x))
    np.testing.assert_allclose(found, wanted, rtol=1e-6)
    assert found.sum(1).tolist() == pytest.approx([1] * n)


def test_sinkhorn_knopp_shares_prototypes_out_and_keeps_its_head_at_great_logits():
    x = torch.zeros(8, 4)
    x[:, 0] = 5.0 + torch.arange(8)  # all like the first prototype
    found = SinkhornKnopp(0.04, 0.04, rounds=50)(x)
    assert bool(found.isfinite().all())
    assert found.sum(0).tolist() == pytest.approx([2.0] * 4, rel=0.05)
    assert float((x / 0.04).softmax(1).sum(0)[0]) == pytest.approx(8)


# ---------------------------------------------------------------- crops, patches, neighbours


def dino(large, small, taught, targets, temperature):
    """1/T of all pairs of a teacher's crop and a student's other crop, and T."""
    pairs = [(g, v) for g in range(len(large)) for v in range(len(large) + len(small)) if g != v]
    seen = [*large, *small]
    per = {"dino_global": 0.0, "dino_local": 0.0}
    for g, v in pairs:
        b = len(seen[v])
        mean = sum(cross_entropy(targets[g * b + i], seen[v][i], temperature) for i in range(b)) / b
        per["dino_local" if v >= len(large) else "dino_global"] += mean / len(pairs)
    return per, len(pairs)


@pytest.mark.parametrize(("local", "terms"), [(8, 18), (3, 8), (0, 2)])
@pytest.mark.parametrize("kind", ["centring", "sinkhorn"])
def test_dino_is_the_mean_over_all_pairs_of_different_crops(local, terms, kind):
    b, d, k = 5, 4, 6
    large, small, taught = drawn((2, b, d), (local, b, d), (2, b, d))
    head, own, others = linear(d, k, 3)
    logits = [others(x) for view in taught for x in view]
    if kind == "centring":
        made, targets = Centring(k, 0.5, 0.5).double(), [softmax(x, 0.5) for x in logits]
    else:
        made = SinkhornKnopp(0.5, 0.5)
        targets = made(torch.tensor(np.array(logits))).tolist()
    said = [[[own(x) for x in view] for view in part] for part in (large, small)]
    wanted, count = dino(*said, taught, targets, 0.3)
    assert count == terms
    found = DINO(head, made, student=0.3)(
        {**views(**{"global": large}), **views(local=small)}, views(**{"global": taught})
    )
    assert sum(float(x.detach()) for x in found.values()) == pytest.approx(sum(wanted.values()), rel=1e-6)
    assert all(float(x.detach()) == pytest.approx(wanted[name], rel=1e-6) for name, x in found.items())


def hidden(x, masked):
    """Views with the states of masked patches, which are as many as `masked` says of each picture."""
    most = 3  # of all views, as a step has them
    tokens, labels = torch.zeros(len(x), most, x.shape[2], dtype=torch.float64), torch.full((len(x), most), -100)
    for i, places in enumerate(masked):
        tokens[i, : len(places)], labels[i, : len(places)] = torch.tensor(x[i, places]), torch.tensor(places).long()
    return Encoded(tokens.sum(1), tokens.sum(1), tokens=tokens, labels=labels)


MASKED = [[[0, 2, 5], [], [1]], [[], [3, 4], []]]  # of two views of three pictures


def test_ibot_is_a_mean_over_pictures_of_means_over_masked_patches():
    b, n, d, k = 3, 6, 4, 5
    seen, taught = drawn((2, b, n, d), (2, b, n, d))
    head, own, others = linear(d, k, 4)
    total = 0.0
    for v in range(2):
        for i in range(b):
            places = MASKED[v][i]
            for p in places:
                target = softmax(others(taught[v, i, p]), 0.5)
                total += cross_entropy(target, own(seen[v, i, p]), 0.3) / len(places) / (2 * b)
    made = IBOT(head, Centring(k, 0.5, 0.5).double(), student=0.3)
    student, teacher = ({"global": [hidden(x[v], MASKED[v]) for v in range(2)]} for x in (seen, taught))
    assert float(made(student, teacher)["ibot"].detach()) == pytest.approx(total, rel=1e-6)


def test_the_centre_of_patches_is_of_masked_patches_alone():
    seen, taught = drawn((2, 3, 6, 4), (2, 3, 6, 4))
    head, _, others = linear(4, 5, 4)
    made = IBOT(head, Centring(5, momentum=0.0).double())
    made(*({"global": [hidden(x[v], MASKED[v]) for v in range(2)]} for x in (seen, taught)))
    rows = [others(taught[v, i, p]) for v in range(2) for i in range(3) for p in MASKED[v][i]]
    assert made.targets.centre.tolist() == pytest.approx(np.mean(rows, 0).tolist(), rel=1e-6)


def test_with_nothing_masked_ibot_is_zero_and_has_a_gradient():
    head, *_ = linear(4, 5, 4)
    x, tokens = torch.zeros(3, 4).double(), torch.zeros(3, 0, 4).double().requires_grad_()
    nothing = {"global": [Encoded(x, x, tokens=tokens, labels=torch.zeros(3, 0).long())] * 2}
    loss = IBOT(head, Centring(5).double())(nothing, nothing)["ibot"]
    loss.backward()
    assert float(loss.detach()) == 0


def test_koleo_is_its_formula():
    total, large = 0.0, drawn((2, 7, 4))[0]
    for view in large:
        unit = [x / math.sqrt(x @ x) for x in view]
        for i, x in enumerate(unit):
            nearest = max((x @ y, j) for j, y in enumerate(unit) if j != i)[1]
            total -= math.log(math.dist(x, unit[nearest]) + 1e-8) / len(view)
    assert float(KoLeo()(views(**{"global": large}), {})["koleo"]) == pytest.approx(total, rel=1e-9)


def test_embeddings_that_are_the_same_have_a_gradient_that_is_a_number():
    x = torch.tensor([[1.0, 0], [1, 0], [0, 1]], requires_grad=True)
    loss = KoLeo("view")(views(view=[x]), {})["koleo"]
    loss.backward()
    assert float(loss.detach()) == pytest.approx(-(2 * math.log(1e-8) + math.log(math.sqrt(2) + 1e-8)) / 3)
    assert bool(x.grad.isfinite().all())


# ---------------------------------------------------------------- DINOv2, worked out by hand


def test_the_terms_of_dinov2_in_a_case_that_is_worked_out_by_hand():
    """Two pictures, two global and eight local crops, two prototypes.

    Teacher and student say (3/4, 1/4) of crop A and (1/4, 3/4) of crop B, and the student (1/2, 1/2) of local crops.
    With the other crop's target a global crop costs -1/4 log 3/4 - 3/4 log 1/4 = log 4 - 1/4 log 3, a local one log 2
    with either target: (2 (log 4 - 1/4 log 3) + 16 log 2) / 18.

    Two of the four global crops are masked, int(2B 0.5). In the first are two patches, of which the teacher says
    (3/4, 1/4), and the student once (3/4, 1/4): log 4 - 3/4 log 3, once (1/2, 1/2): log 2. In the other is one, where
    the teacher says (1/4, 3/4) and the student (3/4, 1/4): log 4 - 1/4 log 3. Each weighs 1 / number masked in its
    crop, and all four crops count: 1/4 (1/2 (log 4 - 3/4 log 3 + log 2) + log 4 - 1/4 log 3).

    Embeddings of crops A stand at right angles, at a distance of sqrt 2, those of crops B at sqrt 3:
    0.1 (-1/2 log 2 - 1/2 log 3).
    """
    a, b = torch.tensor([[1.0, 0, 1, 0], [1, 0, -1, 0]]), torch.tensor([[0, 1.0, 3**0.5, 0], [0, 1, -(3**0.5), 0]])
    even = torch.tensor([[1.0, 1, 0, 0], [1, 1, 0, 1]])
    head = Twin(nn.Linear(4, 2, bias=False))
    for part, temperature in ((head.model, 0.1), (head.teacher, 0.04)):
        part.weight.data = temperature * math.log(3) * torch.eye(2, 4)
    one, other, none = [1.0, 0, 0, 0], [0.0, 1, 0, 0], [0.0, 0, 0, 0]
    at = torch.tensor([[0, 3], [-100, -100]]), torch.tensor([[-100, -100], [7, -100]])
    said = [[[one, [1.0, 1, 0, 0]], [none, none]], [[none, none], [one, none]]]
    told = [[[one, one], [none, none]], [[none, none], [other, none]]]

    def crops(tokens):
        each = zip((a, b), tokens, at, strict=True)
        return [Encoded(x, x, tokens=torch.tensor(states), labels=labels) for x, states, labels in each]

    objective = Sum(DINO(head, Centring(2, 0.04, 0.04)), IBOT(head, Centring(2, 0.04, 0.04)), (0.1, KoLeo()))
    found = objective({"global": crops(said), "local": [Encoded(even, even)] * 8}, {"global": crops(told)})
    log2, log3, log4 = map(math.log, (2, 3, 4))
    assert {name: float(x.detach()) for name, x in found.items()} == pytest.approx(
        {
            "dino_global": 2 * (log4 - log3 / 4) / 18,
            "dino_local": 16 * log2 / 18,
            "ibot": ((log4 - 0.75 * log3 + log2) / 2 + log4 - log3 / 4) / 4,
            "koleo": 0.1 * (-log2 / 2 - log3 / 2),
        },
        rel=1e-6,
    )


# ---------------------------------------------------------------- heads


def test_a_head_of_prototypes_is_its_formula():
    made = heads.Prototypes(4, 5, hidden=6, bottleneck=3, seed=2).double()
    (x,) = drawn((7, 4))
    gain, direction = (
        p.detach().numpy()
        for p in (made.last.parametrizations.weight.original0, made.last.parametrizations.weight.original1)
    )
    gain[:] = np.linspace(0.5, 2, 5)[:, None]
    layers = [(m.weight.detach().numpy(), m.bias.detach().numpy()) for m in made.mlp if isinstance(m, nn.Linear)]
    assert [w.shape for w, _ in layers] == [(6, 4), (6, 6), (3, 6)]
    for row, found in zip(x, made(torch.tensor(x)).tolist(), strict=True):
        h = row
        for place, (w, bias) in enumerate(layers):
            h = w @ h + bias
            if place < 2:
                h = np.array([v * (1 + math.erf(v / math.sqrt(2))) / 2 for v in h])
        assert found == pytest.approx([float(gain[k, 0]) * cosine(h, direction[k]) for k in range(5)], rel=1e-9)


def test_gains_begin_as_one_and_learn():
    made = heads.Prototypes(4, 5, hidden=6, bottleneck=3)
    assert torch.equal(made.last.parametrizations.weight.original0, torch.ones(5, 1))
    made(torch.randn(3, 4)).sum().backward()
    assert made.last.parametrizations.weight.original0.grad.abs().sum() > 0


def test_a_projector_normalises_between_its_layers_and_not_behind_them():
    made = heads.projector(4, 6, 3, layers=3, seed=1).double()
    (x,) = drawn((8, 4))
    h = x
    kinds = [type(m).__name__ for m in made]
    assert kinds == ["Linear", "BatchNorm1d", "ReLU"] * 2 + ["Linear"]
    for linear_, norm in ((made[0], made[1]), (made[3], made[4])):
        h = h @ linear_.weight.detach().numpy().T
        h = (h - h.mean(0)) / np.sqrt(h.var(0) + norm.eps)
        h = np.maximum(h, 0)
    h = h @ made[6].weight.detach().numpy().T + made[6].bias.detach().numpy()
    np.testing.assert_allclose(made(torch.tensor(x)).detach(), h, rtol=1e-9)
