"""What of a corpus is judged."""

import numpy as np
import pytest

from diptych.core import Encoder
from diptych.data.documents import from_texts
from diptych.evaluate.split import labelled, split, train_only
from diptych.judging import texts


class Recording(Encoder):
    """Remembers the texts it was asked for."""

    def __init__(self):
        super().__init__()
        self.asked = []

    def encode(self, texts):
        self.asked += texts
        return np.array([[len(text), text.count("1"), 1] for text in texts], np.float32)

    layers = property(lambda self: [])
    prepare = size = collate = forward = save = None


def corpus(labels):
    return from_texts([f"Text number {i}. It has two sentences." for i in range(len(labels))], labels)


def test_a_corpus_that_is_not_too_large_is_judged_whole():
    encoder, documents = Recording(), corpus(list("ab") * 50)
    judgement = texts.examine(encoder, None, documents, only=["knn"])
    assert encoder.asked == list(documents.texts)
    assert (judgement.documents, judgement.test, judgement.notes) == (100, 10, [])


def test_few_labels_in_a_large_corpus_are_all_judged(monkeypatch):
    monkeypatch.setattr(texts, "MOST", 60)
    encoder, documents = Recording(), corpus([("a", "b")[i % 4 // 2] if i % 10 < 2 else None for i in range(200)])
    judgement = texts.examine(encoder, None, documents, only=["knn"])
    assert (judgement.documents, judgement.labelled, judgement.test) == (60, 40, 4)
    assert encoder.asked == [documents.texts[i] for i in labelled(documents.labels)]
    assert judgement.notes[0] == "Judged on 60 of 200 documents, drawn at random, labelled ones first."


@pytest.mark.parametrize("seed", [0, 1])
def test_what_train_only_leaves_out_is_what_a_part_is_tested_on(monkeypatch, seed):
    monkeypatch.setattr(texts, "MOST", 60)
    encoder, documents = Recording(), corpus(list("ab") * 100)
    judgement = texts.examine(encoder, None, documents, only=["knn"], seed=seed)
    tested = {encoder.asked[i] for i in split(60)[1]}
    assert len(tested) == judgement.test == 6
    assert not tested & set(documents.select(train_only(200, documents.labels)).texts)
