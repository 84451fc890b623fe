"""Objectives that remember: a queue, a phase; and those that learn: heads."""

import math

import pytest
import torch
from torch import nn
from toy import recipe

from diptych.core import Encoded, Machine, Teacher, View
from diptych.encoders import heads
from diptych.objectives.cross_entropy import CrossEntropy
from diptych.objectives.denoised import Denoised
from diptych.objectives.headed import Headed
from diptych.objectives.infonce import InfoNCE
from diptych.objectives.mixcse import MixCSE
from diptych.objectives.queue import MomentumQueue
from diptych.objectives.rank import RankReduction
from diptych.objectives.sum import Sum
from diptych.train import state
from diptych.train.batches import work
from diptych.train.loop import Interrupted, train
from diptych.train.step import backward
from diptych.views.input.text.crop import Crop

CROPS = [View(transform=Crop())] * 2
TAUGHT = [View(transform=Crop(), by="both"), View(transform=Crop())]
BIASED = [*CROPS, *[View("bias", transform=Crop(1))] * 2]


def same(rank, n=8):
    """A view of so many directions, equally strong."""
    x = torch.eye(n)[torch.arange(n) % rank]
    return {"view": [Encoded(x, x)]}


def switch(loss, ranks):
    """At which steps the term is there."""
    return [float(loss(same(rank), {})["rank_entropy"]) > 0 for rank in ranks]


RISE_AND_FALL = [2] * 5 + [3] * 5 + [6] * 60 + [3] * 60


@pytest.mark.parametrize("phase", ["1", "2"])
def test_a_phase_ends_some_steps_behind_the_peak(phase):
    on = switch(RankReduction(phase=phase, patience=20), RISE_AND_FALL)
    turn = on.index(phase == "2")
    assert 70 + 19 <= turn <= 70 + 25
    assert on == [phase == "1"] * turn + [phase == "2"] * (len(on) - turn)


def test_a_boundary_says_where_a_phase_ends():
    on = {phase: switch(RankReduction(phase=phase, boundary=7), [4] * 20) for phase in ("all", "1", "2")}
    assert on == {"all": [True] * 20, "1": [True] * 7 + [False] * 13, "2": [False] * 7 + [True] * 13}


def test_a_phase_is_taken_up_from_its_state():
    whole = RankReduction(phase="2", patience=20)
    wanted = switch(whole, RISE_AND_FALL)
    for cut in (1, 40, 75, 110):
        first, second = RankReduction(phase="2", patience=20), RankReduction(phase="2", patience=20)
        found = switch(first, RISE_AND_FALL[:cut])
        second.load_state_dict(first.state_dict())
        assert found + switch(second, RISE_AND_FALL[cut:]) == wanted
        assert all(torch.equal(x, y) for x, y in zip(second.buffers(), whole.buffers(), strict=True))


def test_looking_without_training_counts_no_step():
    for loss, teacher in ((RankReduction(phase="1"), {}), (MomentumQueue(8), same(4))):
        before = {k: x.clone() for k, x in loss.state_dict().items()}
        views = {"view": same(4)["view"] * 2}
        loss.eval()(views, teacher)
        assert all(torch.equal(x, before[k]) for k, x in loss.state_dict().items())
        loss.train()(views, teacher)
        assert not all(torch.equal(x, before[k]) for k, x in loss.state_dict().items())


def test_the_weight_of_a_rank_says_its_direction():
    for weight, wanted in ((1.0, -1), (-1.0, 1)):
        x = torch.randn(12, 6, generator=torch.Generator().manual_seed(0)).requires_grad_()
        loss = Sum((weight, RankReduction()))
        before = loss({"view": [Encoded(x, x)]}, {})["rank_entropy"]
        before.backward()
        moved = (x - 0.1 * x.grad).detach()
        after = RankReduction()({"view": [Encoded(moved, moved)]}, {})["rank_entropy"]
        assert (after - abs(before.detach())).sign() == wanted


def test_numbers_that_are_none_are_left_to_the_loop():
    x = torch.full((4, 3), math.nan, requires_grad=True)
    assert RankReduction()({"view": [Encoded(x, x)]}, {})["rank_entropy"].isnan()


def test_the_rank_is_of_the_matrix_that_is_named():
    view = Encoded(same(2)["view"][0].embedding, same(4)["view"][0].embedding)
    found = [float(RankReduction(matrix=m)({"view": [view]}, {})["rank_entropy"]) for m in ("embedding", "projection")]
    assert found == pytest.approx([math.log(2), math.log(4)])


def headed():
    return Headed(InfoNCE(0.1), heads.mlp(16, 12, 8, seed=3))


