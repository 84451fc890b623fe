"""Texts are embedded once, and every task finds its own rows."""

from dataclasses import dataclass

import numpy as np
import pytest
from scipy import sparse

from diptych.core import DataError
from diptych.evaluate.asked import looking, notes, run
from diptych.evaluate.task import Result


@dataclass(frozen=True)
class Lengths:
    """Asks for the sum of what it sees."""

    name: str
    texts: list[str]

    def score(self, look):
        return [
            Result(self.name, "sum", float(look(self.texts).sum()), len(self.texts), note="odd" * ("x" in self.name))
        ]


@dataclass(frozen=True)
class Talkative(Lengths):
    notes: tuple[str, ...] = ()


def lengths(texts):
    return np.array([[len(text)] for text in texts], np.float32)


def test_a_text_of_many_tasks_is_embedded_once():
    asked = []

    def encode(texts):
        asked.append(list(texts))
        return lengths(texts)

    answers = run([Lengths("one", ["a", "bb", "a"]), Lengths("x", ["ccc", "bb"])], encode)
    assert asked == [["a", "bb", "ccc"]]
    assert [(line.task, line.value) for line in answers.results] == [("one", 4), ("x", 5)]
    assert answers.texts == 3
    assert answers.notes == ["x: odd"]


def test_rows_come_in_the_order_of_the_texts_also_where_they_are_sparse():
    for kind in (np.asarray, sparse.csr_matrix):
        rows = looking(["a", "bb", "ccc"], kind(lengths(["a", "bb", "ccc"])))(["ccc", "a", "ccc"])
        assert np.asarray(rows.todense() if sparse.issparse(rows) else rows).ravel().tolist() == [3, 1, 3]


def test_notes_of_the_data_are_said_once():
    tasks = [
        Lengths("one", ["a"]),
        Talkative("two", ["a"], ("left out",)),
        Talkative("three", ["a"], ("left out", "b")),
    ]
    assert notes(tasks) == ["left out", "b"]


def test_nothing_to_embed_is_said():
    with pytest.raises(DataError, match="nothing to embed"):
        run([Lengths("one", [])], lengths)


def test_a_model_that_diverged_is_named():
    with pytest.raises(ValueError, match=r"tiny gave NaN or infinite embeddings for 1 of 2 texts"):
        run([Lengths("one", ["a", "bb"])], lambda texts: np.array([[1.0], [np.nan]]), "tiny")
