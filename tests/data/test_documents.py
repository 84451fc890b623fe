import gzip
import json
import multiprocessing
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from writers import WRITERS, write

from diptych.data.documents import from_texts, read

TEXTS = ['A first text. It has é, 你 and "quotes".', "Two\nlines, and\ta tab.", "Three; 3.5 {json}"]
LABELS = ["a", None, "b"]
FORMATS = [name + gz for name in WRITERS for gz in ("", ".gz")]

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), min_size=1).filter(str.strip)
labels = st.none() | st.sampled_from(["a", "7", "é ü"])
rows = st.lists(st.tuples(texts, labels), min_size=1, max_size=8)
often = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.mark.parametrize("name", FORMATS)
@often
@given(rows=rows)
def test_what_was_written_is_read(name, rows, tmp_path_factory):
    written, labels = map(list, zip(*rows, strict=True))
    documents = read(write(tmp_path_factory.mktemp("written") / name, written, labels))
    assert list(documents.texts) == written
    assert list(documents.labels or [None] * len(written)) == labels


@often
@given(written=st.lists(texts, min_size=1, max_size=8))
def test_a_folder_of_text_files_is_read_in_the_order_of_their_names(written, tmp_path_factory):
    folder = tmp_path_factory.mktemp("folder")
    for i, text in enumerate(written):
        (folder / f"{i}").mkdir()
        (folder / f"{i}" / ("a.txt", "a.md")[i % 2]).write_text(text, newline="")
    documents = read(folder)
    assert list(documents.texts) == written
    assert documents.labels is None


def test_a_folder_of_text_files_may_hold_compressed_ones(tmp_path):
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(b"one"))
    (tmp_path / "b.md").write_text("two")
    assert list(read(tmp_path).texts) == ["one", "two"]


@pytest.mark.parametrize("name", ["x.txt", "x.md", "x.txt.gz"])
@often
@given(lines=st.lists(st.text("ab é.\t", min_size=1).filter(str.strip), min_size=1, max_size=8))
def test_a_text_file_without_blank_lines_has_a_document_per_line(name, lines, tmp_path_factory):
    path = tmp_path_factory.mktemp("lines") / name
    raw = "\n".join(lines).encode()
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    documents = read(path)
    assert list(documents.texts) == lines
    assert "a document is a line" in documents.notes[0]


@often
@given(
    paragraphs=st.lists(st.lists(st.text("ab é.", min_size=1).filter(str.strip), min_size=1), min_size=2, max_size=5),
    blank=st.sampled_from(["\n", "\n \n\n", "\t\n"]),
)
def test_a_text_file_with_blank_lines_has_documents_between_them(paragraphs, blank, tmp_path_factory):
    path = tmp_path_factory.mktemp("paragraphs") / "x.txt"
    written = ["\n".join(lines) for lines in paragraphs]
    path.write_text("\n" + f"\n{blank}".join(written) + "\n\n")
    documents = read(path)
    assert list(documents.texts) == written
    assert "a document ends at a blank line" in documents.notes[0]


def test_a_few_stray_blank_lines_do_not_glue_lines_together(tmp_path):
    lines = [f"line {i}" for i in range(500)]
    (tmp_path / "x.txt").write_text("\n".join([*lines[:250], "", *lines[250:]]))
    assert list(read(tmp_path / "x.txt").texts) == lines


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("name", ["x.txt", "x.jsonl", "x.csv", "x.json"])
def test_byte_order_marks_are_understood(name, encoding, tmp_path):
    raw = {
        "x.txt": "é one\n",
        "x.jsonl": '{"text": "é one"}\n',
        "x.csv": "text\né one\n",
        "x.json": '[{"text": "é one"}]',
    }
    (tmp_path / name).write_text(raw[name], encoding=encoding)
    assert list(read(tmp_path / name).texts) == ["é one"]


# ---------------------------------------------------------------- shards


@pytest.mark.parametrize("name", ["x.jsonl", "x.csv", "x.parquet.gz"])
def test_a_folder_of_shards_is_one_corpus(name, tmp_path):
    for i, text in enumerate(TEXTS):
        (tmp_path / f"part{i}").mkdir()
        write(tmp_path / f"part{i}" / name, [text], ["abc"[i]])
    documents = read(tmp_path)
    assert list(documents.texts) == TEXTS
    assert list(documents.labels) == ["a", "b", "c"]


