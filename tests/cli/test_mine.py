"""`diptych train nli` and `diptych mine`, as a person calls them."""

import json

import pytest

from diptych import cli, mining

WHO = ("a man", "two dogs", "the crowd", "a child", "some birds", "an old woman")
DOES = ("runs in the park", "sleeps on a bench", "plays with a ball", "looks at the sea", "eats lunch")
SMALL = ("--dim", 16, "--vocabulary", 120, "--batch", 8, "--steps", 6)


@pytest.fixture
def pairs(tmp_path):
    lines = [
        {"sent0": f"{WHO[i % 6]} {DOES[i % 5]} today , number {i}", "sent1": f"{WHO[i % 6]} {DOES[i % 5]}"}
        for i in range(60)
    ]
    (tmp_path / "pairs.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return tmp_path / "pairs.jsonl"


@pytest.fixture
def model(diptych, pairs, tmp_path):
    code, out, err = diptych("train", "nli", "--corpus", pairs, "--out", tmp_path / "run", *SMALL)
    assert code == 0, err
    assert "60 rows from pairs.jsonl: premise in 'sent0', entailment in 'sent1'" in err
    assert "no scores" in out
    return tmp_path / "run"


def test_what_is_mined_is_learned_from(diptych, pairs, model, tmp_path):
    out = tmp_path / "hard.jsonl"
    code, told, err = diptych("mine", model, pairs, "--out", out, "--k", 2, "--margin", 0.99, "--json")
    assert code == 0, err
    told = json.loads(told)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert told["rows"] == len(rows) > 60
    assert told["pairs"] == 60
    given = {(row["sent0"], row["sent1"]) for row in map(json.loads, pairs.read_text().splitlines())}
    belongs = {}
    for anchor, positive in given:
        belongs.setdefault(anchor, set()).add(positive)
    for row in rows:
        assert (row["sent0"], row["sent1"]) in given
        assert row["hard_neg"] not in belongs[row["sent0"]]
        assert row["negative_cosine"] <= 0.99 * row["positive_cosine"] + 1e-4
    assert not out.with_name("hard.jsonl.parts").exists()
    code, _, err = diptych("train", "nli", "--corpus", out, "--negatives", "own", "--out", tmp_path / "two", *SMALL)
    assert code == 0, err
    assert "contradiction in 'hard_neg'" in err


def test_a_call_that_was_killed_goes_on_where_it_stopped(diptych, pairs, model, tmp_path, monkeypatch):
    monkeypatch.setattr(mining, "PART", 16)
    monkeypatch.setattr("diptych.embedding.PART", 16)
    whole = tmp_path / "whole.jsonl"
    assert diptych("mine", model, pairs, "--out", whole, "--margin", 1)[0] == 0
    real, calls = mining.mine_part, []

    def dies(*args):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(mining, "mine_part", dies)
    out = tmp_path / "hard.jsonl"
    assert diptych("mine", model, pairs, "--out", out, "--margin", 1)[0] == 130
    assert not out.exists()
    code, _, err = diptych("mine", model, pairs, "--out", out, "--margin", 0.9)
    assert (code, "holds the parts of another" in err) == (2, True)
    assert diptych("mine", model, pairs, "--out", out, "--margin", 1)[0] == 0
    assert len(calls) == 3 + 2  # four parts, two of which were there
    assert out.read_bytes() == whole.read_bytes()


@pytest.mark.parametrize(
    ("flags", "code", "why"),
    [
        (("--out", "x.csv"), 2, "ends in .jsonl; got x.csv"),
        (("--out", "x.jsonl", "--ranks", "3"), 2, "two numbers, such as 1..100"),
        (("--out", "x.jsonl", "--ranks", "9..3"), 2, "the first before the last; got 9..3"),
        (("--out", "x.jsonl", "--margin", "2"), 2, "in (0, 1]; got 2"),
        (("--out", "x.jsonl", "--columns", "sent0,sentence"), 1, "no column 'sentence'; there are 'sent0', 'sent1'"),
        (("--out", "x.jsonl", "--less", "2"), 1, "no pair has a neighbour beyond the margin"),
    ],
)
def test_what_cannot_be_is_said(diptych, pairs, model, flags, code, why):
    found, _, err = diptych("mine", model, pairs, *flags)
    assert (found, why in err) == (code, True), err


def test_a_table_without_the_columns_is_refused_before_training(diptych, tmp_path):
    (tmp_path / "t.jsonl").write_text('{"a": "x", "b": "y"}\n')
    code, _, err = diptych("train", "nli", "--corpus", tmp_path / "t.jsonl", "--out", tmp_path / "run")
    assert code == 1
    assert "no column for premise and entailment; there are 'a', 'b'" in err
    assert not (tmp_path / "run").exists()
    assert cli.run(["mine", "--help"]) == 0


def test_what_is_read_is_not_written_over(diptych, pairs, model):
    before = pairs.read_bytes()
    for call in (["mine", model, pairs], ["embed", model, pairs], ["embed", model, pairs.parent]):
        code, _, err = diptych(*call, "--out", pairs)
        assert code == 2
        assert "would be lost; choose another --out" in err
    assert pairs.read_bytes() == before
