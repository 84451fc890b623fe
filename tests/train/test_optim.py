"""Rates, weight decay and clipping, weight by weight and step by step."""

import copy
import math

import pytest
import torch
from torch import nn
from toy import SomeTiles, pictures

from diptych.core import Machine, Model, Optimiser, Perturb, Teacher, Twin, View
from diptych.encoders import heads
from diptych.objectives.dino import DINO
from diptych.objectives.headed import Headed
from diptych.objectives.ntxent import NTXent
from diptych.objectives.sinkhorn import SinkhornKnopp
from diptych.objectives.sum import Sum
from diptych.train import optim
from diptych.train.loop import train
from diptych.train.step import follow
from diptych.views.network.dropout import Dropout

LARGE = [View("global", "picture", SomeTiles(16), by="both")] * 2
LAST = "objective*.last.*"


def made(**settings):
    head = Twin(heads.Prototypes(16, 12, hidden=10, bottleneck=6))
    return pictures(LARGE, DINO(head, SinkhornKnopp()), teacher=Teacher(0.9, dropout=False), **settings)


def built(settings, r=None):
    r = r or made()
    named = {
        **dict(r.model.encoder.named_parameters()),
        **{f"objective.{name}": p for name, p in r.objective.named_parameters()},
    }
    adam = optim.build(settings, r.model, r.objective)
    group = {id(p): group for group in adam.param_groups for p in group["params"]}
    return adam, {name: group[id(p)] for name, p in named.items() if id(p) in group}


def test_each_layer_has_the_rate_of_the_next_times_the_decay():
    """L is 2: the embedding by 0.5^3, block 1 by 0.5^2, block 2 by 0.5; norm and head by 1."""
    _, group = built(Optimiser(0.08, layer_decay=0.5))
    rates = {name: g["peak"] for name, g in group.items()}
    assert {rate for name, rate in rates.items() if name.startswith("embed_tiles")} == {0.01}
    assert {rate for name, rate in rates.items() if name.startswith("blocks.0")} == {0.02}
    assert {rate for name, rate in rates.items() if name.startswith("blocks.1")} == {0.04}
    assert {rate for name, rate in rates.items() if name.startswith(("norm", "objective"))} == {0.08}


def test_a_rate_of_its_own_decays_with_its_layer_too():
    _, group = built(Optimiser(0.08, layer_decay=0.5, rates={"embed_tiles.tiles": 0.2 * 0.08}))
    assert group["embed_tiles.tiles.weight"]["peak"] == pytest.approx(0.2 * 0.08 / 8)
    assert group["embed_tiles.hidden"]["peak"] == 0.01


def test_vectors_do_not_decay_where_only_matrices_do():
    _, group = built(Optimiser(0.1, weight_decay=0.04, decayed="matrices"))
    assert not any(group[name]["decays"] for name in group if name.endswith("bias") or name.startswith("norm"))
    assert not group["embed_tiles.hidden"]["decays"]
    assert all(group[name]["decays"] for name in group if name.endswith("weight") and not name.startswith("norm"))
    assert all(g["decays"] for g in built(Optimiser(0.1, weight_decay=0.04))[1].values())


def test_nothing_of_the_teachers_is_moved_by_the_optimiser():
    _, group = built(Optimiser(0.1))
    assert not any(".teacher." in name for name in group)
    assert any(".model." in name for name in group)


def test_weight_decay_goes_up_half_a_cosine():
    settings = Optimiser(0.1, weight_decay=0.04, weight_decay_end=0.4, decayed="matrices")
    adam, group = built(settings)
    for step in range(20):
        optim.arrange(settings, adam, step, 20, 5)
        expected = 0.4 + (0.04 - 0.4) * (1 + math.cos(math.pi * step / 20)) / 2
        assert group["blocks.0.own.weight"]["weight_decay"] == pytest.approx(expected)
        assert group["blocks.0.own.bias"]["weight_decay"] == 0
    optim.arrange(settings, adam, 0, 20, 5)
    assert group["blocks.0.own.weight"]["weight_decay"] == pytest.approx(0.04)


