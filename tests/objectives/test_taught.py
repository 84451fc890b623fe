"""Objectives of pictures that have a teacher, masked patches, heads and schedules of their own."""

import copy
import os
import signal

import pytest
import torch
from torch import nn
from toy import SomeTiles, pictures

from diptych.core import Draw, Machine, Objective, Optimiser, Perturb, Teacher, Twin, View
from diptych.encoders import heads
from diptych.objectives.barlow_twins import BarlowTwins
from diptych.objectives.byol import BYOL
from diptych.objectives.centring import Centring
from diptych.objectives.dino import DINO
from diptych.objectives.headed import Headed
from diptych.objectives.ibot import IBOT
from diptych.objectives.koleo import KoLeo
from diptych.objectives.ntxent import NTXent
from diptych.objectives.rank import RankReduction
from diptych.objectives.sinkhorn import SinkhornKnopp
from diptych.objectives.sum import Sum
from diptych.train import state
from diptych.train.batches import work
from diptych.train.loop import Interrupted, train
from diptych.train.step import backward
from diptych.views.network.dropout import Dropout

PAIR = [View("view", "picture", SomeTiles(12))] * 2
TAUGHT = [View("view", "picture", SomeTiles(12), by="both")] * 2
DEEP = Perturb(1, Dropout(0.5))
LARGE = View("global", "picture", SomeTiles(16, hidden=0.6), by="both")
CROPS = [LARGE, LARGE, *[View("local", "picture", SomeTiles(4))] * 3]
PERTURBED = [View("global", "picture", SomeTiles(16, hidden=0.6), DEEP, "both")] * 2 + CROPS[2:]
FOLLOWS = Teacher(0.9, dropout=False, schedule="cosine")


def prototypes(seed):
    return Twin(heads.Prototypes(16, 12, hidden=10, bottleneck=6, seed=seed))


def shared():
    head = prototypes(1)
    return Sum(DINO(head, Centring(12, warmup=4)), IBOT(head, Centring(12, warmup=4)), (0.1, KoLeo()))


def separate():
    return Sum(DINO(prototypes(1), SinkhornKnopp(warmup=4)), IBOT(prototypes(2), SinkhornKnopp(warmup=4)))


CASES = {
    "ntxent": (lambda: Headed(NTXent(), heads.projector(16, 12, 8, seed=1)), PAIR, None),
    "barlow": (lambda: Headed(BarlowTwins(), heads.projector(16, 12, 8, 3, seed=1)), PAIR, None),
    "byol": (lambda: BYOL(Twin(heads.projector(16, 12, 8)), heads.projector(8, 12, 8, seed=2)), TAUGHT, FOLLOWS),
    "dino": (lambda: DINO(prototypes(1), Centring(12, warmup=4)), CROPS, FOLLOWS),
    "shared": (shared, CROPS, FOLLOWS),
    "separate": (separate, CROPS, FOLLOWS),
    "perturbed": (lambda: Sum(shared(), (0.01, RankReduction())), PERTURBED, FOLLOWS),
}
HELD = {"ntxent": 5, "barlow": 8, "byol": 15, "dino": 18, "shared": 36, "separate": 34, "perturbed": 39}


def made(name, **settings):
    make, views, teacher = CASES[name]
    return pictures(views, make(), teacher=teacher, **settings)


def gradients(name, tokens, graph=1 << 40, numbers=torch.float32):
    r = made(name, batch=16)
    r.model.to(numbers), r.objective.to(numbers)
    helper = copy.deepcopy(r.model).eval() if r.teacher else None
    for p in helper.parameters() if helper else ():
        p.data.mul_(0.9)
    w = work(r, 2, Machine(tokens=tokens))
    terms, _ = backward(r.model, r.objective, r.views, w, helper, graph=graph)
    learned = [*r.model.named_parameters(), *r.objective.named_parameters("objective")]
    return {k: p.grad.clone() for k, p in learned if p.grad is not None}, terms, len(w.model)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("graph", [1 << 40, 0], ids=["one graph", "encoded twice"])
@pytest.mark.parametrize(("numbers", "bound"), [(torch.float32, 1e-5), (torch.float64, 1e-12)], ids=["fp32", "fp64"])
def test_the_gradient_does_not_depend_on_the_micro_batch(name, graph, numbers, bound):
    """Of all weights together: those of a bias before a batch normalisation are zero but for rounding."""
    (whole, terms, one), (parts, same, many) = (
        gradients(name, t, g, numbers) for t, g in ((1 << 40,) * 2, (40, graph))
    )
    assert many > 3 * one
    assert whole.keys() == parts.keys()
    a, b = (torch.cat([each[k].flatten() for k in whole]) for each in (whole, parts))
    assert (a - b).norm() < bound * a.norm()
    assert {k: float(x) for k, x in same.items()} == pytest.approx({k: float(x) for k, x in terms.items()}, rel=bound)


