import numpy as np
import pytest
from sklearn.metrics import f1_score

from diptych.core import DataError
from diptych.evaluate.suites import transfer

RNG = np.random.default_rng(0)


def sentences(n, split=None, noise=0.0, seed=0):
    """Rows whose first number is the sign of the label, wrong for a part of them."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    wrong = rng.random(n) < noise
    x = np.where(wrong, -1, 1) * (2 * y - 1) * 3 + 0.1 * rng.standard_normal(n)
    texts = [f"{a:.3f} {b:.3f}" for a, b in zip(x, rng.standard_normal(n), strict=True)]
    more = {} if split is None else {"split": split}
    return [{"text": t, "label": c, **more} for t, c in zip(texts, y.tolist(), strict=True)], wrong


def test_each_row_is_asked_once_in_folds(table, told):
    given, wrong = sentences(200, noise=0.1)
    path = table("mr.jsonl", given)
    [task, _] = transfer.tasks(path.parent)
    [line] = task.score(told)
    assert (line.task, line.metric, line.n) == ("mr", "accuracy", 200)
    assert line.value == pytest.approx(100 * (1 - wrong.mean()), abs=1e-9)
    assert "10 folds" in line.how


def test_folds_are_stratified_fixed_and_cover_all():
    y = np.array([0] * 50 + [1] * 30)
    once, again = list(transfer.folds(y)), list(transfer.folds(y))
    assert np.sort(np.concatenate([test for _, test in once])).tolist() == list(range(80))
    assert all((np.bincount(y[test]) == [5, 3]).all() for _, test in once)
    assert all((a[1] == b[1]).all() for a, b in zip(once, again, strict=True))


def test_a_given_split_is_followed_and_training_rows_decide_nothing_of_the_score(table, told):
    train, _ = sentences(100, "train")
    dev, _ = sentences(20, "dev", seed=1)
    test, wrong = sentences(40, "test", noise=0.3, seed=2)
    [task, _] = transfer.tasks(table("sst2.jsonl", train + dev + test).parent)
    [line] = task.score(told)
    assert (line.value, line.n) == (pytest.approx(100 * (1 - wrong.mean())), 40)


def test_paraphrases_are_told_by_products_and_differences(table, told):
    """u = v is a paraphrase, u = -v is none: neither u nor v alone tells."""
    rng, rows = np.random.default_rng(0), []
    for i in range(120):
        u = rng.standard_normal(3).round(2)
        v = u if i % 2 else -u
        one, other = (" ".join(map(str, x)) for x in (u, v))
        rows.append({"sentence1": one, "sentence2": other, "label": i % 2, "split": "train" if i < 80 else "test"})
    [task, _] = transfer.tasks(table("mrpc.jsonl", rows).parent)
    accuracy, f1 = task.score(told)
    assert (accuracy.metric, f1.metric, accuracy.main, f1.main) == ("accuracy", "f1", True, False)
    assert accuracy.value == f1.value == 100
    assert accuracy.n == 40


def test_f1_is_that_of_scikit_learn_and_its_interval_is_around_it():
    positive, right = RNG.random(500) < 0.6, RNG.random(500) < 0.8
    line = transfer._f1("mrpc", positive, right)
    assert line.value == pytest.approx(100 * f1_score(positive, positive == right))
    assert 1 < line.value - line.low < 6
    assert 1 < line.high - line.value < 6


def test_sparse_rows_are_compared_as_dense_ones():
    from scipy import sparse

    u, v = RNG.standard_normal((2, 5, 7)) * (RNG.random((2, 5, 7)) < 0.4)
    np.testing.assert_allclose(
        transfer.compared(sparse.csr_matrix(u), sparse.csr_matrix(v)).toarray(), transfer.compared(u, v)
    )


def test_tasks_that_are_there_are_found_in_their_order_and_others_left(table, tmp_path):
    for name in ("subj", "mr", "other"):
        table(f"{name}.jsonl", sentences(20)[0])
    *found, absent = transfer.tasks(tmp_path)
    assert [task.name for task in found] == ["mr", "subj"]
    assert absent.notes == ["these sets of transfer are missing: cr, mpqa, sst2, sst5, trec, mrpc"]
    (tmp_path / "mr.jsonl").unlink()
    (tmp_path / "subj.jsonl").unlink()
    with pytest.raises(DataError, match="none of the tables of transfer, which are mr, cr"):
        transfer.tasks(tmp_path)


def test_what_a_protocol_needs_is_said(table, tmp_path):
    table("sst2.jsonl", sentences(20)[0])
    with pytest.raises(DataError, match=r"sst2\.jsonl: sst2 has a given split"):
        transfer.tasks(tmp_path)
    table("sst2.jsonl", sentences(20, "train")[0] + sentences(20, "test")[0])
    table("mr.jsonl", sentences(18)[0])
    with pytest.raises(DataError, match=r"mr\.jsonl: 10 folds need 10 rows of each class; '0' has 9"):
        transfer.tasks(tmp_path)
    (tmp_path / "mr.jsonl").unlink()
    rows = [{"sentence1": "1", "sentence2": "1", "label": y, "split": s} for y, s in zip("yyn", "trt", strict=True)]
    table("mrpc.jsonl", [{**row, "split": {"t": "train", "r": "test"}[row["split"]]} for row in rows])
    with pytest.raises(DataError, match=r"1 \(a paraphrase\) and 0; got n, y"):
        transfer.tasks(tmp_path)