def test_a_readme_beside_shards_is_not_read_and_that_is_said(tmp_path):
    (tmp_path / "README.md").write_text("read me")
    write(tmp_path / "x.jsonl", TEXTS * 10)
    documents = read(tmp_path)
    assert len(documents) == 30
    assert "1 file not read, of another format (.md)" in documents.notes


@pytest.mark.parametrize("name", ["x.jsonl", "y.json", "x.csv", "x.parquet.gz"])
def test_a_readme_longer_than_the_table_is_not_taken_for_the_corpus(name, tmp_path):
    write(tmp_path / name, TEXTS)
    (tmp_path / "README.md").write_text("read me " * 10_000)
    documents = read(tmp_path)
    assert list(documents.texts) == TEXTS
    assert "1 file not read, of another format (.md)" in documents.notes


def test_a_table_about_text_files_is_not_taken_for_the_corpus(tmp_path):
    (tmp_path / "files.csv").write_text("file,year\na.txt,2001\n")
    (tmp_path / "package.json").write_text('{\n "text": 3\n}')
    (tmp_path / "a.txt").write_text("a text " * 20)
    assert list(read(tmp_path).texts) == ["a text " * 20]
    assert list(read(tmp_path, text_column="file").texts) == ["a.txt"]


@pytest.mark.parametrize("name", ["x.txt.gz", "x.jsonl.gz", "x.json.gz", "x.csv.gz", "x.tsv.gz", "x.parquet.gz"])
def test_endings_may_be_in_capitals(name, tmp_path):
    raw = gzip.compress(b"one\ntwo") if name == "x.txt.gz" else write(tmp_path / name, ["one", "two"]).read_bytes()
    capital = tmp_path / name.upper()
    capital.write_bytes(raw)
    assert list(read(capital).texts) == ["one", "two"]
    plain = tmp_path / "folder" / name.upper().removesuffix(".GZ")
    plain.parent.mkdir()
    plain.write_bytes(gzip.decompress(raw))
    assert len(read(plain).texts) == 2
    assert len(read(plain.parent).texts) == (1 if name == "x.txt.gz" else 2)


def test_files_that_are_put_beside_later_are_told_too(tmp_path):
    write(tmp_path / "x.jsonl", TEXTS)
    assert len(read(tmp_path).notes) == 1
    (tmp_path / "y.pdf").write_text("pdf")
    assert "1 file not read, of another format (.pdf)" in read(tmp_path).notes


def test_hidden_files_are_no_documents(tmp_path):
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "x.txt").write_text("no")
    (tmp_path / ".x.txt").write_text("no")
    (tmp_path / "x.txt").write_text("yes")
    assert list(read(tmp_path).texts) == ["yes"]


def test_a_saved_hugging_face_data_set_is_read_with_the_names_of_its_classes(tmp_path):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features(
        text=datasets.Value("string"), label=datasets.ClassLabel(names=["no", "yes"]), other=[datasets.Value("int32")]
    )
    data = datasets.Dataset.from_dict(
        {"text": TEXTS, "label": [1, 0, None], "other": [[1], [2], [3]]}, features=features
    )
    data.save_to_disk(tmp_path / "one")
    datasets.DatasetDict(train=data, test=data).save_to_disk(tmp_path / "two")
    one, two = read(tmp_path / "one"), read(tmp_path / "two")
    assert list(one.texts) == TEXTS
    assert list(one.labels) == ["yes", "no", None]
    assert len(two) == 6


def test_a_hub_id_is_loaded_with_datasets(monkeypatch):
    datasets = pytest.importorskip("datasets")
    data = datasets.DatasetDict(train=datasets.Dataset.from_dict({"text": TEXTS}))
    monkeypatch.setattr(datasets, "load_dataset", lambda name: {"owner/name": data}[name])
    assert list(read("owner/name").texts) == TEXTS


def test_a_hub_id_that_does_not_load_is_told_from_a_path(monkeypatch):
    datasets = pytest.importorskip("datasets")

    def offline(name):
        raise ConnectionError("no network")

    monkeypatch.setattr(datasets, "load_dataset", offline)
    with pytest.raises(FileNotFoundError, match=r"no file or folder owner/name.*no network"):
        read("owner/name")


