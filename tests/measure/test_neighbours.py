import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.neighbors import KNeighborsClassifier

import diptych.measure.neighbours as module
from diptych.measure.neighbours import found_at_once, neighbours, ranks, reciprocal_rank, vote
from diptych.measure.rows import blocks, unit


def texts(n, seed=0):
    rng = np.random.default_rng(seed)
    words = np.array([f"w{i}" for i in range(400)])
    weight = 1 / np.arange(1, 401)
    return [" ".join(rng.choice(words, rng.integers(5, 60), p=weight / weight.sum())) for _ in range(n)]


def data(kind, n=700, d=24):
    rng = np.random.default_rng(1)
    if kind == "sparse":
        x = TfidfVectorizer(sublinear_tf=True).fit_transform(texts(n))
    else:
        x = rng.standard_normal((n, d)).astype(kind) * rng.uniform(0.1, 10, (n, 1)).astype(kind) + 5
    return x, rng.integers(0, 5, n)


@pytest.mark.parametrize("cosine", [False, True])
@pytest.mark.parametrize("kind", ["sparse", "float32", "float64"])
def test_the_vote_of_neighbours_is_that_of_scikit_learn(kind, cosine):
    x, y = data(kind)
    theirs = KNeighborsClassifier(10, algorithm="brute", metric="cosine" if cosine else "minkowski")
    expected = theirs.fit(x[:500], y[:500]).predict(x[500:])
    index, _ = neighbours(x[500:], x[:500], 10, cosine)
    assert vote(y[:500][index]).tolist() == expected.tolist()


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_among_equal_rows_the_first_come_first(kind):
    """More of them than there are spare candidates."""
    rng = np.random.default_rng(0)
    row, other = rng.standard_normal((2, 300)).astype(np.float32)
    bank = np.stack([row if i % 3 else other for i in range(400)])
    bank, query = (sparse.csr_matrix(m) if kind == "sparse" else m for m in (bank, row[None]))
    index, distance = neighbours(query, bank, 50)
    assert index[0].tolist() == [i for i in range(400) if i % 3][:50]
    np.testing.assert_allclose(distance, 0, atol=1e-6 if kind == "sparse" else 0)


def test_rounding_does_not_order_texts_that_share_no_word_with_the_query():
    bank, _ = data("sparse")
    assert neighbours(sparse.csr_matrix((1, bank.shape[1])), bank, 20)[0].tolist() == [list(range(20))]


def test_rows_far_from_the_origin_lose_no_digits():
    rng = np.random.default_rng(0)
    x = (1000 + 0.01 * rng.standard_normal((300, 32))).astype(np.float32)
    exact = ((x[:50, None].astype(np.float64) - x[None].astype(np.float64)) ** 2).sum(-1)
    index, distance = neighbours(x[:50], x, 5)
    np.testing.assert_array_equal(index, exact.argsort(1, kind="stable")[:, :5])
    np.testing.assert_allclose(distance, np.sqrt(np.sort(exact, 1)[:, :5]), rtol=1e-9)


def test_a_bank_that_float32_cannot_tell_apart_is_ordered_exactly():
    """One row a million away spoils every float32 product; the full search must step in."""
    rng = np.random.default_rng(0)
    x = rng.standard_normal((400, 16))
    x[0] *= 1e9
    exact = ((x[:20, None] - x[None]) ** 2).sum(-1)
    np.testing.assert_array_equal(neighbours(x[:20], x, 5)[0], exact.argsort(1, kind="stable")[:, :5])


def test_the_size_of_the_blocks_does_not_matter(monkeypatch):
    for kind in ("sparse", "float32"):
        x, _ = data(kind)
        whole = neighbours(x[500:], x[:500], 7)
        monkeypatch.setattr(module, "blocks", lambda rows, width: blocks(rows, width, 5000))
        for a, b in zip(whole, neighbours(x[500:], x[:500], 7), strict=True):
            np.testing.assert_array_equal(a, b)
        monkeypatch.undo()


def test_every_row_of_the_bank_can_be_asked_for():
    x = torch.tensor([[0.0], [3.0], [1.0]])
    index, distance = neighbours(x[:1], x, 3)
    assert index.tolist() == [[0, 2, 1]]
    assert distance.tolist() == [[0, 1, 3]]


@pytest.mark.parametrize("k", [0, 4])
def test_k_must_be_a_number_of_rows(k):
    with pytest.raises(ValueError, match=rf"1\.\.3.*got {k}"):
        neighbours(np.ones((1, 2)), np.ones((3, 2)), k)


def test_widths_must_agree():
    with pytest.raises(ValueError, match="3 columns and the bank has 2"):
        neighbours(np.ones((1, 3)), np.ones((3, 2)), 1)


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy, sparse.csr_matrix])
def test_the_matching_row_is_found_where_it_is_nearest(kind):
    a = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    b = np.array([[2.0, 0.1], [1.0, 0.1], [3.0, 3.0]])  # the second looks like the first
    assert ranks(kind(a), kind(b)).tolist() == [0, 1, 0]
    assert found_at_once(kind(a), kind(b)).tolist() == [True, False, True]
    assert reciprocal_rank(kind(a), kind(b)) == pytest.approx((1 + 1 / 2 + 1) / 3)


def test_a_collapsed_model_finds_one_match_only():
    same = np.random.default_rng(0).standard_normal((1, 64)).astype(np.float32).repeat(50, 0)
    assert found_at_once(same, same).sum() == 1


def test_matching_needs_as_many_rows_on_both_sides():
    with pytest.raises(ValueError, match="got 2 and 3"):
        ranks(np.ones((2, 2)), np.ones((3, 2)))


def test_unit_rows_have_length_one_in_every_kind():
    x = np.random.default_rng(0).standard_normal((5, 3))
    for kind in (np.asarray, torch.from_numpy, sparse.csr_matrix):
        u = unit(kind(x))
        u = u.toarray() if sparse.issparse(u) else np.asarray(u)
        np.testing.assert_allclose((u**2).sum(1), 1)
