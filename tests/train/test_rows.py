"""AdamW by rows is AdamW, but for the rows that nobody looks at."""

import pickle
from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from toy import Sentences

from diptych.core import Machine, Model, Optimiser, Recipe, View
from diptych.encoders.static import Bag, fresh
from diptych.objectives.infonce import InfoNCE
from diptych.train import optim, state
from diptych.train.loop import train
from diptych.train.rows import RowAdamW
from diptych.views.input.text.crop import Crop

BETAS = (0.9, 0.999)


def lookups(steps, n, seed=0):
    """For each step the ids of a few texts, most of them frequent, and what their means are to be."""
    draw = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        ids = (torch.rand(12, generator=draw) ** 4 * n).long()
        yield ids, torch.tensor([0, 5, 9]), torch.randn(3, 4, generator=draw)


def learn(bag, optimiser, steps, rate=lambda step: 0.1, micros=1):
    for step, (ids, offsets, target) in enumerate(steps):
        for group in optimiser.param_groups:
            group["lr"] = rate(step)
        optimiser.zero_grad()
        for _ in range(micros):
            (F.mse_loss(bag(ids, offsets), target) / micros).backward()
        optimiser.step()


def both(n=40):
    torch.manual_seed(0)
    bag = Bag(torch.randn(n, 4).double(), 0.0)
    other = deepcopy(bag)
    plain = torch.optim.AdamW([{"params": [other.weight], "lr": 0.1}], betas=BETAS, eps=1e-30, weight_decay=0.0)
    rows = RowAdamW([{"params": [bag.weight], "lr": 0.1}], [bag], BETAS)
    rows.param_groups[0]["eps"] = 1e-30
    return bag, rows, other, plain


@pytest.mark.parametrize("steps", [1, 2, 30, 700])
@pytest.mark.parametrize("micros", [1, 3])
def test_the_weights_are_those_of_adamw(steps, micros):
    bag, rows, other, plain = both()
    rate = lambda step: 0.1 * (1 - step / 1000)  # noqa: E731
    learn(bag, rows, lookups(steps, 40), rate, micros)
    learn(other, plain, lookups(steps, 40), rate)
    untouched = (plain.state[other.weight]["exp_avg"] == 0).all(1)
    assert steps > 2 or untouched.any()
    rows.close()
    torch.testing.assert_close(bag.weight, other.weight, rtol=1e-9, atol=1e-11)
    assert bag.weight.grad is None
    assert bag.look is None


def test_between_steps_a_row_is_behind_until_it_is_looked_up():
    bag, rows, other, plain = both()
    learn(bag, rows, lookups(20, 40))
    learn(other, plain, lookups(20, 40))
    behind = (bag.weight - other.weight).abs().sum(1) > 1e-9
    assert behind.any()
    asked = behind.nonzero()[:2].flatten()
    out = bag(asked, torch.arange(2))
    torch.testing.assert_close(out, other.weight[asked], rtol=1e-9, atol=1e-11)


def test_rows_are_seen_as_they_would_be_looked_up_and_stay_where_they_are():
    bag, rows, *_ = both()
    learn(bag, rows, lookups(20, 40))
    kept = {k: x.clone() for k, x in rows.state[bag.weight].items()}
    before, asked = bag.weight.detach().clone(), torch.tensor([3, 0, 17, 39, 21])
    seen = bag.look.seen(asked)
    assert torch.equal(bag.weight, before)
    assert all(torch.equal(x, rows.state[bag.weight][k]) for k, x in kept.items())
    assert not torch.equal(seen, before[asked])
    rows.catch_up(bag.weight, asked)
    assert torch.equal(seen, bag.weight[asked])


def test_a_gradient_of_all_rows_will_do():
    bag, rows, other, plain = both()
    for step, (ids, offsets, target) in enumerate(lookups(30, 40)):
        for table, optimiser in ((bag, rows), (other, plain)):
            optimiser.zero_grad()
            F.mse_loss(table(ids, offsets), target).backward()
        if step % 3:
            bag.weight.grad = bag.weight.grad.to_dense()
        rows.step()
        plain.step()
    rows.close()
    torch.testing.assert_close(bag.weight, other.weight, rtol=1e-9, atol=1e-11)


