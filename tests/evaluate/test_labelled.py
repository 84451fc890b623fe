"""Labelled tables: how they are split, and what is wrong with one."""

import gzip

import numpy as np
import pytest

from diptych.core import DataError
from diptych.evaluate.columns import tables
from diptych.evaluate.labelled import read
from diptych.evaluate.split import split
from diptych.evaluate.suites import clustering, knn, linear, pairs, probing, transfer


def rows(*labels, **others):
    return [{"text": f"{i}", "label": label, **others} for i, label in enumerate(labels)]


def test_given_parts_are_kept_and_dev_has_many_names(table):
    parts = [("train", 0), ("train", 1), ("validation", 0), ("test", 1), ("train", 0)]
    path = table("a.jsonl", [{"text": "x", "label": label, "split": part} for part, label in parts])
    found = read(path).parts()
    assert (found.train.tolist(), found.dev.tolist(), found.test.tolist()) == ([0, 1, 4], [2], [3])
    assert found.of_test == "test rows"


@pytest.mark.parametrize("more", [{}, {"split": "all"}])
def test_without_parts_the_test_is_the_projects_tenth(table, more):
    data = read(table("a.jsonl", rows(*"ab" * 20, **more)))
    parts = data.parts()
    assert (parts.train.tolist(), parts.test.tolist()) == tuple(x.tolist() for x in split(40))
    assert parts.dev is None
    assert "tenth" in parts.of_test


def test_numbers_and_their_strings_are_one_label(table):
    data = read(table("a.jsonl", rows(1, "1", 0, 1.0)))
    assert (data.names, data.classes.tolist()) == (["0", "1"], [1, 1, 0, 1])


def test_rows_without_a_label_are_left_out_where_that_is_said(table):
    path = table("a.jsonl", rows("a", None, "b", " ", "a"))
    data = read(path, sparing=True)
    assert (data.texts, data.classes.tolist()) == ((["0", "2", "4"],), [0, 1, 0])
    assert clustering.tasks(path)[0].notes == ["a: no label, and left out: 2 of 5 rows"]
    with pytest.raises(DataError, match=r"a\.jsonl: no label: 2 of 5 rows, as row 2"):
        read(path)


def labelled(split, n, label=lambda i: "ab"[i % 2]):
    return [{"text": f"{i}", "label": label(i), "split": split} for i in range(n)]


@pytest.mark.parametrize("suite", [knn, linear], ids=["knn", "linear"])
@pytest.mark.parametrize(("label", "said"), [(None, "no row of the split 'test' has a label"), (-1, "labelled '-1'")])
def test_a_given_test_without_labels_is_not_replaced_by_training_rows(table, suite, label, said):
    """As GLUE's are: null, or -1."""
    path = table("a.jsonl", labelled("train", 60) + labelled("test", 30, lambda _: label))
    with pytest.raises(DataError, match=f"a: .*{said}"):
        suite.tasks(path)


def test_places_of_given_parts_are_those_of_labelled_rows(table):
    some = labelled("test", 4, lambda i: "ab"[i % 2] if i > 1 else None)
    path = table("a.jsonl", some + labelled("dev", 3, lambda _: None) + labelled("train", 12))
    [task] = knn.tasks(path)
    assert (task.parts.test.tolist(), task.parts.dev, task.parts.train.tolist()) == ([0, 1], None, [*range(2, 14)])
    assert task.notes == ["a: no label, and left out: 5 of 19 rows"]


@pytest.mark.parametrize("suite", [knn, linear, probing], ids=["knn", "linear", "probing"])
def test_a_random_tenth_is_told(table, suite):
    [task] = suite.tasks(table("a.jsonl", labelled("train", 40)))
    assert task.notes == ["a: no split is given, so a random tenth of the rows, 4, is the test"]
    [task] = suite.tasks(table("a.jsonl", labelled("train", 40) + labelled("test", 4)))
    assert task.notes == []


def test_rows_that_were_cut_are_told(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\nx,1\ny, and more,0\nz,0\nw,1\n")
    [task] = clustering.tasks(tmp_path)
    assert task.notes == ["a.csv: 1 row with more or fewer fields than the header; kept if the text is there"]
    (tmp_path / "a.csv").write_text("sentence1,sentence2,label\nx,y,1\nx,y,0,more\n")
    [task] = pairs.tasks(tmp_path)
    assert "a.csv: 1 row with more or fewer" in task.notes[-1]


def test_csv_and_packed_tables_are_tables_and_text_is_none(tmp_path):
    (tmp_path / "b.csv").write_text("text,label\nx,1\ny,0\n")
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(b'{"text": "x", "label": 1}\n{"text": "y", "label": 2}\n'))
    (tmp_path / "README.md").write_text("text")
    assert [read(path).name for path in tables(tmp_path)] == ["a", "b"]


BAD = {
    "no label column": ([{"text": "x"}], "no column 'label'; there are 'text'"),
    "no text column": ([{"body": "x", "label": 1}], "no column 'text'; there are 'body', 'label'"),
    "neither": ([{"body": "x"}], "no column 'text', 'label'"),
    "no label at all": (rows(None, None), "no label: 2 of 2 rows, as row 1"),
    "one class": (rows(*"aaaa"), "one class, 'a'"),
    "a number for text": ([{"text": 7, "label": 1}, {"text": "", "label": 0}], "row 1: 'text' is to hold text.*7"),
    "no rows": ([], "has no rows"),
}
EVERYWHERE = [clustering, knn, linear, probing, transfer]


@pytest.mark.parametrize("suite", EVERYWHERE, ids=lambda x: x.__name__.rpartition(".")[2])
@pytest.mark.parametrize("bad", BAD)
def test_what_is_wrong_with_a_table_is_said_before_a_text_is_embedded(table, suite, bad):
    given, said = BAD[bad]
    path = table("mr.jsonl", given)
    with pytest.raises(DataError, match=rf"mr\.jsonl.*{said}"):
        suite.tasks(path.parent)


SPLITS = {
    "no test": (["train", "train", "dev"], "no row is of the split 'test'; there are 'dev', 'train'"),
    "no train": (["test", "test", "dev"], "no row is of the split 'train'; there are 'dev', 'test'"),
    "unknown": (["train", "held", "test"], "no split 'held'; splits are train"),
    "one class": (["train", "test", "train"], "training rows are of one class, 'a'"),
}


@pytest.mark.parametrize("suite", [knn, linear, probing], ids=lambda x: x.__name__.rpartition(".")[2])
@pytest.mark.parametrize("bad", SPLITS)
def test_an_empty_split_is_named(table, suite, bad):
    parts, said = SPLITS[bad]
    labels = "aba"
    path = table("x.jsonl", [{"text": "1", "label": y, "split": s} for y, s in zip(labels, parts, strict=True)])
    with pytest.raises(DataError, match=f"x.*{said}"):
        suite.tasks(path)


def test_a_folder_without_tables_and_none_at_all(tmp_path):
    with pytest.raises(DataError, match="no table in"):
        knn.tasks(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        knn.tasks(tmp_path / "nowhere")


def test_two_rows_of_one_split_are_split_by_chance_and_one_row_cannot(table):
    with pytest.raises(DataError, match="one class"):
        read(table("a.jsonl", rows("a")))
    assert np.sort([*(parts := read(table("b.jsonl", rows("a", "b", "a", "b"))).parts()).train, *parts.test]).size == 4