@pytest.mark.parametrize("name", ["shared", "separate"])
def test_all_that_is_the_models_learns_and_nothing_that_is_the_teachers(name):
    found, terms, _ = gradients(name, 1 << 40)
    assert {"dino_global", "dino_local", "ibot"} <= terms.keys()
    assert not any(".teacher." in k for k in found)
    assert all(x.abs().sum() > 0 for x in found.values())
    assert "encoder.embed_tiles.hidden" in found
    heads_ = {k.split(".head.")[0] for k in found if ".head." in k}
    assert len(heads_) == {"shared": 1, "separate": 2}[name]


def test_a_register_is_no_patch():
    for register in (False, True):
        r = made("shared", register=register)
        batch = work(r, 2, Machine()).model[0].batch
        states = []
        handle = r.model.encoder.norm.register_forward_hook(lambda m, a, out: states.append(out))  # noqa: B023
        encoded = r.model(batch, patches=True)
        handle.remove()
        first, masked = 1 + register, batch["masked"]
        assert masked.any()
        for i in range(len(masked)):
            places = masked[i].nonzero()[:, 0]
            assert encoded.labels[i].tolist() == places.tolist() + [-100] * (encoded.labels.shape[1] - len(places))
            torch.testing.assert_close(encoded.tokens[i, : len(places)], states[0][i, first + places])
            assert encoded.tokens[i, len(places) :].abs().sum() == 0


class Sees(Objective):
    """Keeps what it is given."""

    paper = "none"
    reads_tokens = True

    def forward(self, views, teacher):
        self.views, self.teacher = views, teacher
        return {"one": views["global"][0].tokens.square().sum()}


def test_a_teacher_sees_the_patches_that_are_masked_for_the_model():
    r = pictures(CROPS, Sees())
    backward(r.model, r.objective, r.views, work(r, 2, Machine(tokens=40)), r.model)
    for v, view in enumerate(CROPS[:2]):
        seen, taught = r.objective.views["global"][v], r.objective.teacher["global"][v]
        assert torch.equal(seen.labels, taught.labels)
        for i, sample in enumerate(step_samples(r)):
            tiles, hidden = view.transform(r.data[sample]["picture"], draw(r, sample, v))
            assert (seen.labels[i] != -100).sum() == hidden.sum()
            for found, masked in ((seen, hidden), (taught, None)):
                batch = {"tiles": torch.tensor(tiles[None], dtype=torch.float32)}
                if masked is not None:
                    batch["masked"] = torch.tensor(masked[None])
                states = plain(r.model.encoder, batch)
                torch.testing.assert_close(found.tokens[i, : hidden.sum()], states[0, 1:][torch.tensor(hidden)])
                torch.testing.assert_close(found.embedding[i], states[0, 0])


def plain(encoder, batch):
    with torch.no_grad():
        h = encoder.embed_tiles(batch["tiles"], batch.get("masked"))
        for block in encoder.blocks:
            h = block(h)
        return encoder.norm(h)


def step_samples(r):
    from diptych.train.batches import samples

    return samples(r, 2).tolist()


def draw(r, sample, view):
    return Draw(r.seed, 2, sample, view)


def test_patches_are_kept_only_where_an_objective_reads_them():
    assert not made("dino").objective.needs_tokens
    assert made("perturbed").objective.needs_tokens
    r = made("dino")
    _, seen = backward(r.model, r.objective, r.views, work(r, 2, Machine()), r.model)
    assert all(x.tokens is None and x.labels is None for many in seen.values() for x in many)


def test_an_encoder_without_patches_is_told_so():
    from toy import recipe

    r = recipe([View(by="both")] * 2, Sees())
    with pytest.raises(ValueError, match="Toy has no patches"):
        backward(r.model, r.objective, r.views, work(r, 0, Machine()), r.model)


def stop(line):
    if line["step"] == 4:
        os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("name", CASES)
def test_a_run_that_is_stopped_ends_in_the_same_bytes(name, tmp_path):
    """Centres, temperatures, momenta, the teacher and its heads among them."""
    rates = Optimiser(0.01, weight_decay=0.04, weight_decay_end=0.4, decayed="matrices", clip=0.3, clipped="parts")
    train(made(name, steps=7, optimiser=rates), tmp_path / "whole")
    with pytest.raises(Interrupted):
        train(made(name, steps=7, optimiser=rates), tmp_path / "cut", watch=stop)
    train(made(name, steps=7, optimiser=rates), tmp_path / "cut")
    last = [state.checkpoints(tmp_path / run / "checkpoints")[-1] for run in ("whole", "cut")]
    assert last[0].read_bytes() == last[1].read_bytes()
    assert len({k for k in state.read(last[1])[2] if k.startswith("objective/")}) == HELD[name]


def test_a_teachers_heads_follow_as_the_teacher_does(tmp_path):
    r = made("separate", steps=1, optimiser=Optimiser(0.05, warmup=0))
    before = [copy.deepcopy(twin.model) for twin in r.objective.twins]
    train(r, tmp_path)
    for twin, old in zip(r.objective.twins, before, strict=True):
        for t, m, start in zip(twin.teacher.parameters(), twin.model.parameters(), old.parameters(), strict=True):
            torch.testing.assert_close(t, 0.9 * start + 0.1 * m)
    moved = [
        (m - start).abs().max()
        for m, start in zip(r.objective.twins[0].model.parameters(), before[0].parameters(), strict=True)
    ]
    assert max(moved) > 0


