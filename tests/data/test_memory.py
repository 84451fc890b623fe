"""Ten million documents are no ten million Python objects: what is kept of each is a few bytes."""

import os
import tracemalloc
from collections import deque

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from diptych import recipes
from diptych.data import store, vocabulary
from diptych.data.column import Column
from diptych.data.corpus import Batches
from diptych.data.documents import from_texts, read
from diptych.data.tables import parquet
from diptych.data.tally import Tally
from diptych.evaluate.split import labelled, thinned
from diptych.recipes import start
from diptych.recipes import text as recipe
from diptych.views.input.text.crop import Crop

N = 30_000
TEXTS = ["One sentence here. And another one. A third.", "Two words. And three more.", "Short"]


def peak(run):
    """The most bytes that were there at once while it ran."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


@pytest.fixture
def many():
    """Thirty thousand documents with labels, at the cost of three."""
    return from_texts(TEXTS, "abc").select(np.arange(N) % 3)


def test_choosing_documents_takes_an_array(many):
    rows = np.arange(N)[::-1] - N
    assert peak(lambda: many.select(rows)) < 30 * N
    assert peak(lambda: many.select(int(i) for i in rows)) < 30 * N
    assert rows[0] == -1, "what was given stays as it was"
    assert peak(lambda: labelled(many.labels)) < 30 * N
    thinned(9, ["a"] * 9, 8)  # loads scikit-learn
    assert peak(lambda: thinned(N, many.labels, 1000)) < 60 * N
    assert peak(lambda: deque(many.texts, maxlen=0)) < N
    assert peak(lambda: many.unique()) < 100 * N


def test_choosing_tokens_takes_an_array(many):
    few = from_texts(TEXTS)
    tokens = store.build(few, vocabulary.train(TEXTS, 100)).select(np.arange(N) % 3)
    rows = np.arange(N)
    assert peak(lambda: tokens.select(rows)) < 30 * N
    found = []
    assert peak(lambda: found.extend(recipe._croppable(tokens, Crop()))) < 30 * N
    data, notes = found
    assert len(data) == N - N // 3
    assert notes[-1].endswith(f"left out of training: {N // 3:,} of {N:,} documents")
    assert data[2]["text"].ids.tolist() == tokens[3]["text"].ids.tolist()


def test_labels_that_all_differ_are_counted_in_a_few_bytes_each():
    rows = ((f"text {i}", f"a label of some length, number {i}") for i in range(N))
    batches, tally = Batches(rows, Tally()), []
    assert peak(lambda: deque(batches, maxlen=0)) < 60 * N
    assert peak(lambda: tally.append(batches.facts("x"))) < 60 * N
    assert tally[0].classes == tally[0].documents == N


def test_a_slice_of_a_column_copies_nothing():
    column = Column(pa.chunked_array([[str(i) for i in range(start, start + 1000)] for start in (0, 1000)]))
    part = column[500:1800]
    assert peak(lambda: column[500:1800]) < 1000
    assert list(part) == [str(i) for i in range(500, 1800)]
    assert list(part[::-3]) == [str(i) for i in range(1799, 499, -3)]
    assert list(column[5:2]) == []


@pytest.mark.parametrize("groups", [1, 8])
def test_of_a_large_parquet_file_a_few_pages_are_in_memory(groups, tmp_path):
    texts = [os.urandom(10_000).hex() for _ in range(2000)]
    pq.write_table(pa.table({"text": texts}), tmp_path / "x.parquet", row_group_size=len(texts) // groups)
    del texts
    size = (tmp_path / "x.parquet").stat().st_size
    assert peak(lambda: deque(parquet(tmp_path / "x.parquet", Tally(), None), maxlen=0)) < size / 2
    assert len(read(tmp_path).texts) == 2000


def test_of_a_large_corpus_documents_evenly_spaced_make_the_vocabulary(monkeypatch):
    documents = from_texts([f"The text of number {i}. It has two sentences." for i in range(100)])
    learned, train = [], vocabulary.train
    monkeypatch.setattr(vocabulary, "train", lambda texts, *a, **k: learned.append(texts) or train(texts, *a, **k))
    recipes.crop(documents, dim=4)
    monkeypatch.setattr(start, "LEARNED", sum(map(len, documents.texts)) // 4)
    recipes.crop(documents, dim=4)
    assert len(learned[0]) == 100
    assert list(learned[1]) == list(documents.texts)[::5]
