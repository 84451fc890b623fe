import dataclasses
import json
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import sparse

from diptych.evaluate import METRICS, TfIdf, judge, split, train_only
from diptych.evaluate.score import accuracy

WITH_LABELS, WITHOUT = METRICS[:4], METRICS[4:]


def corpus(n=300, classes=3, seed=0):
    """Texts of which a third of the words tell the class."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    texts = [
        " ".join([*(f"topic{c}x{i}" for i in rng.integers(0, 30, 8)), *(f"word{i}" for i in rng.integers(0, 60, 16))])
        for c in y
    ]
    return SimpleNamespace(texts=texts, labels=[f"class {c}" for c in y])


def pairs(documents):
    return [t[: len(t) // 2] for t in documents.texts], [t[len(t) // 2 :] for t in documents.texts]


def lengths_of_words(texts):
    """A poor model: a dense row per text."""
    return np.array([np.bincount([hash_of(w) for w in t.split()], minlength=16) for t in texts], np.float32)


def hash_of(word):
    return sum(map(ord, word)) % 16


class Counting:
    def __init__(self):
        self.calls = []

    def __call__(self, texts):
        self.calls.append(len(texts))
        return lengths_of_words(texts)


@pytest.fixture(scope="module")
def judged():
    documents = corpus()
    rows = {"model": lengths_of_words, "untrained": None, "tfidf": TfIdf()}
    return judge(rows, documents, pairs(documents))


def test_every_row_has_every_metric_and_a_row_that_is_none_stays_none(judged):
    assert list(judged.scores) == ["model", "untrained", "tfidf"]
    assert judged.scores["untrained"] is judged.errors["untrained"] is None
    for name in ("model", "tfidf"):
        assert list(judged.scores[name]) == list(METRICS)
        assert all(isinstance(judged.scores[name][m], float) for m in METRICS)
        assert all(0 <= judged.scores[name][m] <= 1 for m in METRICS[:5])
        assert 0 <= judged.scores[name]["alignment"] <= 4
        assert -8 <= judged.scores[name]["uniformity"] <= 0


def test_errors_of_accuracies_are_binomial_and_all_others_are_there(judged):
    for name in ("model", "tfidf"):
        for m, n in [("knn", 30), ("knn_cosine", 30), ("linear", 30), ("crop_retrieval", 300)]:
            right = np.arange(n) < round(judged.scores[name][m] * n)
            assert judged.errors[name][m] == accuracy(right).error
        assert all(judged.errors[name][m] >= 0 for m in METRICS)


def test_counts_are_told(judged):
    assert (judged.documents, judged.labelled, judged.classes, judged.test, judged.pairs) == (300, 300, 3, 30, 300)
    assert judged.notes == []


def test_the_first_row_is_compared_with_each_other_row_on_the_same_items(judged):
    assert set(judged.paired) == {"knn", "knn_cosine", "linear", "crop_retrieval"}
    for metric, others in judged.paired.items():
        assert list(others) == ["tfidf"]
        expected = judged.scores["model"][metric] - judged.scores["tfidf"][metric]
        assert others["tfidf"].difference == pytest.approx(expected)
        assert others["tfidf"].low <= expected <= others["tfidf"].high


def test_a_judgement_is_json(judged):
    assert json.loads(json.dumps(dataclasses.asdict(judged)))["scores"]["untrained"] is None


def test_tfidf_beats_a_poor_model_where_words_tell_the_class(judged):
    for metric in WITH_LABELS:
        assert judged.scores["tfidf"][metric] > judged.scores["model"][metric]


def test_knn_minds_the_length_of_rows_and_knn_cosine_does_not():
    documents, rng = corpus(), np.random.default_rng(0)
    lengths = rng.uniform(0.01, 100, (300, 1))
    rows = {"even": lengths_of_words, "uneven": lambda texts: lengths * lengths_of_words(texts)}
    scores = judge(rows, documents, only=["knn", "knn_cosine"]).scores
    assert scores["even"]["knn_cosine"] == scores["uneven"]["knn_cosine"]
    assert scores["even"]["knn"] != scores["uneven"]["knn"] != scores["uneven"]["knn_cosine"]


def test_the_same_call_gives_the_same_scores(judged):
    documents = corpus()
    again = judge({"model": lengths_of_words, "tfidf": TfIdf()}, documents, pairs(documents))
    assert again.scores["model"] == judged.scores["model"]
    assert again.scores["tfidf"] == judged.scores["tfidf"]


def test_documents_are_encoded_once_and_crops_once():
    documents, row = corpus(), Counting()
    judge({"model": row}, documents, pairs(documents))
    assert row.calls == [300, 600]


def test_only_what_is_wanted_is_computed():
    documents, row = corpus(), Counting()
    judged = judge({"model": row}, documents, pairs(documents), only=["knn"])
    assert row.calls == [300]
    assert [m for m in METRICS if judged.scores["model"][m] is not None] == ["knn"]
    assert set(judged.seconds["model"]) == {"encode", "knn"}


def test_an_unknown_metric_is_answered_with_the_nearest():
    with pytest.raises(ValueError, match="no metric 'vmeasure'; the nearest is 'v_measure'"):
        judge({}, corpus(), only=["vmeasure"])


@pytest.mark.parametrize("labels", [None, [None] * 300])
def test_without_labels_the_other_metrics_are_there_and_a_note_says_so(labels):
    documents, row = corpus(), Counting()
    documents.labels = labels
    judged = judge({"model": row, "tfidf": TfIdf()}, documents, pairs(documents))
    for name in ("model", "tfidf"):
        assert all(judged.scores[name][m] is None for m in WITH_LABELS)
        assert all(judged.scores[name][m] is not None for m in WITHOUT)
    assert judged.notes == ["No labels: only crop_retrieval, alignment and uniformity."]
    assert row.calls == [600]


def test_tfidf_counts_the_words_of_all_documents_even_where_only_crops_are_asked():
    documents, row = corpus(), TfIdf()
    judge({"tfidf": row}, documents, (documents.texts[:5], documents.texts[5:10]), only=["alignment"])
    expected = TfIdf().fit(documents.texts).vectorizer.vocabulary_
    assert row.vectorizer.vocabulary_ == expected


def test_unlabelled_documents_are_dropped():
    documents, row = corpus(), Counting()
    documents.labels[::2] = [None] * 150
    judged = judge({"model": row}, documents, only=["knn"])
    assert (judged.documents, judged.labelled, judged.test) == (300, 150, 15)
    labelled = SimpleNamespace(texts=documents.texts[1::2], labels=documents.labels[1::2])
    assert judged.scores == judge({"model": row}, labelled, only=["knn"]).scores
    assert row.calls == [150, 150]


def test_without_pairs_the_crop_metrics_are_none_and_a_note_says_so():
    judged = judge({"model": lengths_of_words}, corpus(), (["one crop"], ["another"]))
    assert all(judged.scores["model"][m] is None for m in WITHOUT)
    assert judged.scores["model"]["knn"] is not None
    assert judged.notes == ["1 pair of crops: crop_retrieval, alignment and uniformity need at least 2."]


def test_pairs_beyond_two_thousand_are_drawn_by_the_seed():
    documents, row = corpus(2500), Counting()
    one = judge({"model": row}, documents, pairs(documents), only=WITHOUT)
    assert (one.pairs, row.calls) == (2000, [4000])
    assert one.scores == judge({"model": row}, documents, pairs(documents), only=WITHOUT).scores
    assert one.scores != judge({"model": row}, documents, pairs(documents), only=WITHOUT, seed=1).scores


def test_pairs_of_different_numbers_are_refused():
    with pytest.raises(ValueError, match="got 1 and 2"):
        judge({}, corpus(), (["a"], ["b", "c"]))


def test_one_class_is_nothing_to_tell_apart():
    documents = corpus(classes=1)
    judged = judge({"model": lengths_of_words}, documents, pairs(documents))
    assert all(judged.scores["model"][m] is None for m in WITH_LABELS)
    assert judged.notes == [
        "One class only, so nothing can be told apart: only crop_retrieval, alignment and uniformity."
    ]


def test_a_handful_of_labels_says_nothing():
    documents = corpus(19)
    judged = judge({"model": lengths_of_words}, documents, pairs(documents))
    assert all(judged.scores["model"][m] is None for m in WITH_LABELS)
    assert judged.notes[0].startswith("19 labelled documents, fewer than 20")
    assert judge({"model": lengths_of_words}, corpus(20)).scores["model"]["knn"] is not None


def test_a_class_of_one_document_is_told_and_cannot_be_right():
    documents = corpus(40)
    test = split(40)[1]
    documents.labels[test[0]] = "alone"
    documents.labels[split(40)[0][0]] = "alone too"
    judged = judge({"model": lengths_of_words, "tfidf": TfIdf()}, documents)
    assert judged.notes[:2] == [
        "2 classes of one document cannot be in both parts.",
        "1 test document of a class with no training document: none can be right.",
    ]
    assert all(judged.scores["tfidf"][m] <= 0.75 for m in ("knn", "linear"))


def test_two_classes_of_which_training_has_one_are_handled():
    documents = corpus(30, classes=1)
    documents.labels[split(30)[1][0]] = "other"
    judged = judge({"model": lengths_of_words, "tfidf": TfIdf()}, documents)
    assert judged.scores["model"]["linear"] == judged.scores["tfidf"]["knn"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_matrix])
def test_embeddings_that_are_not_numbers_are_refused_with_their_count(kind):
    def broken(texts):
        rows = lengths_of_words(texts)
        rows[1, 3] = np.nan
        rows[5, 3:5] = np.inf
        return kind(rows)

    with pytest.raises(ValueError, match="model gave NaN or infinite embeddings for 2 of 300 texts"):
        judge({"model": broken}, corpus(), only=["knn"])


def test_embeddings_of_the_wrong_number_are_refused():
    with pytest.raises(ValueError, match=r"model gave embeddings of shape \(299, 16\) for 300 texts"):
        judge({"model": lambda texts: lengths_of_words(texts)[1:]}, corpus(), only=["knn"])


def test_a_collapsed_model_gets_poor_scores_and_no_error():
    documents = corpus()
    judged = judge({"model": lambda texts: np.ones((len(texts), 8), np.float32)}, documents, pairs(documents))
    assert judged.scores["model"]["v_measure"] == pytest.approx(0, abs=1e-9)
    assert judged.scores["model"]["crop_retrieval"] == pytest.approx(1 / 300)
    assert judged.scores["model"]["uniformity"] == pytest.approx(0, abs=1e-5)


def test_texts_without_words_leave_tfidf_out_and_say_so():
    documents = SimpleNamespace(texts=["1 . 2", "?"] * 20, labels=["a", "b"] * 20)
    judged = judge({"model": lengths_of_words, "tfidf": TfIdf()}, documents, only=["knn"])
    assert judged.scores["tfidf"] is None
    assert judged.notes == ["TF-IDF finds no words of two or more letters in 40 texts."]


def test_the_split_is_that_of_the_paper():
    from sklearn.model_selection import train_test_split

    train, test = split(100)
    expected = train_test_split(range(100), test_size=0.1, random_state=42)
    assert [train.tolist(), test.tolist()] == expected


def test_train_only_is_every_document_but_those_asked_about():
    labels = ["a", None, "b", "a", "b"] * 20
    kept = train_only(100, labels)
    places = np.array([i for i in range(100) if labels[i]])
    assert set(range(100)) - set(kept) == set(places[split(80)[1]])
    assert len(kept) == 92
    assert len(train_only(100, ["a"] * 100)) == 90
    assert len(train_only(100, None)) == 100
