"""Whatever a file holds: every row is a document or is counted in the notes, or one error names the file."""

import codecs
import csv
import gzip
import json
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from writers import write

from diptych.core import DataError
from diptych.data.corpus import SURROGATES
from diptych.data.documents import read

often = settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))

ENCODINGS = {
    "utf-8": b"",
    "utf-8-sig": b"",
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}
ODD = "\"'\n\r\t,;\\{}[]<>\0\x1a\x1c\x7f\x85\xa0\u2028\u200b\ufeff\ufffd\ud800\udfff\U0001f600 aé"
encodings = st.sampled_from([*ENCODINGS])
texts = st.text(st.sampled_from(ODD) | st.characters(), max_size=20).map(
    lambda text: text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")  # halves that meet are one
)
rows = st.lists(st.none() | texts, min_size=1, max_size=12)


@contextmanager
def folder():
    with tempfile.TemporaryDirectory() as place:
        yield Path(place)


def written(path, text, encoding):
    raw = ENCODINGS[encoding] + text.encode(encoding, "surrogatepass")
    path.write_bytes(gzip.compress(raw) if path.suffix == ".gz" else raw)
    return path


def tried(path):
    """The documents of a file, or what is said against it."""
    try:
        return read(path)
    except (ValueError, OSError) as error:
        return str(error)


def blank(text):
    return text is None or not text.strip()


def number(notes, words):
    """How often something happened, as the notes say it."""
    return sum(int(note.split()[0].replace(",", "")) for note in notes if words in note)


def accounted(path, rows, lone=True):
    """Reads a well-formed file of these rows: each is a document, word for word, or counted."""
    full = [row for row in rows if not blank(row)]
    if not full:
        with pytest.raises(DataError, match="no document in"):
            read(path)
        return
    documents = read(path)
    assert number(documents.notes, "skipped: null, empty") == len(rows) - len(full)
    changed = sum(bool(SURROGATES.search(row)) for row in full)
    assert number(documents.notes, "that are not Unicode") == changed
    if lone or not changed:  # else each is three bytes that are not UTF-8
        assert list(documents.texts) == [SURROGATES.sub("\N{REPLACEMENT CHARACTER}", row) for row in full]
    assert len(documents) == len(full)


# ---------------------------------------------------------------- well-formed files


@often
@given(rows, st.sampled_from(["x.jsonl", "x.ndjson", "x.json", "y.json", "x.jsonl.gz", "y.json.gz"]), encodings)
def test_no_row_of_json_is_lost(rows, name, encoding):
    lines = [json.dumps({"n": i, "text": row}, ensure_ascii=i % 2 == 0) for i, row in enumerate(rows)]
    told = f"\n [{','.join(lines)}]" if name.startswith("y") else "\n \n".join(lines)
    with folder() as place:
        accounted(written(place / name, told, encoding), rows, lone=not encoding.startswith("utf-8"))


@often
@given(rows, st.sampled_from(["x.csv", "x.tsv", "x.csv.gz"]), encodings, st.sampled_from(["\n", "\r\n", "\r"]))
def test_no_row_of_csv_is_lost(rows, name, encoding, end):
    field = {"x.tsv": "\t"}.get(name, ",")
    quoted = [f'"{(row or "").replace(chr(34), 2 * chr(34))}"' for row in rows]
    told = end.join([f"n{field}text", *(f"{i}{field}{row}" for i, row in enumerate(quoted))])
    with folder() as place:
        path = written(place / name, told, encoding)
        if "\0" in told and encoding == "utf-8":
            with pytest.raises(DataError, match=f"{name} is a binary file"):
                read(path)
        else:
            accounted(path, rows, lone=not encoding.startswith("utf-8"))


@often
@given(rows, st.sampled_from(["x.parquet", "x.parquet.gz"]))
def test_no_row_of_parquet_is_lost(rows, name):
    rows = [row and SURROGATES.sub("?", row) for row in rows]
    with folder() as place:
        accounted(write(place / name, rows), rows)


@often
@given(st.lists(texts.map(lambda text: text.translate(dict.fromkeys(map(ord, "\r\n")))), max_size=8), encodings)
def test_no_line_and_no_paragraph_is_lost(lines, encoding):
    full = [line for line in lines if line.strip()]
    with folder() as place:
        path = written(place / "x.txt", "\n".join(["first", *full]), encoding)
        parts = written(place / "y.md", "\n\n \n".join(["first", *full]), encoding)
        if encoding == "utf-8" and any("\0" in line for line in full):
            with pytest.raises(DataError, match="binary file"):
                read(path)
            return
        for each in (path, parts):
            accounted(each, ["first", *full], lone=not encoding.startswith("utf-8"))


values = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.lists(texts, max_size=2)


@often
@given(st.lists(st.dictionaries(st.sampled_from(["text", "label", "n", "\ud800", ""]), values, max_size=4), max_size=8))
def test_rows_of_any_json_are_documents_or_counted_or_refused(rows):
    rows = [{"text": "first"}, *rows]
    with folder() as place:
        path = written(place / "x.jsonl", "\n".join(map(json.dumps, rows)), "utf-8")
        wrong = [i for i, row in enumerate(rows, 1) if isinstance(row.get("text"), bool | int | list | dict)]
        wrong += [i for i, row in enumerate(rows, 1) if isinstance(x := row.get("text"), float) and x == x]
        if wrong:
            with pytest.raises(DataError, match=rf"x\.jsonl: column 'text' .* in row {min(wrong)} it holds"):
                read(path)
        else:
            accounted(path, [x if isinstance(x := row.get("text"), str) else None for row in rows])


@often
@given(st.lists(st.lists(st.text("ab <;é\t\0", max_size=6), max_size=4), max_size=12))
def test_ragged_rows_of_csv_are_documents_or_counted(rows):
    told = ["id,text,label", *(",".join(fields) for fields in rows), "1,last,b"]
    told[1:-1] = [line for line in told[1:-1] if line]  # an empty line is no row
    fields = [line.split(",") for line in told[1:]]
    with folder() as place:
        path = written(place / "x.csv", "\n".join(told), "utf-16-le")
        accounted(path, [row[1] if len(row) > 1 else None for row in fields])
        assert number(read(path).notes, "with more or fewer fields") == sum(len(row) != 3 for row in fields)


# ---------------------------------------------------------------- damaged files


@st.composite
def damage(draw, raw):
    """Bytes of which some were replaced, cut out or put in, in a few places."""
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(raw)))
        cut = draw(st.sampled_from([0, 1, 2, 10, 1000]))
        raw = (
            raw[:start]
            + draw(st.binary(max_size=6) | st.sampled_from([b'"', b"\n", b"\0", b"[", b"\xff"]))
            + raw[start + cut :]
        )
    return raw


@pytest.mark.parametrize("name", ["x.jsonl", "y.json", "x.csv", "x.tsv", "x.parquet", "x.txt"])
@pytest.mark.parametrize("packed", ["", "inside", "outside"])
@settings(often, max_examples=60)
@given(data=st.data())
def test_a_damaged_file_is_read_or_refused_by_its_name(name, packed, data):
    rows = [None, "first of all", "", 'second, "quoted"', "é \N{GRINNING FACE}", "last\nof all"]
    with folder() as place:
        path = place / name
        if name == "x.txt":
            written(path, "\n".join(map(str, rows)), "utf-8")
        else:
            write(path, rows, [*"aabb", None, "c"])
        raw = path.read_bytes()
        if packed != "outside":
            raw = data.draw(damage(raw))
        if packed:
            path = path.with_name(f"{name}.gz")
            raw = gzip.compress(raw, mtime=0)
        if packed == "outside":
            raw = data.draw(damage(raw))
        path.write_bytes(raw)
        documents = tried(path)
        if isinstance(documents, str):
            assert path.name in documents
            assert len(documents) < 1000
            return
        assert list(read(path).texts) == list(documents.texts)
        assert not any(map(blank, documents.texts))
        if "json" in name or "parquet" in name:
            assert all(text.encode() for text in documents.texts)


@pytest.mark.parametrize("raw", ["[\n", "[\n\n", '[{"text": "a"},\n', '[{"text": "a"}]\n\n]', '["\u2028\x1c",\n'])
def test_an_array_that_ends_too_early_is_refused_with_its_line(raw, tmp_path):
    with pytest.raises(DataError, match=r"x\.json, line \d is not JSON"):
        read(written(tmp_path / "x.json", raw, "utf-8"))


def test_an_array_after_a_line_is_no_array_of_rows(tmp_path):
    with pytest.raises(DataError, match=r"line 2 is not a JSON object"):
        read(written(tmp_path / "x.json", '{"text": "a"}\n[{"text": "b"}]', "utf-8"))


@pytest.mark.parametrize("cut", [1, 2, 3])
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-32-be"])
def test_a_character_that_is_cut_in_two_is_counted(encoding, cut, tmp_path):
    path = written(tmp_path / "x.txt", "one\ntwo\U0001f600", encoding)
    path.write_bytes(path.read_bytes()[:-cut])
    documents = read(path)
    assert len(documents) == 2
    assert number(documents.notes, "that are not Unicode") == 1


