"""The tiled cross-entropy against the whole matrix, differentiated by autograd."""

import pytest
import torch
import torch.nn.functional as F
from torch.utils._python_dispatch import TorchDispatchMode

from diptych.core import Encoded
from diptych.objectives import tiled
from diptych.objectives.infonce import InfoNCE
from diptych.objectives.tiled import ROWS, Block, cosine_cross_entropy

TEMPERATURE = 0.1


def whole(anchors, candidates, positive, temperature=TEMPERATURE):
    cosines = F.normalize(anchors, dim=1) @ F.normalize(candidates, dim=1).T
    return F.cross_entropy(cosines / temperature, positive)


def rows(*counts, dim=24, dtype=torch.float32):
    """Rows of very different lengths that have a direction in common."""
    generator = torch.Generator().manual_seed(0)
    common = torch.randn(dim, generator=generator)
    made = [common + torch.randn(n, dim, generator=generator) for n in counts]
    return [(x * 10 ** torch.randn(len(x), 1, generator=generator)).to(dtype) for x in made]


def differentiated(loss, *inputs, dtype=None):
    leaves = [x.detach().to(dtype or x.dtype).requires_grad_() for x in inputs]
    value = loss(*leaves)
    value.backward()
    return value.detach(), [x.grad for x in leaves]


def assert_same(found, exact):
    """To 1e-5 of the loss, and of the largest part of the gradient of each row."""
    torch.testing.assert_close(found[0].double(), exact[0], rtol=1e-5, atol=0)
    for a, b in zip(found[1], exact[1], strict=True):
        torch.testing.assert_close(a.double() / b.abs().amax(), b / b.abs().amax(), rtol=1e-5, atol=1e-5)


def infonce(symmetric):
    def loss(anchor, positive, *negatives):
        views = {"view": [anchor, positive], "negative": negatives}
        encoded = {role: [Encoded(x, x) for x in many] for role, many in views.items()}
        return InfoNCE(TEMPERATURE, symmetric)(encoded, {})["infonce"]

    return loss


def whole_infonce(symmetric):
    def loss(anchor, positive, *negatives):
        right = torch.arange(len(anchor))
        forth = whole(anchor, torch.cat([positive, *negatives]), right)
        back = whole(positive, torch.cat([anchor, *negatives]), right)
        return (forth + back) / 2 if symmetric else forth

    return loss


@pytest.mark.parametrize("symmetric", [False, True])
@pytest.mark.parametrize("negatives", [0, 1, 2])
@pytest.mark.parametrize("b", [1, 2, ROWS - 1, ROWS, ROWS + 1, 2 * ROWS + 77])
def test_infonce_and_its_gradients_are_those_of_the_whole_matrix(b, negatives, symmetric):
    views = rows(*[b] * (2 + negatives))
    exact = differentiated(whole_infonce(symmetric), *views, dtype=torch.float64)
    found = differentiated(infonce(symmetric), *views)
    if b == 1 and not negatives:  # one candidate: nothing to learn
        assert found[0] == 0
        assert all(gradient.abs().max() == 0 for gradient in found[1])
    else:
        assert_same(found, exact)


@pytest.mark.parametrize("temperature", [0.01, 0.05, 1.0])
def test_duplicates_and_orthogonal_rows_and_any_temperature_are_the_same_too(temperature):
    a, c = rows(300, 300)
    a[10:20] = a[30]
    c[10:20] = c[30]
    a[40:50] = c[40:50]
    c[60:300:7] = a[60:300:7] * 3
    a[5], c[5] = torch.eye(24)[0], torch.eye(24)[1]

    def both(f):
        return lambda a, c: f(a, c, torch.arange(300), temperature)

    assert_same(
        differentiated(both(cosine_cross_entropy), a, c), differentiated(both(whole), a, c, dtype=torch.float64)
    )


