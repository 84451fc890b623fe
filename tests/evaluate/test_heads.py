"""Linear heads by SGD: alone, many at once, and chosen from a grid."""

import numpy as np
import pytest
import torch

from diptych.evaluate import grid as module
from diptych.evaluate import heads
from diptych.evaluate.grid import features, grid
from diptych.evaluate.linear import linear
from diptych.evaluate.probe import probe


def blobs(n=300, d=8, classes=3, spread=1.0, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    return (rng.standard_normal((classes, d))[y] + spread * rng.standard_normal((n, d))).astype(np.float32), y


def test_a_head_among_others_is_what_sgd_of_torch_makes_of_it_alone():
    x, y = blobs(64)
    rates, steps, batch = [0.01, 0.3, 1.0], 30, 16
    weights, bias = heads.train(x, y, 3, rates, steps, batch, seed=4)
    rng, order = np.random.default_rng(4), []
    while len(order) < steps:
        order += [*rng.permutation(64).reshape(4, 16)]
    for place, rate in enumerate(rates):
        layer = torch.nn.Linear(8, 3)
        with torch.no_grad():
            layer.weight.copy_((torch.randn(8, 3, generator=torch.Generator().manual_seed(4)) * 0.01).T)
            layer.bias.zero_()
        sgd = torch.optim.SGD(layer.parameters(), rate, momentum=0.9)
        falls = torch.optim.lr_scheduler.CosineAnnealingLR(sgd, steps)
        for rows in order[:steps]:
            sgd.zero_grad()
            torch.nn.functional.cross_entropy(layer(torch.from_numpy(x[rows])), torch.from_numpy(y[rows])).backward()
            sgd.step()
            falls.step()
        torch.testing.assert_close(weights[place].T, layer.weight.detach(), atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(bias[place, 0], layer.bias.detach(), atol=1e-4, rtol=1e-4)


def test_a_pass_sees_every_row_once_and_batches_are_whole():
    rows = heads._batches(10, 5, 4, seed=0)
    assert [len(part) for part in rows] == [5] * 4
    assert sorted(torch.cat(rows[:2]).tolist()) == sorted(torch.cat(rows[2:]).tolist()) == list(range(10))
    assert [len(part) for part in heads._batches(3, 8, 2, seed=0)] == [3, 3]


@pytest.mark.parametrize("wrong", [{"rates": [0.1, 0.0]}, {"steps": 0}, {"batch": 0}])
def test_what_cannot_be_trained_is_refused(wrong):
    x, y = blobs(10)
    with pytest.raises(ValueError, match="with rates above 0; got 10 rows"):
        heads.train(x, y, 3, **({"rates": [0.1], "steps": 1, "batch": 5} | wrong))


def test_the_probe_is_as_good_as_the_one_that_is_fitted_exactly():
    x, y = blobs(900, 20, 5, spread=1.5)
    train, test = np.arange(600), np.arange(600, 900)
    by_sgd, exact = probe(x, y, train, test).value, linear(x, y, train, test).value
    assert exact > 0.75
    assert by_sgd == pytest.approx(exact, abs=0.03)


def test_the_scale_of_features_changes_no_answer_of_the_probe():
    x, y = blobs(300)
    train, test = np.arange(200), np.arange(200, 300)
    one, other = (probe(scale * x + 5, y, train, test, epochs=5).right for scale in (1.0, 1000.0))
    assert (one == other).mean() > 0.98


def test_the_probe_ends_with_its_last_epoch_whatever_the_test_says():
    """Other test labels change what is right, but not what was said."""
    x, y = blobs(300)
    train, test = np.arange(200), np.arange(200, 300)
    right = probe(x, y, train, test, epochs=3).right
    turned = y.copy()
    turned[test] = (turned[test] + 1) % 3
    wrong = probe(x, turned, train, test, epochs=3).right
    assert not (right & wrong).any()


def test_a_class_that_training_rows_lack_is_never_said():
    x, y = blobs(100)
    train, test = np.arange(50), np.arange(50, 100)
    y[train] = y[train] % 2
    y[test] = 2
    assert probe(x, y, train, test, epochs=2).value == 0


def parts():
    return np.arange(200), np.arange(200, 300), np.arange(300, 400)


def test_the_grid_takes_what_is_best_on_validation():
    x, y = blobs(400)
    noise = np.random.default_rng(1).standard_normal((400, 30)).astype(np.float32)
    found = grid({"noise": noise, "signal": x}, y, *parts(), rates=[1e-5, 0.1], steps=200)
    assert (found.features, found.rate) == ("signal", 0.1)
    assert found.best == max(found.validation["signal"]) > max(found.validation["noise"])
    assert found.score.value > 0.7


def test_the_test_decides_nothing_of_the_grid():
    x, y = blobs(400)
    seen, (train, validation, test) = {"a": x[:, :4], "b": x[:, 4:]}, parts()
    turned = y.copy()
    turned[test] = (turned[test] + 1) % 3
    one, other = (grid(seen, given, train, validation, test, steps=100) for given in (y, turned))
    assert (one.features, one.rate, one.validation) == (other.features, other.rate, other.validation)
    assert not (one.score.right & other.score.right).any()


def test_the_grid_chooses_otherwise_when_validation_says_otherwise():
    """Rows of two kinds of features, each of which tells the classes of one part alone."""
    x, y = blobs(400)
    train, validation, test = parts()
    other = np.random.default_rng(2).standard_normal(x.shape).astype(np.float32)
    a, b = x.copy(), x.copy()
    a[validation], b[test] = other[validation], other[test]
    found = grid({"a": a, "b": b}, y, train, validation, test, steps=100)
    assert found.features == "b"
    assert found.score.value < 0.6  # although "a" would have been right of the test


def test_rates_are_per_256_samples_of_a_batch(monkeypatch):
    asked = []
    x, y = blobs(400)
    weights = torch.zeros(2, 8, 3)
    monkeypatch.setattr(heads, "train", lambda x, y, c, rates, *_: asked.append(rates) or (weights, weights[:, :1]))
    grid({"a": x}, y, *parts(), rates=[0.1, 0.2], batch=64)
    assert asked == [pytest.approx([0.025, 0.05])]


def test_validation_rows_of_the_test_are_refused():
    x, y = blobs(400)
    with pytest.raises(ValueError, match="got 150 of them, 50 of the test"):
        grid({"a": x}, y, np.arange(200), np.arange(200, 350), np.arange(300, 400))
    with pytest.raises(ValueError, match="got 0 of them"):
        grid({"a": x}, y, np.arange(200), np.arange(0), np.arange(300, 400))


def test_heads_see_the_last_blocks_side_by_side_with_or_without_the_mean_patch():
    blocks = [np.full((2, 3), i, np.float32) for i in range(6)]
    seen = features(blocks, np.full((2, 3), 9, np.float32))
    assert {name: x[0, ::3].tolist() for name, x in seen.items()} == {
        "last 1": [5],
        "last 1 and patches": [5, 9],
        "last 4": [2, 3, 4, 5],
        "last 4 and patches": [2, 3, 4, 5, 9],
    }
    assert [*features(blocks[:2], None)] == ["last 1"]
    with pytest.raises(ValueError, match="heads see the last 1, 4 blocks; there are 0"):
        features([], None)


def test_the_rates_are_thirteen():
    assert len(module.RATES) == 13
    assert module.RATES[0] == 1e-5
    assert module.RATES[-1] == 0.1
