"""MixCSE, ESimCSE's queue, PromptBERT's denoising, heads, rank, and the supervised ones, in NumPy loops."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from diptych.core import Encoded
from diptych.objectives.cross_entropy import CrossEntropy
from diptych.objectives.denoised import Denoised
from diptych.objectives.headed import Headed
from diptych.objectives.infonce import InfoNCE
from diptych.objectives.mixcse import MixCSE
from diptych.objectives.queue import MomentumQueue
from diptych.objectives.rank import RankReduction
from diptych.objectives.regression import CosineRegression


def views(**roles):
    return {role: [Encoded(torch.as_tensor(x), torch.as_tensor(x)) for x in many] for role, many in roles.items()}


def drawn(*shapes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=shape) for shape in shapes]


def cosine(a, c):
    return a @ c / math.sqrt(a @ a) / math.sqrt(c @ c)


def cross_entropy(rows):
    """Of rows of logits, row i with the right one at place i; None is no candidate."""
    total = 0.0
    for i, row in enumerate(rows):
        total -= row[i] - math.log(sum(math.exp(x) for x in row if x is not None))
    return total / len(rows)


def mixcse(z1, z2, temperature, mix, blocks, mask):
    b, none = len(z1), 0.0 if mask == "zero" else None
    mixed = [[mix * z[i] + (1 - mix) * z[(i + 1) % b] for i in range(b)] for z in (z1, z2)]
    rows = []
    for i in range(b):
        row = [cosine(z1[i], z2[j]) / temperature for j in range(b)]
        row += [none if j == (i - 1) % b else cosine(z1[i], mixed[1][j]) / temperature for j in range(b)]
        if blocks == "both":
            row += [none if j == (i + 1) % b else cosine(mixed[0][i], z2[j]) / temperature for j in range(b)]
        rows.append(row)
    return cross_entropy(rows)


@pytest.mark.parametrize("blocks", ["both", "first"])
@pytest.mark.parametrize("mask", ["-inf", "zero"])
@pytest.mark.parametrize(("b", "mix"), [(7, 0.2), (3, 0.5), (2, 0.2)])
def test_mixcse_is_its_formula(blocks, mask, b, mix):
    z1, z2 = drawn((b, 5), (b, 5))
    found = MixCSE(0.3, mix, blocks, mask)(views(view=[z1, z2]), {})
    assert float(found["mixcse"].detach()) == pytest.approx(mixcse(z1, z2, 0.3, mix, blocks, mask), rel=1e-10)


def test_mixed_vectors_have_no_gradient():
    """Numerically: only the anchor of the first two blocks, and the second view of the first and third, are moved."""
    z1, z2 = (torch.tensor(z, requires_grad=True) for z in drawn((4, 3), (4, 3)))
    MixCSE(0.5)(views(view=[z1, z2]), {})["mixcse"].backward()
    step = 1e-6

    def still(a, c):
        """The loss with mixtures of the vectors as they were."""
        b, mixed = len(a), [0.2 * z + 0.8 * np.roll(z, -1, 0) for z in (z1.detach().numpy(), z2.detach().numpy())]
        return cross_entropy([
            [cosine(a[i], c[j]) / 0.5 for j in range(b)]
            + [None if j == (i - 1) % b else cosine(a[i], mixed[1][j]) / 0.5 for j in range(b)]
            + [None if j == (i + 1) % b else cosine(mixed[0][i], c[j]) / 0.5 for j in range(b)]
            for i in range(b)
        ])  # fmt: skip

    for which, z in enumerate((z1, z2)):
        for place in np.ndindex(4, 3):
            moved = [x.detach().numpy().copy() for x in (z1, z2)]
            moved[which][place] += step
            up = still(*moved)
            moved[which][place] -= 2 * step
            assert float(z.grad[place]) == pytest.approx((up - still(*moved)) / (2 * step), abs=1e-7)


def test_at_a_low_temperature_the_two_masks_are_alike():
    """As for sentences: cosines of positives 0.8, of others 0.3."""
    z = np.linalg.cholesky(np.full((16, 16), 0.3) + 0.7 * np.eye(16))
    other = 0.75 * z + 0.25 * drawn((16, 16))[0] / 4
    zero, none = (float(MixCSE(0.05, mask=mask)(views(view=[z, other]), {})["mixcse"]) for mask in ("zero", "-inf"))
    assert 0 < zero - none < 1e-4
    zero, none = (float(MixCSE(1.0, mask=mask)(views(view=[z, other]), {})["mixcse"]) for mask in ("zero", "-inf"))
    assert zero - none > 1e-2


def test_a_queue_holds_what_the_teacher_made_of_earlier_batches():
    loss, queue = MomentumQueue(5, 0.2, size=7), []
    for step in range(5):
        a, p, t = drawn((4, 5), (4, 5), (4, 5), seed=step)
        rows = [[cosine(x, c) / 0.2 for c in [*p, *queue]] for x in a]
        found = loss(views(view=[a, p]), views(view=[t]))
        assert float(found["infonce"].detach()) == pytest.approx(cross_entropy(rows), rel=1e-6)
        queue = [*queue, *t][-7:]
        assert int(loss.count) == len(queue)
        np.testing.assert_allclose(loss.rows[: len(queue)], queue, rtol=1e-6)


def infonce(a, p, temperature):
    return cross_entropy([[cosine(x, c) / temperature for c in p] for x in a])


def test_a_bias_is_taken_away_before_the_head():
    a, p, d, e, w = drawn((6, 4), (6, 4), (6, 4), (6, 4), (4, 3))
    head = nn.Sequential(nn.Linear(4, 3, bias=False, dtype=torch.float64), nn.Tanh())
    head[0].weight.data = torch.tensor(w.T)
    made = Denoised(InfoNCE(0.2), head)
    clean = [np.array([np.tanh((x[i] - y[i]) @ w) for i in range(6)]) for x, y in ((a, d), (p, e))]
    found = made(views(view=[a, p], bias=[d, e]), {})
    assert float(found["infonce"].detach()) == pytest.approx(infonce(*clean, 0.2), rel=1e-10)
    with pytest.raises(ValueError, match="got 1 for 2 views"):
        made(views(view=[a, p], bias=[d]), {})


def test_a_head_sees_each_view_for_itself():
    a, p, n = drawn((6, 4), (6, 4), (6, 4))
    head = nn.BatchNorm1d(4, affine=False, track_running_stats=False)

    def normalised(x):
        out = np.empty_like(x)
        for j in range(x.shape[1]):
            mean = sum(x[:, j]) / len(x)
            out[:, j] = (x[:, j] - mean) / math.sqrt(sum((x[:, j] - mean) ** 2) / len(x) + 1e-5)
        return out

    found = Headed(InfoNCE(0.2), head)(views(view=[a, p], negative=[n]), {})
    a, p, n = map(normalised, (a, p, n))
    assert float(found["infonce"].detach()) == pytest.approx(infonce(a, [*p, *n], 0.2), rel=1e-9)


@pytest.mark.parametrize("shape", [(9, 4), (4, 9)])
@pytest.mark.parametrize("rows", ["first", "both"])
@pytest.mark.parametrize("centred", [False, True])
def test_rank_is_the_entropy_of_the_spectrum(shape, rows, centred):
    a, p = drawn(shape, shape)
    x = np.array([row / math.sqrt(row @ row) for row in (a if rows == "first" else [*a, *p])])
    x = x - x.mean(0) if centred else x
    sigma = np.linalg.svd(x, compute_uv=False)
    part = [s**2 / sum(sigma**2) for s in sigma if s > 1e-9]
    wanted = -sum(x * math.log(x) for x in part)
    found = RankReduction(views=rows, centred=centred)(views(view=[a, p]), {})
    assert float(found["rank_entropy"].detach()) == pytest.approx(wanted, rel=1e-9)
    found = RankReduction("effective", views=rows, centred=centred)(views(view=[a, p]), {})
    assert float(found["rank_effective"].detach()) == pytest.approx(math.exp(wanted), rel=1e-9)


def test_a_cosine_is_to_be_the_score():
    a, p = drawn((6, 4), (6, 4))
    gold = np.linspace(0, 1, 6)
    wanted = sum((cosine(a[i], p[i]) - gold[i]) ** 2 for i in range(6)) / 6
    found = CosineRegression()(views(view=[a, p], target=[gold[:, None]]), {})
    assert float(found["regression"].detach()) == pytest.approx(wanted, rel=1e-10)


def soft(gold, classes):
    """Tai, Socher & Manning, arXiv:1503.00075, eq. 14: with y in [1, K], the parts of floor(y) and floor(y) + 1."""
    out = [0.0] * classes
    y = 1 + gold * (classes - 1)
    below = math.floor(y)
    out[below - 1] = below - y + 1
    if below < classes:
        out[below] = y - below
    return out


def softmax(x):
    return [math.exp(v) / sum(math.exp(u) for u in x) for v in x]


@pytest.mark.parametrize("error", ["log", "squared"])
def test_a_score_is_shared_between_two_classes(error):
    u, v = drawn((6, 4), (6, 4))
    gold = [0.0, 1.0, 0.25, 0.4, 0.99, 0.5]
    made = CrossEntropy(5, 4, error=error).double()
    weight, bias = (x.detach().numpy() for x in (made.head.weight, made.head.bias))
    total = 0.0
    for i in range(6):
        p = softmax(weight @ np.array([*np.abs(u[i] - v[i]), *(u[i] * v[i])]) + bias)
        y = soft(gold[i], 5)
        assert sum(y) == pytest.approx(1)
        total += -sum(a * math.log(b) for a, b in zip(y, p, strict=True)) if error == "log" else sum(
            (a - b) ** 2 for a, b in zip(y, p, strict=True)
        ) / 5  # fmt: skip
    (found,) = made(views(view=[u, v], target=[np.array(gold)[:, None]]), {}).values()
    assert float(found.detach()) == pytest.approx(total / 6, rel=1e-9)


def test_single_texts_have_one_class_each():
    (u,) = drawn((5, 4))
    classes = [0, 2, 1, 2, 0]
    made = CrossEntropy(3, 4, "single").double()
    weight, bias = (x.detach().numpy() for x in (made.head.weight, made.head.bias))
    wanted = -sum(math.log(softmax(weight @ u[i] + bias)[c]) for i, c in enumerate(classes)) / 5
    found = made(views(view=[u], target=[np.array(classes, float)[:, None]]), {})
    assert float(found["cross_entropy"].detach()) == pytest.approx(wanted, rel=1e-9)
