"""The guard on runs that really collapse, and on healthy ones."""

import json

import pytest
import torch
from torch import nn
from toy import Sentences, recipe

from diptych import fitting
from diptych.core import Encoded, Machine, Model, Objective, Optimiser, Snapshot, View
from diptych.instruments.guard import EACH, CollapsedError, Guard, duplicates
from diptych.objectives.infonce import InfoNCE
from diptych.objectives.sum import Sum
from diptych.train.loop import train
from diptych.views.input.text.crop import Crop

CROPS = [View(transform=Crop()), View(transform=Crop())]
D = 64


def rows(n=D, d=32, seed=0):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(seed))


def told(looks, temperature=None, stop=False, steps=0):
    """What a guard says of (x, y) at steps 1, 2, ..."""
    said = []
    guard = Guard(said.append, stop, temperature and InfoNCE(temperature), steps=steps)
    for step, (x, y) in enumerate(looks, 1):
        guard(Snapshot(step, None, {"view": [Encoded(x, x), Encoded(y, y)]}))
    return said


def ran(tmp_path, objective, steps=60, stop=False, **settings):
    said = []
    r = recipe(CROPS, objective, steps=steps, **settings)
    train(r, tmp_path, Machine(), [Guard.of(r, said.append, stop)])
    return said


class Attraction(Objective):
    """Pairs attract, and nothing pushes them apart."""

    paper = ""

    def forward(self, views, teacher):
        x, y = (nn.functional.normalize(e.projection, dim=1) for e in views["view"])
        return {"attraction": (x - y).square().sum(1).mean()}


class Line(Objective):
    """All embeddings on one line, on both sides of its middle."""

    paper = ""

    def forward(self, views, teacher):
        x, _ = (nn.functional.normalize(e.projection, dim=1) for e in views["view"])
        side = torch.where(x[:, :1] > x[:, 0].median(), 1.0, -1.0)
        return {"line": (x - side * nn.functional.one_hot(torch.tensor(0), x.shape[1])).square().sum(1).mean()}


def test_pairs_that_only_attract_collapse_to_one_point_and_the_guard_says_so(tmp_path):
    said = ran(tmp_path, Attraction(), steps=400, optimiser=Optimiser(lr=0.05), data=Sentences(64), batch=32)
    assert len(said) == 1
    assert "all samples have nearly one embedding" in said[0]


def test_embeddings_that_fall_on_a_line_have_lost_their_dimensions(tmp_path):
    torch.manual_seed(0)
    wide = nn.Linear(16, 64)
    said = ran(tmp_path, Line(), steps=300, head=wide, optimiser=Optimiser(lr=0.05), data=Sentences(128), batch=64)
    assert len(said) == 1
    assert "directions of 63, and filled" in said[0]


@pytest.mark.parametrize("temperature", [0.05, 0.1, 0.5])
def test_a_healthy_run_is_left_alone(tmp_path, temperature):
    objective = InfoNCE(temperature)
    assert ran(tmp_path, objective, steps=120, dropout=0.1, data=Sentences(512), batch=64) == []


def test_with_stop_a_collapse_ends_the_run(tmp_path):
    with pytest.raises(CollapsedError, match=r"stopped at step \d+: all samples"):
        ran(tmp_path, Attraction(), 400, True, optimiser=Optimiser(lr=0.05), data=Sentences(64), batch=32)


def test_views_that_are_the_same_from_the_start_are_named_at_once():
    x = rows()
    assert "two views of a sample are the same" in told([(x, x + 1e-4 * rows(seed=1))])[0]
    assert told([(x, x + 1e-2 * rows(seed=1))]) == []
    assert told([(x, rows(seed=1)), (x, x), (x, x), (x, x)]) == []  # they have come together by learning


def test_a_run_that_begins_in_one_point_has_half_of_its_steps_to_leave_it():
    flat, healthy = torch.ones(D, 8) + 1e-4 * rows(d=8), rows(d=8)
    point, apart = ((x, x + 0.01 * rows(d=8, seed=1)) for x in (flat, healthy))
    assert told([point] * 35 + [apart] * 25, steps=80) == []
    (line,) = told([point] * 60, steps=80)
    assert line.startswith("step 4")
    (line,) = told([apart] + [point] * 9, steps=80)  # it was elsewhere before
    assert line.startswith("step 8")


def test_a_collapse_that_passes_is_not_told():
    flat = torch.ones(D, 8) + 1e-3 * rows(d=8)
    healthy = rows(d=8), rows(d=8, seed=1)
    assert told([(flat, flat + 0.01 * rows(d=8))] * 2 + [healthy] + [(flat, flat)] * 2) == []
    assert len(told([healthy] + [(flat, flat)] * 9)) == 1  # and once is enough


def test_an_anisotropic_start_is_no_collapse():
    """Language models begin with mean cosines of 0.99."""
    x = rows() + 12 * torch.ones(32)
    assert told([(x, x + rows(seed=1))] * 9) == []


