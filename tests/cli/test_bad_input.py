"""Corpora that are wrong in every way we could think of: one clear error, or a counted skip."""

import gzip
import json

import pytest

SMALL = ("--dim", 8, "--vocabulary", 60, "--steps", 2, "--batch", 8)
GOOD = [f"Sentence one of {i}. Sentence two has {i} words. And a third." for i in range(12)]


def jsonl(*rows):
    return "\n".join(json.dumps(row) for row in rows).encode()


@pytest.fixture
def train(diptych, tmp_path):
    def call(content, name="docs.jsonl", *more):
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        return diptych("train", "crop", "--corpus", path, "--out", tmp_path / "run", *SMALL, *more)

    return call


@pytest.mark.parametrize(
    ("content", "name", "code", "words"),
    [
        (None, "missing.jsonl", 2, ["missing.jsonl"]),
        (b"", "empty.jsonl", 1, ["empty.jsonl"]),
        (b"", "empty.txt", 1, ["empty.txt"]),
        (b'{"text": "a b."}\n{"text": oops}\n', "broken.jsonl", 1, ["broken.jsonl", "line 2", "oops"]),
        (b"[1, 2]\n", "list.jsonl", 1, ["line 1"]),
        (b"\x1f\x8b\x08\x00garbage", "torn.txt.gz", 1, ["torn.txt.gz"]),
        (gzip.compress(b"hello there. " * 500, mtime=0)[:40], "cut.txt.gz", 1, ["cut.txt.gz"]),
        (b"\x00\x01\x02\xff" * 500, "binary.txt", 1, ["binary.txt"]),
        (jsonl(*[{"text": "The same. Always the same."}] * 30), "same.jsonl", 1, ["no two of them differ"]),
        (jsonl({"text": "One document. With two sentences. Or three."}), "one.jsonl", 1, ["two different"]),
        (jsonl(*[{"text": w} for w in "abcdefghij"]), "words.jsonl", 1, ["0 of 10 documents can be cropped"]),
        (jsonl(*[{"n": i} for i in range(9)]), "numbers.jsonl", 2, ["numbers.jsonl"]),
        (b"PAR1 this is no parquet file", "fake.parquet", 1, ["fake.parquet"]),
        (b"x", "what.docx", 2, ["what.docx"]),
    ],
)
def test_a_corpus_that_cannot_be_used_is_one_clear_error(train, tmp_path, content, name, code, words):
    found, out, err = train(content, name)
    assert (found, out) == (code, ""), err
    assert all(word in err for word in words), err
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("content", "name", "note"),
    [
        (jsonl(*[{"text": t} for t in GOOD], {"text": None}, {"text": "  "}), "nulls.jsonl", "2 "),
        (b"\n".join(t.encode() for t in GOOD) + b"\n\xff\xfe bad bytes here. And more.", "latin.txt", "1 "),
        (jsonl(*[{"text": t} for t in GOOD], {"text": "word"}), "short.jsonl", "1 of 13 documents"),
        (jsonl(*[{"text": t} for t in GOOD], {"text": "many words. " * 90_000}), "huge.jsonl", "13 documents"),
        (jsonl(*[{"text": t} for t in GOOD[:5]]), "few.jsonl", "5 documents"),
    ],
)
def test_what_is_skipped_is_counted_and_said(train, tmp_path, content, name, note):
    found, _, err = train(content, name)
    assert found == 0, err
    assert note in err
    assert (tmp_path / "run" / "model").is_dir()


def test_a_folder_with_binary_files_reads_the_others_and_says_so(diptych, tmp_path):
    folder = tmp_path / "docs"
    folder.mkdir()
    for i, text in enumerate(GOOD):
        (folder / f"{i:02}.txt").write_text(text)
    (folder / "picture.txt").write_bytes(b"\x89PNG\x00\x00\x00" * 99)
    code, _, err = diptych("train", "crop", "--corpus", folder, "--out", tmp_path / "run", *SMALL)
    assert code == 0, err
    assert "12 documents" in err
    assert "1 file" in err


def test_a_disk_that_is_full_while_the_model_is_saved_leaves_no_half_model(train, tmp_path, monkeypatch):
    from diptych.encoders.static import Static

    save = Static.save

    def full(self, folder):
        if folder.name == "model":
            folder.mkdir(parents=True)
            (folder / "half").write_bytes(b"half")
            raise OSError(28, "No space left on device")
        save(self, folder)

    monkeypatch.setattr(Static, "save", full)
    code, out, err = train(jsonl(*[{"text": t} for t in GOOD]))
    assert (code, out) == (1, "")
    assert "No space left" in err
    assert not (tmp_path / "run" / "model").exists()
    assert not [p for p in (tmp_path / "run").iterdir() if p.name.startswith(".")]
    monkeypatch.undo()
    from diptych import cli

    assert cli.run(["train", "--resume", str(tmp_path / "run")]) == 0
    assert (tmp_path / "run" / "model").is_dir()