def test_decay_shrinks_a_matrix_by_rate_times_decay_and_leaves_a_vector(tmp_path):
    """Of weights without a gradient: w <- w (1 - rate * decay)."""
    settings = Optimiser(0.1, weight_decay=0.5, decayed="matrices", warmup=0)
    adam, _ = built(settings, r := made())
    matrix, vector = r.model.encoder.blocks[0].own.weight, r.model.encoder.blocks[0].own.bias
    before = matrix.detach().clone(), vector.detach().clone()
    for p in (matrix, vector):
        p.grad = torch.zeros_like(p)
    optim.arrange(settings, adam, 0, 4, 4)
    adam.step()
    torch.testing.assert_close(matrix, before[0] * (1 - 0.1 * 0.5))
    assert torch.equal(vector, before[1])


def test_a_late_layer_stays_for_so_many_steps_and_then_learns(tmp_path):
    seen = []
    for steps in (3, 4):
        r = made(steps=4, optimiser=Optimiser(0.05, warmup=0, weight_decay=0.1, late={LAST: 3}))
        before = {name: p.detach().clone() for name, p in r.objective.named_parameters()}
        train(r, tmp_path / str(steps), last=steps)
        seen.append({name for name, p in r.objective.named_parameters() if not torch.equal(p, before[name])})
    assert not any("model.last" in name for name in seen[0])
    assert {name for name in seen[1] if "model.last" in name} == {
        "head.model.last.parametrizations.weight.original0",
        "head.model.last.parametrizations.weight.original1",
    }
    assert any("model.mlp" in name for name in seen[0])


def test_a_late_layer_is_found_within_a_sum():
    r = made()
    r.objective = Sum(Sum(r.objective), Headed(NTXent(), nn.Linear(16, 4)))
    named = dict(r.objective.named_parameters())
    adam = optim.build(Optimiser(0.1, late={LAST: 3}), r.model, r.objective)
    late = {id(p) for group in adam.param_groups if group["late"] for p in group["params"]}
    assert late == {id(p) for name, p in named.items() if ".model.last." in name}


def test_a_pattern_that_fits_nothing_is_refused():
    with pytest.raises(ValueError, match=r"fits 'objective.first'; names are such as 'objective\.head"):
        built(Optimiser(0.1, late={"objective.first": 3}))


def test_the_rate_ends_where_it_is_told_to():
    settings = Optimiser(0.4, warmup_steps=0, schedule="cosine", lr_end=0.1)
    rates = [0.4 * optim.schedule(settings, step, 10, 5) for step in range(11)]
    assert rates == pytest.approx([0.1 + 0.3 * (1 + math.cos(math.pi * step / 10)) / 2 for step in range(11)])


@pytest.mark.parametrize("clipped", [None, "parts"])
def test_parts_are_cut_for_themselves(clipped, tmp_path, monkeypatch):
    norms = {}
    r = made(steps=1, optimiser=Optimiser(0.05, clip=1e-3, clipped=clipped))

    def look(self, *args):
        for part, module in (("encoder", r.model.encoder), ("head", r.objective.head.model)):
            norms[part] = float(
                torch.nn.utils.get_total_norm([p.grad for p in module.parameters() if p.grad is not None])
            )

    monkeypatch.setattr(torch.optim.AdamW, "step", look)
    train(r, tmp_path)
    if clipped:
        assert norms == pytest.approx({"encoder": 1e-3, "head": 1e-3}, rel=1e-2)
    else:
        assert math.hypot(*norms.values()) == pytest.approx(1e-3, rel=1e-2)
        assert min(norms.values()) < 0.9e-3


def test_each_of_two_heads_is_a_part():
    r = made()
    other = DINO(Twin(heads.Prototypes(16, 12, hidden=10, bottleneck=6, seed=1)), SinkhornKnopp())
    first, r.objective = r.objective, Sum(r.objective, other)
    found = [{id(p) for p in part} for part in optim.parts(r.model, r.objective)]
    for head in (first.head.model, other.head.model):
        assert {id(p) for p in head.parameters()} in found


def test_parts_hold_every_weight_once():
    r = made()
    r.objective = Sum(r.objective, DINO(r.objective.head, SinkhornKnopp()), Headed(NTXent(), nn.Linear(16, 4)))
    r.model = Model(r.model.encoder, nn.Linear(16, 3))
    found = [id(p) for part in optim.parts(r.model, r.objective) for p in part if p.requires_grad]
    learned = [p for p in [*r.model.parameters(), *r.objective.parameters()] if p.requires_grad]
    assert sorted(found) == sorted(map(id, learned))