def test_the_error_names_the_extra_when_datasets_is_missing(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ImportError, match=r"diptych\[hub\]"):
        read("owner/name")
    (tmp_path / "dataset_dict.json").write_text("{}")
    with pytest.raises(ImportError, match=r"diptych\[hub\]"):
        read(tmp_path)


# ---------------------------------------------------------------- Documents


def test_texts_behave_as_a_list_does():
    written = [f"text {i}" for i in range(10_000)]
    texts = from_texts(written).texts
    assert texts[0] == written[0]
    assert texts[-1] == written[-1]
    assert texts[9_999] == written[9_999]
    for part in (slice(3, 9), slice(None, None, -7), slice(-5, None), slice(5, 2)):
        assert list(texts[part]) == written[part]
    assert texts[10:100][5:][0] == written[15]
    with pytest.raises(IndexError):
        texts[10_000]


def test_selected_documents_keep_their_labels_and_have_a_fingerprint_of_their_own():
    documents = from_texts(["a", "b", "c"], [1, None, 2.0])
    some = documents.select([2, 0, -2])
    assert list(some.texts) == ["c", "a", "b"]
    assert list(some.labels) == ["2", "1", None]
    assert list(some.select(np.array([1])).texts) == ["a"]
    assert len({documents.fingerprint, some.fingerprint, documents.select([0, 2, 1]).fingerprint}) == 3
    with pytest.raises(IndexError, match="3 documents"):
        documents.select([3])
    with pytest.raises(ValueError, match="at least one"):
        documents.select([])


def test_unique_keeps_the_first_of_equal_texts_and_counts_the_others():
    documents = from_texts(["a", "b", "a", "c", "b", "a"], list("123456"))
    unique = documents.unique()
    assert list(unique.texts) == ["a", "b", "c"]
    assert list(unique.labels) == ["1", "2", "4"]
    assert unique.notes[-1].startswith("3 documents left out")
    assert unique.unique() is unique


def test_the_fingerprint_is_of_the_content_and_not_of_the_format(tmp_path):
    marks = {read(write(tmp_path / name, TEXTS, LABELS)).fingerprint for name in FORMATS}
    assert marks == {from_texts(TEXTS, LABELS).fingerprint}
    others = [from_texts(TEXTS), from_texts(TEXTS[::-1], LABELS), from_texts(TEXTS, ["a", "", "c"])]
    assert len(marks | {x.fingerprint for x in others}) == 4


def test_python_texts_are_checked():
    with pytest.raises(TypeError, match="number 1 is 3"):
        from_texts(["a", 3])
    with pytest.raises(ValueError, match=r"2 texts and 1 label$"):
        from_texts(["a", "b"], ["x"])
    assert from_texts(["a", None, " "], ["x", "y", "z"]).notes[1].startswith("2 documents skipped")


# ---------------------------------------------------------------- the cache


def test_a_changed_file_is_read_again(tmp_path):
    path = write(tmp_path / "x.jsonl", ["old"])
    stat = path.stat()
    assert list(read(path).texts) == ["old"]
    write(path, ["new"])
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    assert list(read(path).texts) == ["new"]


def test_other_columns_are_another_corpus(tmp_path):
    (tmp_path / "x.csv").write_text("text,other,label\none,two,x\n")
    assert list(read(tmp_path / "x.csv").texts) == ["one"]
    assert list(read(tmp_path / "x.csv", text_column="other").texts) == ["two"]
    assert list(read(tmp_path / "x.csv", label_column="other").labels) == ["two"]


def test_processes_that_read_the_same_file_at_once_agree(tmp_path):
    path = write(tmp_path / "x.jsonl", TEXTS * 2000)
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        assert len(set(pool.map(_fingerprint, [path] * 2, chunksize=1))) == 1


def _fingerprint(path):
    return read(path).fingerprint


@pytest.mark.slow
def test_a_corpus_larger_than_the_memory_allowed_is_read(tmp_path):
    """400 MB of documents, in a process that may use 250 MB more than it has after importing."""
    path = tmp_path / "x.jsonl"
    line = json.dumps({"text": "word " * 20_000}) + "\n"
    with open(path, "w") as file:
        for i in range(4000):
            file.write(line.replace("word", f"w{i}", 1))
    program = (
        "import resource, sys; from diptych.data.documents import read\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "d = read(sys.argv[1])\n"
        "print(len(d), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    documents, kilobytes = map(int, done.stdout.split())
    assert documents == 4000
    assert kilobytes < 250_000