def test_exponentials_that_no_number_can_hold_are_no_problem():
    """Each positive is orthogonal to its anchor and another candidate is the anchor: the loss is 1/t."""
    eye = torch.eye(16)
    found, gradients = differentiated(
        lambda a, c: cosine_cross_entropy(a, c, torch.arange(16), 0.002), eye, eye.roll(1, 0)
    )
    assert found.item() == pytest.approx(500)
    torch.testing.assert_close(gradients[0] * 16 * 0.002, -eye.roll(1, 0))


def test_a_row_of_zeros_counts_as_it_does_when_normalised():
    a, c = rows(5, 5)
    a[1] = c[2] = 0
    f = [lambda a, c, f=f: f(a, c, torch.arange(5), TEMPERATURE) for f in (cosine_cross_entropy, whole)]
    assert_same(differentiated(f[0], a, c), differentiated(f[1], a, c, dtype=torch.float64))


def test_anchors_and_candidates_of_any_number_with_any_positive():
    """Two processes with half of the anchors each, and all candidates: the mean of their losses is the whole one."""
    a, c = rows(500, 1300)
    positive = torch.randint(1300, (500,), generator=torch.Generator().manual_seed(1))
    positive[:20] = 7  # the right one for many

    def halves(a, c):
        parts = [cosine_cross_entropy(a[i], c, positive[i], TEMPERATURE) for i in (slice(0, 250), slice(250, 500))]
        return (parts[0] + parts[1]) / 2

    exact = differentiated(lambda a, c: whole(a, c, positive), a, c, dtype=torch.float64)
    assert_same(differentiated(lambda a, c: cosine_cross_entropy(a, c, positive, TEMPERATURE), a, c), exact)
    assert_same(differentiated(halves, a, c), exact)


@pytest.mark.parametrize("learns", [(True, True), (True, False), (False, True)])
def test_the_gradient_is_that_of_finite_differences(learns, monkeypatch):
    monkeypatch.setattr(tiled, "ROWS", 3)
    a, c = rows(7, 10, dim=4, dtype=torch.float64)
    positive = torch.tensor([0, 3, 3, 9, 1, 2, 5])
    a, c = (x.requires_grad_(learn) for x, learn in zip((a, c), learns, strict=True))
    assert torch.autograd.gradcheck(lambda a, c: 2 * cosine_cross_entropy(a, c, positive, 0.5) ** 2, (a, c))


def test_a_second_backward_gives_the_same_and_leaves_the_first_as_it_was():
    a, c = (x.requires_grad_() for x in rows(9, 9))
    loss = cosine_cross_entropy(a, c, torch.arange(9), TEMPERATURE)
    first = torch.autograd.grad(3 * loss, (a, c), retain_graph=True)
    kept = [x.clone() for x in first]
    second = torch.autograd.grad(loss, (a, c))
    for x, y, z in zip(first, kept, second, strict=True):
        assert torch.equal(x, y)
        torch.testing.assert_close(x, 3 * z)


def test_there_is_no_second_derivative_and_it_says_so():
    a, c = (x.requires_grad_() for x in rows(4, 4))
    with pytest.raises(RuntimeError, match="no second derivative; differentiate without create_graph"):
        torch.autograd.grad(cosine_cross_entropy(a, c, torch.arange(4), 1.0), a, create_graph=True)


class Watch(TorchDispatchMode):
    """Sees the matrix products, and the most numbers that any result of an operation has."""

    products = largest = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        out = operation(*args, **(kwargs or {}))
        self.products += operation.overloadpacket in (torch.ops.aten.mm, torch.ops.aten.addmm_)
        self.largest = max(self.largest, *(x.numel() for x in (out, *args) if isinstance(x, torch.Tensor)), 0)
        return out


def watched(loss, *inputs):
    with Watch() as seen:
        differentiated(loss, *inputs)
    return seen


