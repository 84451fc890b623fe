"""What corpora on disk have in common, whatever lies in them."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

from diptych.core import DataError
from diptych.data.stored import UNKNOWN, Items, Ledger, Stored, mapped
from diptych.data.tally import Tally


@dataclass(frozen=True)
class Index:
    classes: np.ndarray


@dataclass(frozen=True, eq=False)
class Stones(Stored):
    noun: ClassVar[str] = "stone"


def stones(*classes, told=None):
    return Stones("shore", "0", [], Index(np.array(classes)), ["flint", "slate"], told=told)


def test_a_selection_of_a_selection_counts_from_the_first(tmp_path):
    (tmp_path / "origins.txt").write_text("a\nb\nc\nd")
    some = stones(0, 1, UNKNOWN, 1, told=tmp_path / "origins.txt").select([3, 2, -4]).select(np.array([2, 1]))
    assert [some.row(i) for i in (0, 1, -1)] == [0, 2, 2]
    assert some.labels == ["flint", None]
    assert some.origins == ["a", "c"]
    assert len(some.select([])) == 0


def test_fingerprints_are_of_what_was_chosen_in_its_order():
    whole = stones(0, 1, 0)
    prints = [whole.select(rows).fingerprint for rows in ([0, 1], [1, 0], [0, -2])]
    assert prints[0] == prints[2] != prints[1]


@pytest.mark.parametrize("place", [3, -4])
def test_a_place_that_there_is_not_is_refused(place):
    with pytest.raises(IndexError, match=f"there are 3 stones; got {place}"):
        stones(0, 1, 0).row(place)
    with pytest.raises(IndexError, match=f"there are 3 stones; got {place} to {place}"):
        stones(0, 1, 0).select([place])


def test_without_classes_there_are_no_labels_and_without_a_file_no_origins():
    assert stones(UNKNOWN, UNKNOWN).labels is None
    assert stones(0, 1).origins == ["", ""]


def test_a_slice_looks_at_nothing():
    seen = []
    items = Items(lambda i: seen.append(i) or i * i, range(10))
    some = items[8:2:-2]
    assert len(some) == 3
    assert seen == []
    assert [*some] == [64, 36, 16]
    assert some[-1] == 16


def test_a_ledger_numbers_classes_as_they_come_and_says_what_there_was(tmp_path):
    tally = Tally()
    tally.add("stone", "skipped: it is dust")
    ledger = Ledger("stone", tally)
    with pytest.raises(DataError, match="there is no stone in shore; 1 stone skipped: it is dust"):
        ledger.facts("shore", "found")
    for origin, label in (("a  cliff\nof two lines", "slate"), ("b", None), ("c", "flint"), ("d", "slate")):
        ledger.add(origin, label)
    ledger.close(tmp_path, sizes=np.arange(4))
    with np.load(tmp_path / "index.npz") as index:
        assert index["classes"].tolist() == [0, UNKNOWN, 1, 0]
        assert index["sizes"].tolist() == [0, 1, 2, 3]
    assert (tmp_path / "origins.txt").read_text() == "a cliff of two lines\nb\nc\nd"
    facts = ledger.facts("shore", "found")
    assert facts["names"] == ["slate", "flint"]
    assert facts["notes"] == [
        "4 stones from shore: found (2 classes; 1 stone without one)",
        "1 stone skipped: it is dust",
    ]


def test_a_file_of_nothing_is_an_empty_array(tmp_path):
    (tmp_path / "none").touch()
    (tmp_path / "some").write_bytes(np.arange(3, dtype="<i4").tobytes())
    assert mapped(tmp_path / "none", "<i4").shape == (0,)
    found = mapped(tmp_path / "some", "<i4")
    assert found.tolist() == [0, 1, 2]
    with pytest.raises(ValueError, match="read-only"):
        found[0] = 1