# ---------------------------------------------------------------- teachers


def test_a_momentum_rises_by_half_a_cosine_to_one():
    """1 - (1 - m) (cos(pi k / K) + 1) / 2"""
    found = [Teacher(0.9, schedule="cosine").at(k, 8) for k in range(9)]
    assert found == pytest.approx([1 - 0.1 * (math.cos(math.pi * k / 8) + 1) / 2 for k in range(9)])
    assert (found[0], found[8]) == (pytest.approx(0.9), 1)
    assert [Teacher(0.9).at(k, 8) for k in (0, 8)] == [0.9, 0.9]


def test_a_teacher_follows_by_the_momentum_of_the_step(tmp_path):
    """Of two steps the second has the middle of the cosine: (0.8 + 1) / 2."""
    kept = []
    r = made(steps=2, optimiser=Optimiser(0.05, warmup=0))
    r.teacher = Teacher(0.8, dropout=False, schedule="cosine")
    twin = r.objective.head
    train(r, tmp_path, watch=lambda line: kept.append([copy.deepcopy(x) for x in (twin.teacher, twin.model)]))
    before, (after, model) = kept[0][0], kept[1]
    for t, start, m in zip(after.parameters(), before.parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(t, 0.9 * start + 0.1 * m)
    assert any((p - q).abs().max() > 0.01 for p, q in zip(before.parameters(), model.parameters(), strict=True))


@pytest.mark.parametrize("training", [True, False])
def test_running_means_are_the_models_where_the_teacher_keeps_none_of_its_own(training):
    torch.manual_seed(0)
    one, other = (nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)) for _ in range(2))
    other(torch.randn(9, 3))
    expected = other[1].running_mean.clone()
    one.train(training)
    follow(one, other, 0.75)
    torch.testing.assert_close(one[1].running_mean, torch.zeros(4) if training else expected)
    assert int(one[1].num_batches_tracked) == (0 if training else 1)


def test_the_same_text_settings_make_the_same_groups():
    """What no option asks for is as it was: one group a rate, in the order of the weights."""
    adam, _ = built(Optimiser(0.1, weight_decay=0.01, rates={"blocks": 0.01}))
    assert [group["peak"] for group in adam.param_groups] == [0.1, 0.01]
    assert all(group["decays"] and group["late"] == 0 for group in adam.param_groups)
    assert [optim.schedule(Optimiser(1, warmup=0), step, 4, 2) for step in range(4)] == [1, 0.75, 0.5, 0.25]


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"lr_end": 0.2}, "from 0 to lr=0.1; got lr_end=0.2"),
        ({"layer_decay": 0}, r"in \(0, 1\]; got layer_decay=0"),
        ({"layer_decay": 1.1}, "got layer_decay=1.1"),
        ({"weight_decay_end": -1}, "0 or more; got weight_decay_end=-1"),
        ({"late": {"*": -1}}, "0 steps or more"),
        ({"clipped": "parts"}, "give clip= too"),
        ({"clipped": "heads", "clip": 1.0}, "'parts', or None .* got 'heads'"),
        ({"decayed": "all"}, "'matrices', or None .* got 'all'"),
    ],
)
def test_what_cannot_be_is_refused(settings, why):
    with pytest.raises(ValueError, match=why):
        Optimiser(0.1, **settings)


def test_a_perturbed_student_has_a_teacher_that_is_not(tmp_path):
    deep = [View("global", "picture", SomeTiles(16), Perturb(1, Dropout(0.5), 1.0), "both")] * 2
    from diptych.train.batches import work
    from diptych.train.step import backward

    class Reads(NTXent):
        def forward(self, views, teacher):
            self.seen = teacher["global"]
            return super().forward({"view": views["global"]}, {})

    found = []
    for views in (deep, LARGE):
        r = pictures(views, Reads())
        backward(r.model, r.objective, views, work(r, 0, Machine()), r.model.eval())
        found.append(r.objective.seen[0].embedding)
    assert torch.equal(*found)
