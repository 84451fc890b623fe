"""Average precision of pairs, on small files."""

import json

import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from diptych.core import DataError
from diptych.evaluate.asked import notes, run
from diptych.evaluate.suites import tasks

COSINES = [0.9, 0.8, 0.7, 0.6, 0.5, 0.4]
LABELS = [1, 0, 1, 1, 0, 0]


def encode(texts):
    angles = [0.0 if t == "one" else np.arccos(COSINES[int(t[1:])]) for t in texts]
    return np.stack([np.cos(angles), np.sin(angles)], 1)


def rows(**more):
    return [{"sentence1": "one", "sentence2": f"s{i}", "label": x, **more} for i, x in enumerate(LABELS)]


def write(folder, name, told):
    (folder / name).write_text("".join(json.dumps(row) + "\n" for row in told))


def test_it_is_average_precision_of_cosine_with_a_bootstrap_around_it(tmp_path):
    write(tmp_path, "mrpc.jsonl", rows())
    (line,) = run(tasks("pairs", tmp_path), encode).results
    assert line.value == pytest.approx(100 * average_precision_score(LABELS, COSINES))
    assert (line.task, line.metric, line.n, line.main) == ("mrpc", "average_precision", 6, True)
    assert line.low <= line.value <= line.high
    assert line.how == "bootstrap over 6 pairs"


def test_with_splits_the_test_pairs_count(tmp_path):
    told = rows()
    for i, row in enumerate(told):
        row["split"] = "test" if i > 1 else "train"
    write(tmp_path, "mrpc.jsonl", told)
    (line,) = run(tasks("pairs", tmp_path), encode).results
    assert (line.value, line.n) == (pytest.approx(100 * average_precision_score(LABELS[2:], COSINES[2:])), 4)


def test_a_test_without_labels_is_not_replaced_by_what_is_there(tmp_path):
    told = [row | {"split": "train"} for row in rows()] + [row | {"split": "test", "label": None} for row in rows()]
    write(tmp_path, "mrpc.jsonl", told)
    with pytest.raises(DataError, match="no pair of the split 'test' has a label"):
        tasks("pairs", tmp_path)


def test_tables_of_something_else_are_passed_over_and_pairs_without_label_counted(tmp_path):
    write(tmp_path, "mr.jsonl", [{"text": "a", "label": 1}])
    write(tmp_path, "other.jsonl", [*rows()[:5], rows()[5] | {"label": None}])
    (task,) = tasks("pairs", tmp_path)
    assert task.name == "other"
    assert notes([task]) == ["other.jsonl: no label, and left out: 1 of 6 pairs"]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([1] * 6, "6 of 6 pairs with the label 1; some of each label are needed"),
        ([0] * 6, "0 of 6 pairs with the label 1"),
        ([0, 1, 2, 0, 1, 1], "row 3: 'label' is to be from 0 to 1, but it is 2"),
        ([0, 1, 0.5, 0, 1, 1], "labels are 1 .a paraphrase. and 0; got 0.5"),
        (["no", 1, 0, 0, 1, 1], "row 1: 'label' is to be a number, but it is 'no'"),
        ([None] * 6, "0 of 0 pairs with the label 1"),
    ],
)
def test_labels_that_cannot_be_used_say_why(tmp_path, labels, message):
    write(tmp_path, "mrpc.jsonl", [row | {"label": x} for row, x in zip(rows(), labels, strict=True)])
    with pytest.raises(DataError, match=message):
        tasks("pairs", tmp_path)


def test_a_folder_without_pairs_says_what_columns_they_have(tmp_path):
    write(tmp_path, "mr.jsonl", [{"text": "a", "label": 1}])
    with pytest.raises(DataError, match="has the columns sentence1, sentence2, label"):
        tasks("pairs", tmp_path)
