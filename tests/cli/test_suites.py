"""diptych evaluate --suite."""

import json

import numpy as np
import pytest

from diptych import encoders
from diptych.report import board, history

WORDS = "The harbour was full of sails. A captain wrote in the log. The oven must be hot. Leave it to rise overnight"


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    rng, lines = np.random.default_rng(0), []
    words = WORDS.split()
    for i in range(24):
        a, b = (" ".join(rng.choice(words, 5)) for _ in range(2))
        lines.append({"sentence1": a, "sentence2": b, "score": i % 6, "subset": "xy"[i % 2], "label": i % 2})
    (folder / "sts12.jsonl").write_text("\n".join(map(json.dumps, lines)))
    return folder


def test_a_suite_is_a_table_and_json_with_intervals(diptych, run, data):
    code, out, err = diptych("evaluate", run, "--suite", "sts", "--data", data)
    assert code == 0, err
    assert [line.split()[0] for line in out.splitlines()[1:6]] == [
        "sts12",
        "sts12/x",
        "sts12/y",
        "sts12/mean",
        "sts12/weighted",
    ]
    assert "no mean of 7, for these sets are missing: sts13, sts14" in err
    code, out, err = diptych("evaluate", run, "--suite", "sts", "--data", data, "--json")
    assert code == 0, err
    told = json.loads(out)
    assert {*told} == {"suite", "data", "data_fingerprint", "notes", "models"}
    (model,) = told["models"]
    assert model["precision"] == "fp32"
    first = model["results"][0]
    assert {*first} == {"task", "metric", "value", "n", "low", "high", "how", "main", "note"}
    assert first["low"] < first["value"] < first["high"]


def test_two_models_stand_side_by_side(diptych, run, data, tmp_path):
    code, out, err = diptych("evaluate", run, "--beside", run / "start", "--suite", "sts", "--data", data)
    assert code == 0, err
    assert out.splitlines()[0].split() == ["n", "run", "start"]
    assert "*" in out.splitlines()[1]


def test_what_was_embedded_for_one_suite_is_not_embedded_for_another(diptych, run, data, monkeypatch):
    from diptych.core import Encoder

    seen, embed = [], Encoder.encode
    monkeypatch.setattr(Encoder, "encode", lambda self, raw: seen.append(len(raw)) or embed(self, raw))
    for suite, expected in (("sts", [48]), ("sts", [48]), ("pairs", [48])):
        code, _, err = diptych("evaluate", run, "--suite", suite, "--data", data)
        assert code == 0, err
        assert seen == expected
    code, _, err = diptych("evaluate", run, "--suite", "sts", "--data", data, "--precision", "bf16")
    assert seen == [48, 48]


def test_a_history_is_added_to_and_shown_as_a_page(diptych, run, data, tmp_path):
    kept, shown = tmp_path / "scores.jsonl", tmp_path / "scores.html"
    for model in (run, run / "start"):
        told = ("--history", kept, "--page", shown)
        code, out, err = diptych("evaluate", model, "--suite", "sts", "--data", data, *told)
        assert code == 0, err
        assert f"page  {shown}" in out
    entries = [json.loads(line) for line in kept.read_text().splitlines()]
    assert [entry["model"] for entry in entries] == [str(run), str(run / "start")]
    assert entries[0]["fingerprint"] != entries[1]["fingerprint"]
    assert entries[0]["data_fingerprint"] == entries[1]["data_fingerprint"]
    page = shown.read_text()
    assert "2 models" in page
    for entry in entries:
        assert f"{entry['results'][0]['value']:.2f}".replace("-", "−") in page
    (data / "sts12.jsonl").write_text((data / "sts12.jsonl").read_text().replace('"score": 5', '"score": 4'))
    code, out, err = diptych("evaluate", run, "--suite", "sts", "--data", data, "--history", kept)
    assert json.loads(kept.read_text().splitlines()[2])["data_fingerprint"] != entries[0]["data_fingerprint"]


def test_plain_and_tokenised_text_are_two_suites_of_a_history(diptych, run, data, tmp_path):
    kept = tmp_path / "scores.jsonl"
    for form in ([], ["--tokenised"]):
        code, _, err = diptych("evaluate", run, "--suite", "sts", "--data", data, "--history", kept, *form)
        assert code == 0, err
    assert [each.suite for each in board.boards(history.read(kept))] == ["sts", "sts (tokenised)"]


def test_a_model_that_is_nowhere_is_said_before_one_is_judged(diptych, run, data, tmp_path, monkeypatch):
    monkeypatch.setattr(encoders, "load", None)
    code, out, err = diptych("evaluate", run, "--beside", tmp_path / "nowhere", "--suite", "sts", "--data", data)
    assert (code, out) == (2, "")
    assert "there is no folder" in err


def test_what_was_judged_is_kept_when_a_later_model_fails(diptych, run, data, tmp_path):
    (tmp_path / "empty").mkdir()
    call = ("--beside", tmp_path / "empty", "--suite", "sts", "--data", data, "--history", tmp_path / "scores.jsonl")
    code, _, err = diptych("evaluate", run, *call)
    assert code == 2
    assert "is no model" in err
    assert [entry.model for entry in history.read(tmp_path / "scores.jsonl")] == [str(run)]


def test_a_damaged_history_is_said_before_anything_is_embedded(diptych, run, data, tmp_path, monkeypatch):
    monkeypatch.setattr(encoders, "load", None)
    (tmp_path / "scores.jsonl").write_text("{")
    call = ("--suite", "sts", "--data", data, "--history", tmp_path / "scores.jsonl")
    code, out, err = diptych("evaluate", run, *call)
    assert (code, out) == (1, "")
    assert "scores.jsonl, line 1, is damaged" in err
    assert (tmp_path / "scores.jsonl").read_text() == "{"


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([], "name a corpus, or a --suite"),
        (["--suite", "sts"], "--suite sts needs --data"),
        (["docs.jsonl", "--suite", "sts", "--data", "."], "--corpus belongs to judging on a corpus"),
        (["docs.jsonl", "--beside", "b"], "--beside belongs to judging on a --suite"),
        (["--suite", "sts", "--data", ".", "--only", "knn"], "--only belongs to judging on a corpus"),
        (["--suite", "pairs", "--data", ".", "--tokenised"], "--tokenised is for the suite sts"),
        (["--suite", "sts", "--data", ".", "--page", "a.txt"], "--page names a file that ends in .html"),
        (["--suite", "sts", "--data", ".", "--history", "a.json"], "--history names a file that ends in .jsonl"),
        (["--suite", "sts", "--data", "nowhere"], "there is no file or folder nowhere"),
        (["--suite", "glue", "--data", "."], "sts"),
    ],
)
def test_a_call_that_must_change_says_how(diptych, run, tokens, message):
    code, out, err = diptych("evaluate", run, *tokens)
    assert (code, out) == (2, "")
    assert message in err
