"""Rows of several texts, from tables of many kinds."""

import csv
import gzip
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from diptych.core import DataError
from diptych.data.triplets import false_negatives, read

ROWS = [("A man eats.", "Someone eats.", "Nobody eats."), ('Two dogs, "big"', "Animals", "A cat\nsleeps")]
NAMES = ("sent0", "sent1", "hard_neg")


def objects(rows=ROWS, names=NAMES):
    return [dict(zip(names, row, strict=False)) for row in rows]


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def csv_(path, rows, names=NAMES):
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([names, *rows])
    return path


def contents(read):
    return [tuple(read.texts(role)[i] for role in read.roles) for i in range(len(read))]


@pytest.fixture(params=["csv", "jsonl", "parquet", "jsonl.gz", "csv.gz", "folder"])
def table(request, tmp_path):
    kind = request.param
    if kind == "parquet":
        pq.write_table(pa.table(dict(zip(NAMES, zip(*ROWS, strict=True), strict=True))), tmp_path / "t.parquet")
        return tmp_path / "t.parquet"
    if kind == "folder":
        (tmp_path / "parts").mkdir()
        for i, row in enumerate(objects()):
            jsonl(tmp_path / "parts" / f"{i}.jsonl", [row])
        return tmp_path / "parts"
    made = (csv_ if kind.startswith("csv") else jsonl)(
        tmp_path / f"t.{kind[:5].rstrip('.')}", ROWS if "csv" in kind else objects()
    )
    if kind.endswith(".gz"):
        packed = tmp_path / f"t.{kind}"
        packed.write_bytes(gzip.compress(made.read_bytes()))
        return packed
    return made


def test_every_kind_of_table_has_the_same_rows(table):
    found = read(table)
    assert found.roles == ["premise", "entailment", "contradiction"]
    assert contents(found) == ROWS
    assert "2 rows from" in found.notes[0]
    assert "premise in 'sent0', entailment in 'sent1', contradiction in 'hard_neg'" in found.notes[0]
    assert len(found.notes) == 1


def test_a_url_is_read_too(tmp_path):
    jsonl(tmp_path / "t.jsonl", objects())
    assert contents(read(f"file://{tmp_path}/t.jsonl")) == ROWS


def test_columns_may_be_named(tmp_path):
    path = jsonl(tmp_path / "t.jsonl", objects(names=("x", "y", "z")))
    assert contents(read(path, ["z", "x", "y"])) == [(c, a, b) for a, b, c in ROWS]
    assert contents(read(path, ["y", "z"])) == [(b, c) for _, b, c in ROWS]


@pytest.mark.parametrize("names", [("anchor", "positive", "negative"), ("Premise", "entailment", "contradiction")])
def test_other_usual_names_are_found(tmp_path, names):
    assert contents(read(jsonl(tmp_path / "t.jsonl", objects(names=names)))) == ROWS


def test_pairs_have_no_hard_negatives(tmp_path):
    path = jsonl(tmp_path / "t.jsonl", objects([row[:2] for row in ROWS], ("query", "positive")))
    assert read(path).roles == ["premise", "entailment"]
    with pytest.raises(DataError, match=r"no column for contradiction; there are 'query', 'positive': name those of"):
        read(path, hard_negatives=True)
    whole = jsonl(tmp_path / "w.jsonl", objects())
    assert read(whole, hard_negatives=False).roles == ["premise", "entailment"]
    assert read(whole).fingerprint != read(whole, hard_negatives=False).fingerprint


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ([], "t.jsonl has no column for premise and entailment; there are 'a', 'b'"),
        (["a", "b", "c", "d"], "two or three different names"),
        (["a", "a"], "two or three different names"),
        (["a", "x", "y"], "t.jsonl has no column 'x', 'y'; there are 'a', 'b'"),
    ],
)
def test_missing_columns_are_named(tmp_path, columns, why):
    with pytest.raises(ValueError, match=why) as error:
        read(jsonl(tmp_path / "t.jsonl", [{"a": "one", "b": "two"}]), columns)
    assert isinstance(error.value, DataError) == ("names" not in why)


