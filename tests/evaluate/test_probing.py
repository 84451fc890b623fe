import numpy as np
import pytest
from scipy import sparse

from diptych.evaluate.mlp import mlp
from diptych.evaluate.suites import probing


def rings(n=900, seed=0):
    """Is a point near the origin? No line tells."""
    x = np.random.default_rng(seed).standard_normal((n, 2)).round(3)
    return x.astype(np.float32), (np.linalg.norm(x, axis=1) < 1).astype(int)


def test_a_hidden_layer_tells_what_no_line_does(table, told):
    x, y = rings()
    part = ["train"] * 600 + ["dev"] * 100 + ["test"] * 200
    texts = [" ".join(map(str, row)) for row in x.tolist()]
    given = zip(texts, y.tolist(), part, strict=True)
    path = table("ring.jsonl", [{"text": t, "label": c, "split": s} for t, c, s in given])
    [task] = probing.tasks(path.parent)
    linear, hidden, majority = task.score(told)
    assert [line.metric for line in (linear, hidden, majority)] == ["linear", "mlp", "majority"]
    assert [line.main for line in (linear, hidden, majority)] == [True, False, False]
    assert hidden.value > 93
    assert linear.value < 75
    assert majority.value == pytest.approx(100 * np.mean(y[700:] == 0))


@pytest.fixture
def brief(monkeypatch):
    """One penalty, and fewer steps."""
    monkeypatch.setattr("diptych.evaluate.mlp.GRID", (1e-4,))
    monkeypatch.setattr("diptych.evaluate.mlp.PATIENCE", 200)


@pytest.mark.usefixtures("brief")
def test_a_hidden_layer_is_fixed_by_its_seed_and_reads_sparse_rows():
    x, y = rings(400)
    train, test = np.arange(300), np.arange(300, 400)
    assert (mlp(x, y, train, test, seed=3).right == mlp(x, y, train, test, seed=3).right).all()
    assert mlp(sparse.csr_matrix(x), y, train, test).value > 0.8


@pytest.mark.usefixtures("brief")
def test_dev_rows_are_not_trained_on_and_test_rows_decide_nothing():
    x, y = rings(500)
    train, dev, test = np.arange(300), np.arange(300, 400), np.arange(400, 500)
    before = mlp(x, y, train, test, dev=dev).right
    other = x.copy()
    other[test[0]] = 1e6
    assert (mlp(other, y, train, test, dev=dev).right[1:] == before[1:]).all()
    assert mlp(x, y, train, test, dev=dev).value > 0.85