CASES = {
    "mixcse": (lambda: MixCSE(0.1), CROPS, None),
    "headed": (headed, CROPS, None),
    "denoised": (lambda: Denoised(InfoNCE(0.1), heads.tanh(16, 2)), BIASED, None),
    "queue": (lambda: MomentumQueue(16, 0.1, size=20), TAUGHT, Teacher(0.9, "shared", dropout=False)),
    "rank": (lambda: Sum(InfoNCE(0.1), (0.1, RankReduction(phase="1", patience=2))), CROPS, None),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("graph", [1 << 40, 0], ids=["one graph", "encoded twice"])
def test_the_gradient_does_not_depend_on_the_micro_batch(name, graph):
    def gradients(tokens, graph):
        make, views, teacher = CASES[name]
        r = recipe(views, make())
        w = work(r, 0, Machine(tokens=tokens))
        backward(r.model, r.objective, r.views, w, r.model if teacher else None, graph=graph)
        learned = [*r.model.named_parameters(), *r.objective.named_parameters("objective")]
        return {k: p.grad.clone() for k, p in learned}, len(w.model)

    (whole, one), (parts, many) = gradients(1 << 40, 1 << 40), gradients(20, graph)
    assert many > one
    assert any(k.startswith("objective") for k in whole) == (name in ("headed", "denoised"))
    for k, x in whole.items():
        assert x.abs().sum() > 0
        torch.testing.assert_close(x, parts[k], rtol=1e-5, atol=1e-5 * float(x.abs().max()))


@pytest.mark.parametrize("name", CASES)
def test_a_run_that_is_stopped_ends_in_the_same_bytes(name, tmp_path):
    def made():
        make, views, teacher = CASES[name]
        return recipe(views, make(), teacher=teacher, steps=7)

    def stop(line):
        if line["step"] == 4:
            import os
            import signal

            os.kill(os.getpid(), signal.SIGINT)

    train(made(), tmp_path / "whole")
    with pytest.raises(Interrupted):
        train(made(), tmp_path / "cut", watch=stop)
    train(made(), tmp_path / "cut")
    last = [state.checkpoints(tmp_path / run / "checkpoints")[-1].read_bytes() for run in ("whole", "cut")]
    assert last[0] == last[1]
    held = {k for k in state.read(state.checkpoints(tmp_path / "cut" / "checkpoints")[-1])[2] if "objective/" in k}
    assert len(held) == {"mixcse": 0, "headed": 4, "denoised": 2, "queue": 2, "rank": 3}[name]


def test_a_head_learns_with_the_model(tmp_path):
    r = recipe(CROPS, headed(), steps=3)
    before = [p.detach().clone() for p in r.objective.parameters()]
    train(r, tmp_path)
    assert all((p - q).abs().max() > 0 for p, q in zip(r.objective.parameters(), before, strict=True))


def test_the_weights_of_a_head_are_its_seeds():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    a, b, c = heads.tanh(6, 1), heads.tanh(6, 1), heads.tanh(6, 2)
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(a[0].weight, b[0].weight)
    assert not torch.equal(a[0].weight, c[0].weight)
    assert isinstance(a[1], nn.Tanh)
    assert heads.mlp(6, 10, 4)(torch.randn(5, 6)).shape == (5, 4)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: MixCSE(0), "above 0; got 0"),
        (lambda: MixCSE(math.inf), "above 0; got inf"),
        (lambda: MixCSE(mix=0), "above 0 and below 1; got 0"),
        (lambda: MixCSE(mix=1.0), "above 0 and below 1; got 1"),
        (lambda: MixCSE(blocks="second"), "one of both, first; got 'second'"),
        (lambda: MixCSE(mask="none"), "one of -inf, zero; got 'none'"),
        (lambda: MomentumQueue(4, -1), "above 0; got -1"),
        (lambda: MomentumQueue(4, size=0), "at least one row, of one number; got size=0"),
        (lambda: RankReduction("sum"), "definition of a rank's reduction is one of entropy, effective; got 'sum'"),
        (lambda: RankReduction(phase="3"), "phase of .* one of all, 1, 2; got '3'"),
        (lambda: RankReduction(matrix="head"), "matrix of .* embedding, projection; got 'head'"),
        (lambda: RankReduction(views="second"), "views of .* first, both; got 'second'"),
        (lambda: RankReduction(patience=0), "patience is 1 look or more, .* got 0"),
        (lambda: RankReduction(boundary=-1), "0 steps or more; got -1"),
        (lambda: CrossEntropy(1, 4), "two classes or more, .* got classes=1"),
        (lambda: CrossEntropy(5, 4, "triple"), "one of pair, single; got 'triple'"),
        (lambda: CrossEntropy(5, 4, error="cubed"), "one of log, squared; got 'cubed'"),
    ],
)
def test_what_cannot_be_is_refused(make, why):
    with pytest.raises(ValueError, match=why):
        make()
