import numpy as np
import pytest

from diptych.core import DataError
from diptych.evaluate import linear as module
from diptych.evaluate.knn import knn
from diptych.evaluate.linear import linear
from diptych.evaluate.suites import knn as knn_suite
from diptych.evaluate.suites import linear as linear_suite


def cloud(n=300, seed=0, d=4):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 2, n)
    x = (y[:, None] * 1.2 + rng.standard_normal((n, d))).round(3)
    return x.astype(np.float32), y, [" ".join(map(str, row)) for row in x.tolist()]


def test_a_suite_asks_the_given_test_rows(table, told):
    x, y, texts = cloud()
    part = np.array(["train"] * 200 + ["dev"] * 50 + ["test"] * 50)
    given = zip(texts, y.tolist(), part, strict=True)
    path = table("a.jsonl", [{"text": t, "label": c, "split": s} for t, c, s in given])
    train, dev, test = (np.flatnonzero(part == name) for name in ("train", "dev", "test"))

    [task] = knn_suite.tasks(path.parent)
    euclidean, cosine = task.score(told)
    assert (euclidean.value, cosine.value) == tuple(100 * knn(x, y, train, test, cosine=c).value for c in (False, True))
    assert (euclidean.task, euclidean.n, euclidean.main, cosine.main) == ("a", 50, True, False)
    assert euclidean.low < euclidean.value < euclidean.high

    [task] = linear_suite.tasks(path)
    [line] = task.score(told)
    assert line.value == 100 * linear(x, y, train, test, dev=dev).value
    assert "50 test rows" in line.how


def test_fewer_rows_than_k_neighbours(table):
    path = table("a.jsonl", [{"text": "1", "label": i % 2, "split": "train" if i < 9 else "test"} for i in range(12)])
    with pytest.raises(DataError, match=r"a\.jsonl: 9 training rows for k = 10 neighbours"):
        knn_suite.tasks(path)


def test_dev_rows_choose_the_penalty(monkeypatch, table, told):
    monkeypatch.setattr(module, "GRID", (1e6, 1e-3))
    x, y, texts = cloud(600, d=30)
    train, dev, test = np.arange(300), np.arange(300, 400), np.arange(400, 600)
    assert linear(x, y, train, test, dev=dev).value > 0.8
    y[dev] = 2  # no penalty is right of a class that training rows do not have, so the strongest is taken
    assert linear(x, y, train, test, dev=dev).value < 0.65
    part = ["train"] * 300 + ["dev"] * 100 + ["test"] * 200
    rows = zip(texts, y.tolist(), part, strict=True)
    [task] = linear_suite.tasks(table("a.jsonl", [{"text": t, "label": c, "split": s} for t, c, s in rows]))
    assert task.score(told)[0].value < 65


def test_more_rounds_choose_by_more_held_out_rows(monkeypatch):
    """Each turn asks another fifth: all training rows are asked once in five turns."""
    seen = []
    monkeypatch.setattr(module, "_rights", lambda x, y, held, truth, classes: seen.append(held) or np.zeros(5))
    x = np.arange(100.0)[:, None].astype(np.float32)
    assert module.choose(x, np.arange(100) % 2, 2, rounds=5) == module.GRID[0]
    assert sorted(np.concatenate(seen).ravel().tolist()) == list(range(100))
