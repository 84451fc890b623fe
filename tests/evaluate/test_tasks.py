"""Each task on a case whose answer is known."""

import math

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from diptych.evaluate import linear as module
from diptych.evaluate.clustering import v_measure
from diptych.evaluate.crops import alignment, crop_retrieval, uniformity
from diptych.evaluate.knn import knn
from diptych.evaluate.linear import choose, fit, linear
from diptych.evaluate.score import accuracy, paired
from diptych.evaluate.split import split
from diptych.evaluate.tfidf import TfIdf


def blobs(n=600, d=20, classes=4, spread=1.0, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    x = rng.standard_normal((classes, d))[y] + spread * rng.standard_normal((n, d))
    return x.astype(np.float32), y


@pytest.mark.parametrize("cosine", [False, True])
def test_knn_is_the_accuracy_of_scikit_learn(cosine):
    x, y = blobs(spread=2)
    train, test = split(len(y))
    theirs = KNeighborsClassifier(10, algorithm="brute", metric="cosine" if cosine else "minkowski")
    score = knn(x, y, train, test, cosine=cosine)
    assert score.value == theirs.fit(x[train], y[train]).score(x[test], y[test])
    assert score.right.mean() == score.value


def test_fewer_training_rows_than_k_all_vote():
    y = np.array([0, 1, 1, 1, 0])
    score = knn(np.arange(5.0)[:, None], y, np.arange(4), np.array([4]))
    assert score.value == 0  # 0 is closest to none of them: the majority of all four is 1


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_the_probe_finds_the_minimum_that_scikit_learn_finds(kind, monkeypatch):
    monkeypatch.setattr(module, "ITERATIONS", 500)
    monkeypatch.setattr(module, "TOLERANCE", 1e-9)
    x, y = blobs(300, 6)
    penalty = 1e-2
    weights, bias = fit(kind(x), y, 4, penalty)
    theirs = LogisticRegression(C=1 / (penalty * len(y)), tol=1e-8, max_iter=1000).fit(x.astype(np.float64), y)
    np.testing.assert_allclose(weights.numpy().T, theirs.coef_, atol=2e-3)
    ours = (torch.from_numpy(x) @ weights + bias).softmax(1).numpy()
    np.testing.assert_allclose(ours, theirs.predict_proba(x), atol=1e-3)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_the_probe_is_as_good_as_a_tuned_one_of_scikit_learn(kind):
    x, y = blobs(1500, 40, spread=2.5)
    train, test = split(len(y))
    theirs = max(
        LogisticRegression(C=c, max_iter=1000).fit(x[train], y[train]).score(x[test], y[test])
        for c in (1e-3, 1e-2, 1e-1, 1)
    )
    assert linear(kind(x), y, train, test).value >= theirs - 0.03


def test_a_probe_does_not_see_scale_or_shift_of_a_column():
    x, y = blobs(spread=2)
    parts = split(len(y))
    factor = np.random.default_rng(0).uniform(0.01, 100, x.shape[1])
    assert linear(x * factor + 7, y, *parts).value == pytest.approx(linear(x, y, *parts).value, abs=0.02)


def test_test_rows_decide_nothing_about_the_probe():
    """One column tells the class; a wild test row, were it looked at, would shrink it to nothing."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 600)
    x = np.hstack([y[:, None] + 0.1 * rng.standard_normal((600, 1)), rng.standard_normal((600, 10))])
    train, test = split(len(y))
    right = linear(x, y, train, test).right
    assert right.all()
    x[test[0], 0] = 1e6
    assert linear(x, y, train, test).right[1:].all()


def test_a_class_that_training_does_not_have_moves_no_other():
    x, y = blobs(spread=0.01)
    train, test = split(len(y))
    train = train[y[train] != 0]
    right = linear(x, y, train, test).right
    assert right.tolist() == (y[test] != 0).tolist()


def test_a_constant_column_says_nothing_and_breaks_nothing():
    x, y = blobs()
    parts = split(len(y))
    wide = np.hstack([x, np.full((len(x), 3), 0.1, np.float32)])
    assert linear(wide, y, *parts).value == pytest.approx(linear(x, y, *parts).value, abs=0.02)
    assert linear(np.ones((600, 3), np.float32), y, *parts).value < 0.5


def test_of_equally_good_penalties_the_strongest_is_chosen():
    x, y = blobs(400, 4, spread=0.01)
    assert choose(x, y, 4) == module.GRID[0]


def test_a_useless_penalty_is_not_chosen(monkeypatch):
    monkeypatch.setattr(module, "GRID", (1e6, 1e-3))
    x, y = blobs(400, 8, spread=1)
    assert choose(x, y, 4) == 1e-3


def test_separated_clusters_have_v_measure_one_and_noise_near_zero():
    x, y = blobs(spread=0.01, classes=3)
    assert v_measure(x, y).value == pytest.approx(1)
    assert v_measure(sparse.csr_matrix(x), y).value == pytest.approx(1)
    assert v_measure(np.random.default_rng(0).standard_normal((600, 20)), y).value < 0.05


def test_v_measure_is_the_harmonic_mean_of_homogeneity_and_completeness_by_hand():
    """Classes a a b b in clusters {a a b} and {b}."""
    x = np.array([[0.0], [0.0], [0.0], [10.0]])
    y = np.array([0, 0, 1, 1])
    given_cluster = 3 / 4 * -(2 / 3 * np.log(2 / 3) + 1 / 3 * np.log(1 / 3))  # H(class | cluster)
    given_class = 1 / 2 * np.log(2)  # H(cluster | class)
    clusters = -(3 / 4 * np.log(3 / 4) + 1 / 4 * np.log(1 / 4))
    h, c = 1 - given_cluster / np.log(2), 1 - given_class / clusters
    score = v_measure(x, y)
    assert score.value == pytest.approx(2 * h * c / (h + c))
    assert score.error == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_crops_of_a_document_are_found_by_each_other(kind):
    rng = np.random.default_rng(0)
    a = rng.standard_normal((200, 30))
    near = a + 0.01 * rng.standard_normal(a.shape)
    assert crop_retrieval(kind(a), kind(near)).value == 1
    assert crop_retrieval(kind(a), kind(rng.standard_normal(a.shape))).value < 0.05
    assert alignment(kind(a), kind(near)).value < 0.01 < 1 < alignment(kind(a), kind(-near)).value
    score = uniformity(kind(a), kind(near))
    assert score.value == pytest.approx(-3.7, abs=0.2)


def test_the_error_of_uniformity_is_the_spread_over_samples():
    """400 corpora of 60 crops: the error that each claims is near the spread of their scores."""
    rng = np.random.default_rng(0)
    scores = [uniformity(a, a) for a in rng.standard_normal((400, 60, 3)) + 0.7]
    spread = np.std([s.value for s in scores])
    assert np.mean([s.error for s in scores]) == pytest.approx(spread, rel=0.15)


def test_the_error_of_alignment_is_that_of_a_mean():
    rng = np.random.default_rng(0)
    scores = [alignment(*rng.standard_normal((2, 60, 3))) for _ in range(400)]
    assert np.mean([s.error for s in scores]) == pytest.approx(np.std([s.value for s in scores]), rel=0.1)


@pytest.mark.parametrize("right", [0, 1, 58, 100])
def test_the_error_of_an_accuracy_is_that_of_the_wilson_interval(right):
    from scipy.stats import binomtest

    score = accuracy(np.arange(100) < right)
    low, high = binomtest(right, 100).proportion_ci(method="wilson")
    assert score.value == right / 100
    assert score.error == pytest.approx((high - low) / 2 / 1.96, rel=1e-4)
    assert score.error > 0.009


def test_the_error_of_an_accuracy_on_many_items_is_the_usual_one():
    assert accuracy(np.arange(10**6) < 580_000).error == pytest.approx((0.58 * 0.42) ** 0.5 / 1000, rel=1e-5)


def test_a_paired_difference_knows_on_which_items_two_rows_differ():
    a, b = np.zeros(100, bool), np.zeros(100, bool)
    a[:60], b[10:60], b[90:93] = True, True, True  # only a: 10, only b: 3
    result = paired(a, b)
    assert result.difference == pytest.approx(0.07)
    assert result.p == pytest.approx(2 * sum(math.comb(13, i) for i in range(4)) / 2**13)
    spread = (13 / 100 - 0.07**2) ** 0.5 / 10  # of the mean difference of one item
    assert result.low == pytest.approx(0.07 - 1.96 * spread, abs=0.011)
    assert result.high == pytest.approx(0.07 + 1.96 * spread, abs=0.011)


def test_equal_rows_have_no_difference():
    right = np.arange(10) < 5
    assert paired(right, right) == paired(right, right.copy())
    assert (paired(right, right).difference, paired(right, right).p) == (0, 1)


def test_tfidf_is_the_vectorizer_of_scikit_learn_on_the_texts_it_was_fitted_on():
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = ["a crop of a text", "a text of words words words", "another crop"]
    row = TfIdf().fit(texts)
    theirs = TfidfVectorizer(sublinear_tf=True).fit(texts)
    assert (row(["crop words words unseen"]) != theirs.transform(["crop words words unseen"])).nnz == 0
    assert (TfIdf()(texts) != theirs.transform(texts)).nnz == 0
    assert row(["nothing known"]).nnz == 0