def test_a_rank_that_was_always_low_is_no_collapse_and_one_that_falls_is():
    thin = rows(d=2) @ rows(2, 48)
    assert told([(thin, rows(d=48))] * 5) == []
    assert "fill" in told([(rows(d=48), rows(d=48, seed=1))] * 2 + [(thin, rows(d=48))] * 9)[0]


def test_copies_among_anchors_are_counted():
    x = rows()
    assert duplicates(nn.functional.normalize(x)) == 0
    x[10:14] = x[3]
    assert duplicates(nn.functional.normalize(x)) == pytest.approx(4 / D)
    assert "6.2% of a batch's anchors" in told([(x, rows(seed=1))] * 3)[0]
    x = rows(512)
    x[1] = x[0]
    assert told([(x, rows(512, seed=1))] * 5) == []


def test_a_softmax_that_has_nothing_left_to_tell_is_named():
    x = rows()
    near = x + 0.3 * rows(seed=1)
    assert "nothing is left to learn" in told([(x, near)] * 3, temperature=0.01)[0]
    assert told([(x, near)] * 3, temperature=0.2) == []
    assert told([(x, rows(seed=2))] * 3, temperature=0.001) == []  # sure, and wrong: there is much to learn
    assert told([(x, near)] * 3) == []  # no temperature, no softmax


class Learned(InfoNCE):
    """Its temperature is learned."""

    def __init__(self, temperature, shape=()):
        super().__init__(temperature)
        del self.temperature
        self.temperature = nn.Parameter(torch.full(shape, temperature))


def test_a_temperature_that_is_learned_is_looked_at_as_it_is_by_then():
    x = rows()
    near, said = x + 0.3 * rows(seed=1), []
    objective = Learned(0.2)
    guard = Guard.of(recipe(CROPS, Sum(objective, (0.1, Attraction()))), said.append)

    def look():
        for step in range(3 * EACH):
            guard(Snapshot(step, None, {"view": [Encoded(x, x), Encoded(near, near)]}))

    look()
    assert said == []
    objective.temperature.data.fill_(0.01)
    look()
    assert len(said) == 1
    assert "temperature 0.01" in said[0]


def test_what_an_objective_holds_as_a_tensor_is_told_as_numbers():
    objective = Learned(0.5, (2,))
    objective.register_buffer("scale", torch.tensor([3]))
    assert objective.told("temperature") == [0.5, 0.5]
    assert objective.told("scale") == 3
    assert objective.told("nothing") is None
    x = rows()
    guard = Guard(print, objective=objective)
    assert guard.temperature is None  # two are none to judge by
    assert guard(Snapshot(1, None, {"view": [Encoded(x, x), Encoded(x, x + rows(seed=1))]})) == {}


def test_the_card_of_a_run_tells_a_temperature_that_is_learned():
    assert json.loads(json.dumps(fitting._settings(recipe(CROPS, Learned(0.25)))))["temperature"] == 0.25


def test_a_temperature_that_hides_what_was_learned_is_named():
    x = rows(D, 512)
    near = x + 0.3 * rows(D, 512, seed=1)
    assert "hides it; lower it" in told([(x, near)] * 3, temperature=3.0)[0]
    assert told([(x, near)] * 3, temperature=0.5) == []
    assert told([(x, rows(D, 512, seed=1))] * 3, temperature=3.0) == []  # nothing learned yet


def test_one_look_in_five_is_taken_until_something_is_seen(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "diptych.instruments.guard.effective_rank", lambda x, centred: seen.append(1) or torch.tensor(9.0)
    )
    told([(rows(), rows() + rows(seed=1))] * 20)
    assert len(seen) == 4
    copied = rows()
    copied[10:14] = copied[3]
    told([(copied, copied + rows(seed=1))] * 20)
    assert len(seen) == 24


def test_it_names_no_numbers_and_passes_over_what_it_cannot_judge():
    guard = Guard(print)
    x = torch.full((4, 3), float("nan"))
    for views in ({}, {"view": [Encoded(x, x)]}, {"view": [Encoded(x, x)] * 2}):
        assert guard(Snapshot(1, Model(None), views)) == {}


@pytest.mark.parametrize(("how", "kinds"), [("warn", [False]), ("stop", [True]), ("off", [])])
def test_a_run_is_given_the_guard_that_was_asked_for(how, kinds):
    guards = fitting._guards(recipe(CROPS, InfoNCE(0.1)), how, print)
    assert [guard.stop for guard in guards] == kinds
    assert all(guard.temperature == 0.1 for guard in guards)


def test_pairs_that_stay_no_nearer_than_others_are_named_and_a_slow_start_is_not():
    apart = [(x := rows(seed=i), x.roll(1, 0)) for i in range(12)]
    said = told(apart)
    assert len(said) == 1
    assert "step 10: pairs are no nearer than others" in said[0]
    near = [(x := rows(seed=i), x + 0.5 * rows(seed=100 + i)) for i in range(12)]
    assert told(apart[:9] + near) == []
    with pytest.raises(CollapsedError, match="step 10"):
        told(apart, stop=True)