def test_a_column_of_dates_that_python_does_not_know_is_refused_with_the_file(tmp_path):
    when = pa.array([1 << 50], pa.timestamp("ms"))
    pq.write_table(pa.table({"text": ["a"], "when": when}), tmp_path / "x.parquet")
    with pytest.raises(DataError, match=r"x\.parquet is not a Parquet file that can be read"):
        read(tmp_path / "x.parquet")


def test_text_that_is_not_unicode_in_parquet_is_refused_with_the_file(tmp_path):
    raw = pa.array([b"\xff\xff"], pa.binary()).view(pa.string())
    pq.write_table(pa.table({"text": raw}), tmp_path / "x.parquet")
    with pytest.raises(DataError, match=r"x\.parquet is not a Parquet file that can be read"):
        read(tmp_path / "x.parquet")


@pytest.mark.parametrize("name", ["x.csv", "x.parquet"])
def test_a_column_whose_name_comes_again_is_counted(name, tmp_path):
    table = [["text", "n", "text"], ["one", "1", "two"]]
    if name == "x.csv":
        with (tmp_path / name).open("w", newline="") as file:
            csv.writer(file).writerows(table)
    else:
        pq.write_table(pa.Table.from_arrays([pa.array([x]) for x in table[1]], table[0]), tmp_path / name)
    documents = read(tmp_path / name)
    assert list(documents.texts) == ["two"]
    assert "1 column not read, for a later one has its name: 'text'" in documents.notes


# ---------------------------------------------------------------- folders


kinds = st.sampled_from(["a.txt", "a.md", "empty.txt", "binary.txt", "x.pdf", "gone.txt", "link", "a.txt.gz", ".a.txt"])


def put(place, number, kind):
    inside = place / f"{number}"
    inside.mkdir()
    path = inside / kind
    if kind == "gone.txt":
        path.symlink_to(place / "nowhere")
    elif kind == "link":
        path.symlink_to(place)
    else:
        raw = {"empty.txt": b"", "binary.txt": b"\0\1\2"}.get(kind, b"a text of %d" % number)
        path.write_bytes(gzip.compress(raw) if kind.endswith(".gz") else raw)


@often
@given(st.lists(kinds, max_size=12))
def test_every_file_of_a_folder_is_a_document_or_counted(found):
    with folder() as place:
        for i, kind in enumerate(["a.txt", *found]):
            put(place, i, kind)
        documents = read(place)
    assert len(documents) == 1 + sum(kind in ("a.txt", "a.md", "a.txt.gz") for kind in found)
    events = {
        "skipped: null, empty": "empty.txt",
        "skipped: binary": "binary.txt",
        "another format (.pdf)": "x.pdf",
        "skipped: cannot be read": "gone.txt",
        "not read: a link": "link",
    }
    assert {words: number(documents.notes, words) for words in events} == {
        words: found.count(kind) for words, kind in events.items()
    }


def test_folders_that_cannot_be_opened_are_counted(tmp_path, monkeypatch):
    (tmp_path / "shut").mkdir()
    (tmp_path / "a.txt").write_text("text")
    scandir = os.scandir

    def refused(path):
        if Path(path).name in shut:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    shut = ["shut"]
    assert "1 folder not read: it cannot be opened" in read(tmp_path).notes
    shut = ["shut", tmp_path.name]
    with pytest.raises(PermissionError, match=tmp_path.name):
        read(tmp_path)


def test_a_home_that_nobody_has_is_no_path():
    with pytest.raises(FileNotFoundError, match="no file or folder ~nobody-is-called-so"):
        read("~nobody-is-called-so/docs.jsonl")


@pytest.mark.parametrize("name", ["dataset_info.json", "state.json", "data-00000-of-00001.arrow"])
@pytest.mark.parametrize("raw", [b"", b"{}", b"[1", b'{"features": 3}', b"\xff\xff\xff\xff" * 9])
def test_a_damaged_folder_of_datasets_is_read_or_refused_by_its_name(name, raw, tmp_path):
    datasets = pytest.importorskip("datasets")
    datasets.Dataset.from_dict({"text": ["one", "two"]}).save_to_disk(tmp_path / "saved", num_proc=None)
    (tmp_path / "saved" / name).write_bytes(raw)
    documents = tried(tmp_path / "saved")
    assert "saved" in documents if isinstance(documents, str) else len(documents) == 2