def test_what_is_saved_is_taken_up_to_the_bit(tmp_path):
    whole, rows, *_ = both()
    learn(whole, rows, lookups(60, 40))
    rows.close()
    bag, rows, *_ = both()
    learn(bag, rows, list(lookups(60, 40))[:37])
    state.save(tmp_path, 37, {"model": bag}, rows, {})
    bag, rows, *_ = both()
    state.load(tmp_path, {"model": bag}, rows)
    learn(bag, rows, list(lookups(60, 40))[37:])
    rows.close()
    assert torch.equal(bag.weight, whole.weight)


def recipe(clip=None, dropout=0.0, weight_decay=0.0):
    tokenizer = Tokenizer(WordLevel({f"t{i}": i for i in range(200)}, unk_token="t0"))
    encoder = fresh(tokenizer, 16, seed=3, dropout=dropout)
    settings = Optimiser(0.1, clip=clip, weight_decay=weight_decay)
    return Recipe(Model(encoder), [View(transform=Crop())] * 2, InfoNCE(0.1), Sentences(), settings, 7, 25)


@pytest.mark.parametrize("settings", [{}, {"clip": 0.01}, {"dropout": 0.3}])
def test_a_run_ends_in_the_weights_that_adamw_gives_it(settings, tmp_path, monkeypatch):
    ours, theirs = recipe(**settings), recipe(**settings)
    train(ours, tmp_path / "ours", Machine(precision="fp32"))
    monkeypatch.setattr(optim, "RowAdamW", lambda groups, tables, betas: adamw(groups, betas))
    train(theirs, tmp_path / "theirs", Machine(precision="fp32"))
    a, b = (r.model.encoder.embedding.weight for r in (ours, theirs))
    assert (a - recipe().model.encoder.embedding.weight).norm() > 1
    torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)


def adamw(groups, betas):
    return torch.optim.AdamW(groups, betas=betas, weight_decay=0.0)


@pytest.mark.parametrize("size", [1e-6, 1e-7, 1e-8, 1e-9, 1e-22])
def test_a_tiny_gradient_does_not_explode(size):
    bag, other = Bag(torch.zeros(9, 4), 0.0), Bag(torch.zeros(9, 4), 0.0)
    plain = torch.optim.AdamW([other.weight], lr=0.1, betas=BETAS, weight_decay=0.0)
    rows = RowAdamW([{"params": [bag.weight], "lr": 0.1}], [bag], BETAS)
    for ids in ([0, 1], *[[2]] * 40):
        for table, optimiser in ((bag, rows), (other, plain)):
            optimiser.zero_grad()
            (table(torch.tensor(ids), torch.tensor([0])) * size).sum().backward()
            optimiser.step()
    rows.close()
    assert (bag.weight[0] - other.weight[0]).abs().max() < 0.1 * other.weight[0].abs().max() + 1e-12


@pytest.mark.parametrize("betas", [(0.95, 0.9), (0.9, 0.8), (0.99, 0.999), (0.9, 0.0)])
def test_where_momentum_lasts_all_rows_move(betas):
    made = recipe()
    settings = Optimiser(0.1, betas=betas)
    assert type(optim.build(settings, made.model, made.objective, by_rows=True)) is torch.optim.AdamW


def test_with_weight_decay_all_rows_move():
    made = recipe(weight_decay=0.1)
    assert type(optim.build(made.optimiser, made.model, made.objective, by_rows=True)) is torch.optim.AdamW
    assert made.model.encoder.embedding.look is None


def test_a_copy_of_a_table_tells_nobody():
    bag, *_ = both()
    assert bag.look is not None
    assert deepcopy(bag).look is None
    assert pickle.loads(pickle.dumps(bag)).look is None  # noqa: S301