def test_a_shared_head_follows_once():
    assert len(made("shared").objective.twins) == 1
    assert len(made("separate").objective.twins) == 2


def nearer(encoder):
    """By how much crops of one picture have a greater cosine than those of different ones."""
    data, crop = made("dino").data, SomeTiles(8)
    z = [encoder.embed([crop(data[i]["picture"], Draw(9, 0, i, v)) for i in range(24)]) for v in range(2)]
    cosines = torch.cosine_similarity(*map(torch.tensor, (z[0][:, None], z[1][None])), dim=2)
    return float(cosines.diagonal().mean() - (cosines.sum() - cosines.trace()) / (24 * 23))


@pytest.mark.parametrize("name", ["ntxent", "barlow", "byol", "shared", "separate", "perturbed"])
def test_crops_of_a_picture_come_nearer(name, tmp_path):
    """Nearer than crops of other pictures. The loss falls too, but for centring: its targets move, and so few pictures
    and prototypes are not enough for it alone."""
    losses = []
    rate = Optimiser(0.005, warmup=0, schedule="cosine")
    r = made(name, steps=120, optimiser=rate, batch=12)
    before = nearer(r.model.encoder)
    train(r, tmp_path, watch=lambda line: losses.append(line["loss"]))
    assert nearer(r.model.encoder) > 1.2 * before
    if name not in ("shared", "perturbed"):
        assert sum(losses[-10:]) < 0.9 * sum(losses[:10])


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Centring(0), "a prototype or more; got 0"),
        (lambda: Centring(4, momentum=1.5), "from 0 to 1; got 1.5"),
        (lambda: Centring(4, start=0), "temperature is above 0; got 0"),
        (lambda: SinkhornKnopp(end=-1), "temperature is above 0; got -1"),
        (lambda: SinkhornKnopp(warmup=-1), "got warmup=-1"),
        (lambda: SinkhornKnopp(rounds=0), "got rounds=0"),
        (lambda: DINO(prototypes(1), SinkhornKnopp(), student=0), "above 0; got 0"),
        (lambda: IBOT(prototypes(1), SinkhornKnopp(), student=0), "above 0; got 0"),
        (lambda: BarlowTwins(-1), "0 or more; got -1"),
        (lambda: heads.projector(4, 4, 4, layers=0), "one layer or more; got 0"),
        (lambda: heads.Prototypes(4, 4, layers=0), "one layer or more .* got 0"),
        (lambda: Teacher(schedule="linear"), "one of constant, cosine; got 'linear'"),
    ],
)
def test_what_cannot_be_is_refused(make, why):
    with pytest.raises(ValueError, match=why):
        make()


@pytest.mark.parametrize(
    ("name", "views", "why"),
    [
        ("byol", PAIR, "got 2 and 0"),
        ("dino", [View("global", "picture", SomeTiles(16))] * 2, "got 2 of the model and 0 of the teacher"),
        ("dino", CROPS[1:], "two or more, by both; got 1"),
        ("shared", CROPS[1:], "two or more"),
        ("separate", [View("global", "picture", SomeTiles(16))] * 2, "two or more"),
    ],
)
def test_views_that_do_not_fit_are_named(name, views, why):
    r = pictures(views, CASES[name][0]())
    with pytest.raises(ValueError, match=why):
        backward(r.model, r.objective, r.views, work(r, 0, Machine()), r.model)


def test_ibot_alone_says_that_it_needs_a_teacher():
    r = pictures([View("global", "picture", SomeTiles(16, hidden=0.5))] * 2, IBOT(prototypes(1), SinkhornKnopp()))
    with pytest.raises(ValueError, match='role "global": by both'):
        backward(r.model, r.objective, r.views, work(r, 0, Machine()))


@pytest.mark.parametrize("name", ["barlow", "shared"])
def test_one_picture_is_no_batch(name):
    r = made(name, batch=1)
    why = "two samples or more|two or more|more than 1 value"
    with pytest.raises(ValueError, match=why):
        backward(r.model, r.objective, r.views, work(r, 0, Machine()), r.model)


def test_a_temperature_warms_up_by_the_steps_that_were_taken(tmp_path):
    found = []
    r = made("dino", steps=6)
    targets = r.objective.targets
    for _ in range(6):
        found.append(float(targets.temperature))
        targets(torch.zeros(2, 12))
    assert found == pytest.approx([0.04, 0.0475, 0.055, 0.0625, 0.07, 0.07])


def test_the_heads_of_a_seed_are_the_same_and_leave_torch_as_it_was():
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    a, b, c = (heads.Prototypes(4, 5, 6, 3, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(3), expected)
    same, other = (all(torch.equal(x, y) for x, y in zip(a.parameters(), z.parameters(), strict=True)) for z in (b, c))
    assert (same, other) == (True, False)
    assert isinstance(a.mlp[1], nn.GELU)