@pytest.mark.parametrize("symmetric", [False, True])
def test_the_matrix_is_never_there(symmetric):
    b = 5 * ROWS
    views = rows(b, b, dim=3)
    assert watched(whole_infonce(symmetric), *views).largest >= b * b  # it would be seen
    assert watched(infonce(symmetric), *views).largest == ROWS * b


@pytest.mark.parametrize(("learns", "products"), [((0, 0), 1), ((1, 0), 2), ((0, 1), 2), ((1, 1), 3)])
def test_a_gradient_costs_one_product_and_only_where_it_is_wanted(learns, products):
    a, c = (x.requires_grad_(bool(learn)) for x, learn in zip(rows(6, 6), learns, strict=True))
    with Watch() as seen:
        loss = cosine_cross_entropy(a, c, torch.arange(6), TEMPERATURE)
        if any(learns):
            loss.backward()
    assert seen.products == products
    with torch.no_grad(), Watch() as seen:
        cosine_cross_entropy(a, c, torch.arange(6), TEMPERATURE)
    assert seen.products == 1


def test_what_comes_in_bf16_is_computed_in_fp32_and_autocast_changes_nothing():
    a, c = rows(40, 40, dtype=torch.bfloat16)
    f = [lambda a, c, f=f: f(a, c, torch.arange(40), TEMPERATURE) for f in (cosine_cross_entropy, whole)]
    exact = differentiated(f[1], a, c, dtype=torch.float64)
    with torch.autocast("cpu", torch.bfloat16):
        found = differentiated(f[0], a.float(), c.float())
    assert_same(found, exact)
    loss, gradients = differentiated(f[0], a, c)
    torch.testing.assert_close(loss.double(), exact[0], rtol=1e-5, atol=0)
    assert {g.dtype for g in gradients} == {torch.bfloat16}
    torch.testing.assert_close(gradients[0].double(), exact[1][0], rtol=0.01, atol=0)


def test_one_positive_for_many_anchors_is_refused():
    a, c = rows(5, 5)
    with pytest.raises(ValueError, match="one positive per anchor; got 1 for 5"):
        cosine_cross_entropy(a, c, torch.tensor([0]), 1.0)


def with_negatives(negatives):
    def loss(anchor, positive, negative):
        encoded = {"view": [Encoded(x, x) for x in (anchor, positive)], "negative": [Encoded(negative, negative)]}
        return InfoNCE(TEMPERATURE, negatives=negatives, hard_weight=2.0)(encoded, {})["infonce"]

    return loss


@pytest.mark.parametrize(("negatives", "columns"), [("own", 0), ("batch", 1), ("all", 2)])
def test_hard_negatives_are_neither_copied_nor_there_as_a_matrix(negatives, columns):
    b = 5 * ROWS
    seen = watched(with_negatives(negatives), *rows(b, b, b, dim=3))
    assert seen.largest == max(ROWS * (columns * b + 2 - columns), 3 * b)
    assert watched(lambda a, p, n: torch.cat([a, p, n]).sum(), *rows(b, b, b, dim=3)).largest > 3 * b  # a copy is seen


def test_blocks_of_candidates_are_those_of_one_matrix():
    a, p, n = rows(300, 300, 70)
    right = torch.arange(300)
    parts = differentiated(lambda a, p, n: cosine_cross_entropy(a, [Block(p), Block(n)], right, TEMPERATURE), a, p, n)
    joined = differentiated(lambda a, p, n: whole(a, torch.cat([p, n]), right), a, p, n, dtype=torch.float64)
    assert_same(parts, joined)


def test_an_anchor_has_one_row_of_its_own():
    a, c, n = rows(5, 5, 4)
    with pytest.raises(ValueError, match="one row of its own; got 4 for 5"):
        cosine_cross_entropy(a, [Block(c), Block(n, own=True)], torch.arange(5), 1.0)
    with pytest.raises(ValueError, match="one row of its own; got 4 for 5"):
        cosine_cross_entropy(a, [Block(c), Block(n, weight=2.0)], torch.arange(5), 1.0)
