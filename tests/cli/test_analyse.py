"""diptych analyse."""

import json

import numpy as np
import pytest

TINY = ("--encoder", "tiny", "--steps", 3, "--batch", 8, "--vocabulary", 200, "--max-tokens", 32)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """A run of a transformer, and its corpus."""
    from diptych import cli

    folder = tmp_path_factory.mktemp("tiny")
    lines = [
        json.dumps({"text": f"Ropes of note {i}. The oven was hot. A lens gathers {i % 7}. Sails.", "label": i % 2})
        for i in range(40)
    ]
    (folder / "docs.jsonl").write_text("\n".join(lines))
    call = ("train", "crop", "--corpus", folder / "docs.jsonl", "--out", folder / "run", *TINY)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIPTYCH_CACHE", str(folder / "cache"))
        assert cli.run([str(token) for token in call]) == 0
    return folder / "run"


def test_a_run_is_looked_at_with_its_own_corpus_beside_its_start(diptych, tiny, tmp_path):
    code, out, err = diptych("analyse", tiny, "--texts", 20, "--json")
    assert code == 0, err
    told = json.loads(out)
    run, start = told["models"]
    assert (told["documents"], told["of"], told["kernel"]) == (20, 40, "linear")
    assert (run["name"], start["name"]) == ("run", "start")
    assert len(run["layers"]) == len(run["change"]["weights"]) == len(run["change"]["same"]) == 5
    assert all(0 < x < 1 for x in run["change"]["weights"])
    assert start["change"] is None
    assert np.allclose(np.diag(run["alike"]), 1)
    assert all(x["plain"] <= 20 for x in run["ranks"])
    assert "no rank can be above 20" in " ".join(told["notes"])
    assert (tmp_path / "analysis.html").read_text().startswith("<!doctype html>")
    assert "looking at" in err


def test_without_json_it_is_a_table_and_the_page_is_named(diptych, tiny, tmp_path):
    code, out, err = diptych(
        "analyse", tiny / "model", "--texts", 20, "--kernel", "rbf", "--out", tmp_path / "a" / "b.html"
    )
    assert code == 0, err
    assert "Effective rank, centred" in out
    assert [line for line in out.splitlines() if line.startswith("layer 4")]
    assert f"report  {tmp_path / 'a' / 'b.html'}" in out
    assert "Gaussian" in (tmp_path / "a" / "b.html").read_text()


def test_sts_is_scored_on_every_layer(diptych, tiny, tmp_path):
    (tmp_path / "sts").mkdir()
    pairs = [{"sentence1": f"ropes {i}", "sentence2": f"ropes {i // 2} oven", "score": i % 6} for i in range(12)]
    (tmp_path / "sts" / "stsb.jsonl").write_text("\n".join(map(json.dumps, pairs)))
    code, out, err = diptych("analyse", tiny, "--texts", 10, "--sts", tmp_path / "sts", "--json")
    assert code == 0, err
    run = json.loads(out)["models"][0]
    assert all(layer["scores"]["sts"] == layer["scores"]["sts/stsb"] for layer in run["layers"])
    assert len({layer["scores"]["sts"] for layer in run["layers"]}) > 1
    assert abs(run["scores"]["sts"] - run["layers"][-1]["scores"]["sts"]) < 1e-6


def test_a_static_model_says_what_is_left_out(diptych, run, corpus):
    code, out, err = diptych("analyse", run, "--against", run / "start", "--corpus", corpus, "--json")
    assert code == 0, err
    told = json.loads(out)["models"][0]
    assert "run has one layer: what is said layer by layer is left out of it." in err
    assert told["layers"] == []
    assert len(told["change"]["weights"]) == 1


@pytest.mark.parametrize(
    ("tokens", "code", "told"),
    [
        (("--texts", 3), 2, "--texts is 4 or more"),
        (("--out", "page.pdf"), 2, "ends in .html"),
        (("--seed", -1), 2, "--seed is from 0"),
        (("--against", "nowhere"), 2, "nowhere"),
        (("--sts", "."), 1, "none of the tables of sts"),
        (("--corpus", "three.txt"), 1, "3 different documents, and CKA needs 4 at least"),
    ],
)
def test_what_cannot_be_is_said_before_anything_is_computed(diptych, run, tmp_path, tokens, code, told):
    (tmp_path / "three.txt").write_text("one text\nanother text\na third text\none text")
    found, out, err = diptych("analyse", run, *tokens)
    assert (found, out) == (code, "")
    assert told in err.replace("\n", " ")
    assert "looking at" not in err


def test_a_model_without_a_run_needs_a_corpus(diptych, run, tmp_path):
    (run / "model").rename(tmp_path / "alone")
    code, _, err = diptych("analyse", tmp_path / "alone")
    assert code == 2
    assert "give --corpus" in err
