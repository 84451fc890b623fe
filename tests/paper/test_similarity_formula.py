"""CKA against its forms in NumPy: feature space, Gram space, HSIC_1; and what independent Gaussians score."""

import math

import numpy as np
import pytest

from diptych.measure.similarity import cka, hsic, minibatch_cka, table

FORMS = {}


def form(function):
    FORMS[function.__name__] = function
    return function


@form
def feature_space(x, y):
    """google-research/representation_similarity, debiased."""
    x, y = x - x.mean(0), y - y.mean(0)

    def t(a, b):
        n, p, q = len(a), (a**2).sum(1), (b**2).sum(1)
        return ((a.T @ b) ** 2).sum() - n / (n - 2) * (p @ q) + p.sum() * q.sum() / ((n - 1) * (n - 2))

    return t(x, y) / math.sqrt(t(x, x) * t(y, y))


@form
def gram_space(x, y):
    """Rows and columns of a Gram matrix with an empty diagonal are centred, in loops."""

    def centred(k):
        n = len(k)
        k = k - np.diag(np.diag(k))
        row, whole = k.sum(1), k.sum()
        u = np.zeros_like(k)
        for i in range(n):
            for j in range(n):
                if i != j:
                    u[i, j] = k[i, j] - row[i] / (n - 2) - row[j] / (n - 2) + whole / ((n - 1) * (n - 2))
        return u

    k, m = centred(x @ x.T), centred(y @ y.T)
    return (k * m).sum() / math.sqrt((k * k).sum() * (m * m).sum())


def hsic1(k, m):
    n, one = len(k), np.ones(len(k))
    k, m = k - np.diag(np.diag(k)), m - np.diag(np.diag(m))
    middle = (one @ k @ one) * (one @ m @ one) / ((n - 1) * (n - 2))
    return (np.trace(k @ m) + middle - 2 / (n - 2) * (one @ k @ m @ one)) / (n * (n - 3))


@form
def unbiased_hsic(x, y):
    k, m = x @ x.T, y @ y.T
    return hsic1(k, m) / math.sqrt(hsic1(k, k) * hsic1(m, m))


def gaussian_kernel(x):
    square = np.array([[((u - v) ** 2).sum() for v in x] for u in x])
    return np.exp(-square / (2 * np.median(square[square > 0])))


def related(n, p, q, seed=0, part=0.7):
    """Two representations that share something, neither centred."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, p)) + 3
    return x, part * x @ rng.standard_normal((p, q)) + rng.standard_normal((n, q)) - 1


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("shape", [(4, 3, 5), (11, 6, 4), (30, 50, 7)])
def test_debiased_linear_cka_is_each_of_its_forms(name, shape):
    x, y = related(*shape)
    assert cka(x, y) == pytest.approx(FORMS[name](x, y), rel=1e-9)


def test_biased_linear_cka_is_the_ratio_of_frobenius_norms():
    x, y = related(20, 6, 9)
    a, b = x - x.mean(0), y - y.mean(0)
    expected = ((b.T @ a) ** 2).sum() / (np.linalg.norm(a.T @ a) * np.linalg.norm(b.T @ b))
    assert cka(x, y, debiased=False) == pytest.approx(expected, rel=1e-9)


def test_biased_kernel_cka_is_that_of_doubly_centred_gram_matrices():
    x, y = related(13, 4, 5)
    h = np.eye(13) - 1 / 13
    k, m = (h @ gaussian_kernel(z) @ h for z in (x, y))
    expected = (k * m).sum() / math.sqrt((k * k).sum() * (m * m).sum())
    assert cka(x, y, "rbf", debiased=False) == pytest.approx(expected, rel=1e-9)


def test_debiased_kernel_cka_is_a_ratio_of_hsic1():
    x, y = related(13, 4, 5)
    k, m = gaussian_kernel(x), gaussian_kernel(y)
    expected = hsic1(k, m) / math.sqrt(hsic1(k, k) * hsic1(m, m))
    assert cka(x, y, "rbf") == pytest.approx(expected, rel=1e-9)
    assert hsic(x, y, "rbf") == pytest.approx(hsic1(k, m), rel=1e-9)


def test_biased_hsic_is_a_trace():
    x, y = related(13, 4, 5)
    h = np.eye(13) - 1 / 13
    expected = np.trace(x @ x.T @ h @ y @ y.T @ h) / 12**2
    assert hsic(x, y, debiased=False) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_minibatch_cka_averages_hsic1_not_cka(kernel):
    batches = [related(n, 4, 5, seed) for seed, n in enumerate((6, 6, 9))]
    kernels = [[gaussian_kernel(z) if kernel == "rbf" else z @ z.T for z in pair] for pair in batches]
    means = [np.mean([hsic1(a[i], a[j]) for a in kernels]) for i, j in ((0, 1), (0, 0), (1, 1))]
    found = minibatch_cka(batches, kernel)
    assert found == pytest.approx(means[0] / math.sqrt(means[1] * means[2]), rel=1e-9)
    assert abs(found - np.mean([cka(x, y, kernel) for x, y in batches])) > 1e-3


@pytest.mark.parametrize(("n", "p", "biased"), [(64, 64, 0.515), (128, 768, 0.854), (1379, 768, 0.358)])
def test_independent_gaussians_score_about_0_debiased_and_far_more_biased(n, p, biased):
    x, y = np.random.default_rng(0).standard_normal((2, n, p))
    assert cka(x, y) == pytest.approx(0, abs=5 / n)  # about four standard deviations
    assert cka(x, y, debiased=False) == pytest.approx(biased, abs=3 / n)


def test_a_table_has_the_cka_of_every_pair():
    xs = [related(10, 4, q, q)[1] for q in (3, 4, 5)]
    expected = [[unbiased_hsic(x, y) for y in xs] for x in xs]
    np.testing.assert_allclose(table(xs), expected, rtol=1e-9)
    np.testing.assert_allclose(table(xs[:1], xs[1:]), np.array(expected)[:1, 1:], rtol=1e-9)