def test_rows_with_an_empty_cell_are_left_out_and_counted(tmp_path):
    rows = [*objects(), {"sent0": "x", "sent1": " ", "hard_neg": "y"}, {"sent0": None, "sent1": "x", "hard_neg": "y"}]
    rows += [{"sent0": "x", "sent1": "y"}, {"sent0": "x", "sent1": "y", "hard_neg": ""}]
    found = read(jsonl(tmp_path / "t.jsonl", rows))
    assert contents(found) == ROWS
    assert {
        "1 row left out: premise is null, empty or only white space",
        "1 row left out: entailment is null, empty or only white space",
        "2 rows left out: contradiction is null, empty or only white space",
    } == {*found.notes[1:]}
    pairs = read(tmp_path / "t.jsonl", hard_negatives=False)
    assert len(pairs) == 4


def test_a_table_without_a_whole_row_and_what_is_no_text_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"no whole row in t\.jsonl; 1 row left out: entailment is null"):
        read(jsonl(tmp_path / "t.jsonl", [{"sent0": "x", "sent1": ""}]))
    with pytest.raises(DataError, match=r"column 'sent1' is to hold text, but in row 2 it holds 3 \(int\)"):
        read(jsonl(tmp_path / "n.jsonl", [{"sent0": "x", "sent1": "y"}, {"sent0": "x", "sent1": 3}]))
    (tmp_path / "t.txt").write_text("plain\n")
    with pytest.raises(DataError, match=r"t\.txt is plain text; rows of texts are a table"):
        read(tmp_path / "t.txt")
    (tmp_path / "e.jsonl").write_text("")
    with pytest.raises(DataError, match=r"no row in e\.jsonl"):
        read(tmp_path / "e.jsonl")


def test_characters_that_are_not_unicode_are_replaced_and_counted(tmp_path):
    (tmp_path / "t.jsonl").write_text('{"sent0": "a\\ud800b", "sent1": "c"}\n')
    found = read(tmp_path / "t.jsonl")
    assert found.texts("premise")[0] == "a\N{REPLACEMENT CHARACTER}b"
    assert any("not Unicode" in note for note in found.notes)


def test_tokens_of_every_column_side_by_side(tmp_path):
    path = jsonl(tmp_path / "t.jsonl", objects(ROWS * 5000))
    words = sorted(
        {word for row in ROWS for text in row for word in Whitespace().pre_tokenize_str(text) for word in [word[0]]}
    )
    tokenizer = Tokenizer(WordLevel({word: i for i, word in enumerate(words)}, unk_token=words[0]))
    tokenizer.pre_tokenizer = Whitespace()
    data = read(path).tokens(tokenizer)
    assert len(data) == 10_000
    for i in (0, 1, 4097, 9_999):
        for role, text in zip(("premise", "entailment", "contradiction"), ROWS[i % 2], strict=True):
            expected = tokenizer.encode(text, add_special_tokens=False).ids
            np.testing.assert_array_equal(data[i][role].ids, expected)
    with pytest.raises(IndexError):
        data[10_000]


def test_the_fingerprint_is_of_every_column(tmp_path):
    prints = set()
    for change in range(4):
        rows = [list(row) for row in ROWS]
        if change < 3:
            rows[1][change] += " more"
        prints.add(read(jsonl(tmp_path / f"{change}.jsonl", objects(rows))).fingerprint)
    assert len(prints) == 4


def test_false_negatives_of_repeated_premises_are_what_random_batches_have():
    texts = ["a"] * 6 + ["b"] * 3 + [f"c{i}" for i in range(40)]
    rng = np.random.default_rng(0)
    seen = []
    for _ in range(4000):
        batch = [texts[i] for i in rng.permutation(len(texts))[:12]]
        seen.append(sum(batch.count(text) - 1 for text in batch))
    assert false_negatives(texts, 12) == pytest.approx(np.mean(seen), rel=0.05)
    assert false_negatives(["a", "b", "c"], 2) == 0
