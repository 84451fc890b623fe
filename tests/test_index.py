import numpy as np
import pytest

from diptych.index import Index


class Fixed:
    """Embeds every text as the same vector."""

    def __init__(self, vector):
        self.vector = vector

    def encode(self, texts):
        return np.tile(self.vector, (len(texts), 1))


def index(rows, query, folder, cut):
    for i, part in enumerate((rows[:cut], rows[cut:])):
        np.save(folder / f"{i}.npy", part)
    return Index(Fixed(query), [folder / "0.npy", folder / "1.npy"], len(rows))


@pytest.mark.parametrize("k", [1, 3, 7, 20, 1007, 5000])
def test_of_documents_that_are_equally_near_the_lowest_numbers_are_found(tmp_path, k):
    rng = np.random.default_rng(0)
    same, query = rng.standard_normal((2, 512)).astype(np.float32)
    rows = np.tile(same, (1007, 1))
    rows[500] = query
    found, cosines = index(rows, query, tmp_path, 8).nearest("q", k)
    expected = [500, *(i for i in range(1007) if i != 500)]
    assert found.tolist() == expected[:k]
    assert cosines[0] == pytest.approx(1)


def test_the_nearest_are_those_of_a_full_sort(tmp_path):
    rng = np.random.default_rng(0)
    rows, query = rng.standard_normal((300, 8)).astype(np.float32), rng.standard_normal(8).astype(np.float32)
    cosines = rows @ query / np.linalg.norm(rows, axis=1) / np.linalg.norm(query)
    assert index(rows, query, tmp_path, 100).nearest("q", 10)[0].tolist() == np.argsort(-cosines)[:10].tolist()
