"""What goes wrong with corpora: one clear error, or a counted skip. Nothing is lost in silence."""

import gzip
import json
import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from writers import write

from diptych.core import DataError
from diptych.data.documents import from_texts, read


def lines(path, *rows):
    path.write_text("\n".join(x if isinstance(x, str) else json.dumps(x) for x in rows))
    return path


def test_a_missing_path_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no file or folder .*gone\.jsonl"):
        read(tmp_path / "gone.jsonl")
    with pytest.raises(FileNotFoundError, match="no file or folder gone"):
        read("gone")


def test_a_mistyped_path_is_never_taken_for_a_hub_id(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets, "load_dataset", lambda name: pytest.fail("the network was asked"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for path in ("data/docs", "other/docs.jsonl", "/data/docs", "a/b/c", "~/docs", "../x"):
        with pytest.raises(FileNotFoundError):
            read(path)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_named(tmp_path):
    path = lines(tmp_path / "x.txt", "one")
    path.chmod(0)
    with pytest.raises(PermissionError, match=r"x\.txt"):
        read(path)


@pytest.mark.parametrize("name", ["x.txt", "x.md", "x.jsonl", "x.json", "x.csv", "x.tsv", "x.txt.gz", "x.jsonl.gz"])
@pytest.mark.parametrize("content", ["", "\n \n"])
def test_an_empty_file_has_no_document(name, content, tmp_path):
    raw = content.encode()
    (tmp_path / name).write_bytes(gzip.compress(raw) if name.endswith("gz") else raw)
    with pytest.raises(ValueError, match=f"no document in {name}"):
        read(tmp_path / name)


def test_an_empty_folder_has_no_document(tmp_path):
    with pytest.raises(ValueError, match="no document in"):
        read(tmp_path)
    (tmp_path / "x.pdf").write_text("x")
    with pytest.raises(ValueError, match=r"none of its 1 file.*\.txt"):
        read(tmp_path)


def test_an_unknown_format_is_answered_with_the_known_ones(tmp_path):
    (tmp_path / "x.docx").write_text("x")
    with pytest.raises(ValueError, match=r"no known format.*\.jsonl.*\.parquet"):
        read(tmp_path / "x.docx")


@pytest.mark.parametrize("name", ["x.txt", "x.jsonl", "x.csv"])
def test_a_binary_file_is_refused(name, tmp_path):
    (tmp_path / name).write_bytes(b"\x7fELF\0\0\1")
    with pytest.raises(ValueError, match=rf"{name} is a binary file"):
        read(tmp_path / name)


def test_binary_files_among_text_are_skipped_and_counted(tmp_path):
    for i in range(2):
        (tmp_path / f"{i}.txt").write_bytes(b"\x7fELF\0\0\1")
    with pytest.raises(ValueError, match=r"no document in .*2 files skipped: binary"):
        read(tmp_path)
    (tmp_path / "a.txt").write_text("text")
    documents = read(tmp_path)
    assert list(documents.texts) == ["text"]
    assert "2 files skipped: binary, not text" in documents.notes


def test_files_that_cannot_be_read_are_skipped_and_counted(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    (tmp_path / "b.txt").symlink_to(tmp_path / "gone")
    assert "1 file skipped: cannot be read" in read(tmp_path).notes


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
@pytest.mark.parametrize("name", ["x.txt", "x.jsonl"])
def test_pipes_and_devices_in_a_folder_are_not_opened_but_counted(name, tmp_path):
    (tmp_path / f"a{name[1:]}").write_text("one" if name == "x.txt" else '{"text": "one"}')
    os.mkfifo(tmp_path / name)
    (tmp_path / f"device{name}").symlink_to("/dev/zero")
    (tmp_path / f"link{name}").symlink_to(tmp_path / f"a{name[1:]}")
    documents = read(tmp_path)
    assert list(documents.texts) == ["one", "one"]
    assert "2 files not read: a pipe, a socket or a device" in documents.notes


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_is_refused_since_a_corpus_is_read_twice(tmp_path):
    os.mkfifo(tmp_path / "x.jsonl")
    with pytest.raises(ValueError, match=r"x\.jsonl is no regular file, but a pipe.*write it to a file"):
        read(tmp_path / "x.jsonl")
    inside, outside = os.pipe()
    os.close(outside)
    with pytest.raises(ValueError, match="no regular file"):
        read(f"/dev/fd/{inside}")
    os.close(inside)


@pytest.mark.skipif(os.name != "posix", reason="names are Unicode on this system")
def test_names_that_are_not_utf8_are_shown_as_far_as_they_are(tmp_path):
    place = tmp_path / os.fsdecode(b"caf\xe9")
    try:
        place.mkdir()
    except OSError:
        pytest.skip("names are Unicode on this disk")
    (place / os.fsdecode(b"\xe9.txt")).write_text("one")
    (place / os.fsdecode(b"x.\xe9")).write_text("other")
    documents = read(place)
    assert list(documents.texts) == ["one"]
    assert documents.notes[0].encode().startswith("1 document from caf\N{REPLACEMENT CHARACTER}:".encode())
    assert "(.\N{REPLACEMENT CHARACTER})" in documents.notes[1]


# ---------------------------------------------------------------- JSON lines


@pytest.mark.parametrize(
    ("broken", "there"),
    [('{"text": "a', '{"text": "a'), ('"text"', '"text"'), ("[1]", r"\[1\]"), ("3", "3"), ("[" * 100_000, r"\[\[\[")],
)
def test_a_broken_line_is_shown_with_its_file_and_number(broken, there, tmp_path):
    path = lines(tmp_path / "x.jsonl", {"text": "fine"}, "", broken, {"text": "fine"})
    with pytest.raises(ValueError, match=rf"x\.jsonl, line 3 is not.*{there}") as error:
        read(path)
    assert len(str(error.value)) < 300 + len(str(path))


def test_a_broken_line_far_down_leaves_nothing_in_the_cache(tmp_path, cache_folder):
    path = lines(tmp_path / "x.jsonl", *[{"text": f"fine {i}"} for i in range(5000)], '{"text": "cut o')
    with pytest.raises(ValueError, match="line 5001"):
        read(path)
    assert list((cache_folder / "documents").iterdir()) == []


def test_an_array_with_something_else_in_it_is_refused(tmp_path):
    with pytest.raises(ValueError, match="element 2 is not a JSON object"):
        read(lines(tmp_path / "x.json", '[{"text": "a"}, 3]'))
    with pytest.raises(ValueError, match="line 2 is not JSON"):
        read(lines(tmp_path / "x.json", '[{"text": "a"},', '{"text": ]'))


def test_halves_of_surrogate_pairs_are_replaced_and_counted(tmp_path):
    documents = read(lines(tmp_path / "x.jsonl", r'{"text": "a \ud83d b"}', r'{"text": "\ud83d\ude00"}'))
    assert list(documents.texts) == ["a \N{REPLACEMENT CHARACTER} b", "\N{GRINNING FACE}"]
    assert documents.notes[1].startswith("1 document with bytes or characters that are not Unicode")


# ---------------------------------------------------------------- encodings, empty, enormous


@pytest.mark.parametrize("name", ["x.txt", "x.csv", "x.jsonl", "folder"])
def test_bytes_that_are_not_utf8_are_replaced_and_their_documents_counted(name, tmp_path):
    raw = {
        "x.txt": "caf\xe9\nfine\n",
        "x.csv": "text\ncaf\xe9\nfine\n",
        "x.jsonl": '{"text": "caf\xe9"}\n{"text": "fine"}',
    }
    path = tmp_path / name
    if name == "folder":
        path.mkdir()
        (path / "a.txt").write_bytes(b"caf\xe9")
        (path / "b.txt").write_bytes(b"fine")
    else:
        path.write_bytes(raw[name].encode("latin-1"))
    documents = read(path)
    assert list(documents.texts) == ["caf\N{REPLACEMENT CHARACTER}", "fine"]
    assert documents.notes[1].startswith("1 document with bytes")


def test_a_replacement_character_that_was_there_is_no_fault(tmp_path):
    assert len(read(lines(tmp_path / "x.txt", "a \N{REPLACEMENT CHARACTER}")).notes) == 1


@pytest.mark.parametrize("name", ["x.jsonl", "x.parquet", "x.csv"])
def test_null_and_empty_documents_are_skipped_and_counted(name, tmp_path):
    documents = read(write(tmp_path / name, ["one", None, "", " \n\t", "two"], list("abcde")))
    assert list(documents.texts) == ["one", "two"]
    assert list(documents.labels) == ["a", "e"]
    assert "3 documents skipped: null, empty or only white space" in documents.notes


@pytest.mark.parametrize("name", ["x.jsonl", "x.parquet", "x.csv.gz"])
def test_a_document_of_ten_megabytes_is_kept(name, tmp_path):
    long = "a long, long text. " * 550_000
    documents = read(write(tmp_path / name, ["short", long]))
    assert documents.texts[1] == long


def test_equal_documents_are_kept_and_counted(tmp_path):
    documents = read(write(tmp_path / "x.jsonl", ["same"] * 5 + ["other"]))
    assert len(documents) == 6
    assert "4 documents word for word the same as an earlier one, kept" in documents.notes


# ---------------------------------------------------------------- tables


def test_a_wrong_column_is_answered_with_those_there_are(tmp_path):
    path = write(tmp_path / "x.jsonl", ["a"], ["b"])
    with pytest.raises(ValueError, match=r"x\.jsonl: there is no column 'body'; there are 'text', 'label'"):
        read(path, text_column="body")
    with pytest.raises(ValueError, match="no column 'klass'"):
        read(path, label_column="klass")
    with pytest.raises(ValueError, match="plain text and has no columns"):
        read(lines(tmp_path / "x.txt", "a"), text_column="body")


def test_a_column_of_numbers_is_no_text(tmp_path):
    path = lines(tmp_path / "x.jsonl", {"text": "a", "n": 3.5}, {"text": 4, "n": 3})
    with pytest.raises(ValueError, match=r"'n'.*row 1.*3\.5 \(float\)"):
        read(path, text_column="n")
    with pytest.raises(ValueError, match=r"'text'.*row 2.*4 \(int\)"):
        read(path)
    with pytest.raises(ValueError, match="no column holds text; there are 'n'"):
        read(lines(tmp_path / "y.jsonl", {"n": 1}))


def test_ragged_rows_are_kept_if_they_have_a_text_and_counted(tmp_path):
    path = lines(tmp_path / "x.csv", "id,text,label", "1,one,a", "2,two", "3,three,c,d", "4", "", "5,five,e")
    documents = read(path)
    assert list(documents.texts) == ["one", "two", "three", "five"]
    assert list(documents.labels) == ["a", None, "c", "e"]
    assert any(note.startswith("3 rows with more or fewer fields") for note in documents.notes)
    assert "1 document skipped: null, empty or only white space" in documents.notes


LATER = [f'{i},"text {i}"' for i in range(3000)]


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        (["id,text", "1,fine", '2,"cut off'], 3),
        (["id,text", "1,fine", '2,"cut off', "3,fine", "4,fine"], 3),
        (["", " ", "id,text", '1,"cut off', *LATER], 4),
        (["id,text", *LATER, '1,"cut off', *LATER], 3002),
        (["text,other", '"fine ""so far"', '",""",x', '"of two', "", 'lines","cut off', "a,b"], 6),
        (["id,text", '1,"of two', 'lines"', "2,of one", '3,"cut off'], 5),
        (['"id,text', "1,one"], 1),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_quotation_mark_that_is_not_closed_is_named_with_its_line(rows, line, end, tmp_path):
    (tmp_path / "x.csv").write_text(end.join(rows), newline="")
    with pytest.raises(DataError, match=rf"x\.csv, line {line}: the quotation mark .* not closed at its end.*: '?\""):
        read(tmp_path / "x.csv")


def test_a_field_without_end_does_not_fill_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr("diptych.data.tables.LONGEST", 1000)
    with pytest.raises(DataError, match="line 3 is not CSV: field larger"):
        read(lines(tmp_path / "x.csv", "id,text", "0,fine", '1,"cut off', *["2,fine"] * 900))


@pytest.mark.parametrize("end", ["", " "])
def test_a_quoted_field_may_have_many_lines(end, tmp_path):
    texts = ["one\n\n\r\n two", "word, \n" * 3000, '"all" of ""it""\n', "short"]
    rows = [f'{i},"{text.replace(chr(34), chr(34) * 2)}"{end}' for i, text in enumerate(texts)]
    (tmp_path / "x.csv").write_text("\n".join(["id,text", *rows]), newline="")
    assert [text.rstrip(" ") for text in read(tmp_path / "x.csv").texts] == texts


def test_quotation_marks_within_a_line_are_read_as_they_can_be(tmp_path):
    path = lines(tmp_path / "x.csv", "id,text", '1,"one" more', '2,a "two" b', '3,5" wide')
    assert list(read(path).texts) == ["one more", 'a "two" b', '5" wide']


def test_a_header_of_no_usual_name_is_shown(tmp_path):
    notes = read(lines(tmp_path / "x.csv", "A headline,The story", "Another,And a longer story")).notes
    assert "1 row taken as the header, for its short fields: 'A headline', 'The story'" in notes
    assert len(read(lines(tmp_path / "y.csv", "id,text", "1,one")).notes) == 1


def test_a_file_without_a_header_loses_no_row(tmp_path):
    documents = read(lines(tmp_path / "x.csv", "3,A headline,The story of it", "1,Another,And its story"))
    assert list(documents.texts) == ["The story of it", "And its story"]
    assert any("columns are called 1, 2, 3" in note for note in documents.notes)


def test_a_usual_name_makes_a_header_whatever_is_beside_it(tmp_path):
    path = lines(tmp_path / "x.csv", f"text,2021,{'a long question ' * 9}", "one,2,3")
    assert list(read(path).texts) == ["one"]


def test_fields_may_be_separated_by_semicolons(tmp_path):
    assert list(read(lines(tmp_path / "x.csv", "text;label", "a, b;c")).texts) == ["a, b"]


@pytest.mark.parametrize("name", ["x.txt.gz", "x.jsonl.gz", "x.csv.gz", "x.parquet.gz"])
def test_a_truncated_gz_is_named(name, tmp_path):
    if name == "x.txt.gz":
        raw = gzip.compress(os.urandom(100_000).hex().encode())
    else:
        raw = write(tmp_path / name, [os.urandom(100).hex() for _ in range(1000)]).read_bytes()
    for broken in (raw[: len(raw) // 2], raw[:-4], b"not gzip at all"):
        (tmp_path / name).write_bytes(broken)
        with pytest.raises(ValueError, match=f"{name} is not a whole gzip file"):
            read(tmp_path / name)


def test_a_parquet_file_that_is_none_is_named(tmp_path):
    (tmp_path / "x.parquet").write_bytes(b"not parquet")
    with pytest.raises(ValueError, match=r"x\.parquet is not a Parquet file"):
        read(tmp_path / "x.parquet")


def test_a_disk_that_is_full_leaves_nothing(tmp_path, cache_folder, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pa.ipc.RecordBatchFileWriter, "write_batch", full, raising=False)
    path = write(tmp_path / "x.jsonl", ["a"])
    with pytest.raises(OSError, match="No space left"):
        read(path)
    assert list((cache_folder / "documents").iterdir()) == []


# ---------------------------------------------------------------- finding columns


@pytest.mark.parametrize(
    ("row", "text", "label"),
    [
        ({"title": "a title", "Text": "x", "label": 2.0}, "x", "2"),
        ({"title": "a", "story": "longer than a"}, "longer than a", None),
        ({"text": "x", "label": 1, "label_name": "one"}, "x", "one"),
        ({"text": "x", "label": 1, "label_name": None}, "x", "1"),
        ({"text": "x", "label_name": "one"}, "x", None),
        ({"text": "x", "label": ["a", "b"], "topic": "t"}, "x", "t"),
        ({"content": "x", "abstract": "y", "class": True}, "x", "True"),
        ({"text": "x", "label": float("nan")}, "x", None),
        ({"n": 3, "m": None, "t": "text"}, "text", None),
    ],
)
def test_columns_are_found(row, text, label, tmp_path):
    documents = read(lines(tmp_path / "x.jsonl", row))
    assert documents.texts[0] == text
    assert (documents.labels or [None])[0] == label


def test_notes_say_what_was_understood(tmp_path):
    path = write(tmp_path / "x.jsonl", [f"text {i}" for i in range(1200)], list("abc") * 400)
    assert read(path).notes == ["1,200 documents from x.jsonl: text in column 'text', labels in 'label' (3 classes)"]
    assert from_texts(["a"]).notes == ["1 document from Python"]


def test_parquet_labels_may_be_numbers_and_images_are_not_touched(tmp_path):
    table = pa.table({"image": [b"\x89PNG"] * 2, "text": ["a", "b"], "label": pa.array([1, None], pa.int64())})
    pq.write_table(table, tmp_path / "x.parquet")
    assert list(read(tmp_path / "x.parquet").labels) == ["1", None]
