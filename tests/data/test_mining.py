"""Hard negatives by exact neighbours, against a search in plain loops."""

import numpy as np
import pytest

from diptych.data.mining import Pool, Wanted, mine


def plain(x, y, anchors, positives, wanted):
    """Each anchor's negatives as (row, text), by the definition."""
    cosine = lambda a, b: a @ b / np.linalg.norm(a) / np.linalg.norm(b)  # noqa: E731
    vector = dict(zip(positives, y, strict=True))
    out = []
    for i, anchor in enumerate(anchors):
        own = {p for a, p in zip(anchors, positives, strict=True) if a == anchor} | {anchor}
        ranked = sorted(((text, cosine(x[i], v)) for text, v in vector.items() if text not in own), key=lambda t: -t[1])
        positive = cosine(x[i], vector[positives[i]])
        part = wanted.part * positive if positive > 0 else np.inf
        kept = [t for t, c in ranked[wanted.first - 1 : wanted.last] if c <= part and c <= positive - wanted.less]
        out += [(i, text) for text in kept[: wanted.k]]
    return out


@pytest.mark.parametrize(
    "wanted",
    [Wanted(), Wanted(k=3, part=1.0), Wanted(k=2, first=3, last=7), Wanted(k=4, part=0.8), Wanted(k=2, less=0.3)],
    ids=str,
)
def test_it_finds_what_a_search_of_everything_finds(wanted):
    rng = np.random.default_rng(0)
    anchors = [f"a{i // 3}" if i < 30 else f"a{i}" for i in range(120)]
    positives = [f"p{i % 90}" for i in range(120)]
    positives[70] = "a5"  # an anchor that is another's positive
    topics = rng.normal(size=(8, 6))
    vector = {text: topics[hash_(text) % 8] + 0.4 * rng.normal(size=6) for text in {*positives}}
    y = np.array([vector[text] for text in positives])
    x = (y + 0.5 * rng.normal(size=y.shape)).astype(np.float32)
    y = y.astype(np.float32)
    pool = Pool.of(anchors, positives)
    bank = y[pool.first]
    found = mine(x[:50], np.arange(50), bank, pool, wanted) + mine(x[50:], np.arange(50, 120), bank, pool, wanted)
    assert [(each.pair, positives[pool.first[each.negative]]) for each in found] == plain(
        x, y, anchors, positives, wanted
    )
    assert found
    for each in found:
        assert each.negative_cosine <= each.positive_cosine - wanted.less + 1e-6


def hash_(text):
    return sum(map(ord, text))


def test_what_belongs_to_an_anchor_is_never_its_negative():
    """Two positives of one anchor, all alike; the third pair is the only negative there can be."""
    anchors, positives = ["a", "a", "b"], ["x", "y", "z"]
    pool = Pool.of(anchors, positives)
    rows = np.array([[1, 0], [1, 0.01], [0.5, 0.5]], np.float32)
    found = mine(rows, np.arange(3), rows, pool, Wanted(k=3))
    assert [(each.pair, each.negative) for each in found if each.pair < 2] == [(0, 2), (1, 2)]


def test_no_pair_has_no_negative():
    assert mine(np.empty((0, 2)), np.empty(0, np.int64), np.ones((1, 2)), Pool.of(["a"], ["b"]), Wanted()) == []


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        ({"k": 0}, "1 negative or more; got k=0"),
        ({"first": 0}, r"ranks count from 1.*got 0\.\.100"),
        ({"first": 5, "last": 4}, r"got 5\.\.4"),
        ({"part": 1.2}, r"in \(0, 1\]; got 1.2"),
        ({"less": -0.1}, r"in \[0, 2\]; got -0.1"),
    ],
)
def test_numbers_that_cannot_be_are_refused(settings, why):
    with pytest.raises(ValueError, match=why):
        Wanted(**settings)
