"""`diptych compare`: runs of several seeds, side by side."""

import json
import shutil

import pytest

SMALL = ("--dim", 16, "--vocabulary", 200, "--steps", 4, "--batch", 16)


@pytest.fixture
def pair(diptych, corpus, tmp_path):
    """Crops and dropout, three seeds each, on the same documents."""
    for recipe in ("crop", "dropout"):
        code, _, err = diptych(
            "train", recipe, "--corpus", corpus, "--seeds", "0..2", "--out", tmp_path / recipe, *SMALL
        )
        assert code == 0, err
    return tmp_path / "crop", tmp_path / "dropout"


def test_two_recipes_over_seeds(diptych, pair, tmp_path):
    code, out, err = diptych("compare", *pair, "--out", "c.html")
    assert code == 0, err
    assert out.startswith("6 runs in 2 groups; the same in all: ")
    for words in ("crop ", "dropout ", "± standard deviation over seeds", "Difference from crop:", "[", "p "):
        assert words in out
    assert "3 pairs of seeds cannot give a two-sided p below 1/4, however clear." in out
    assert (tmp_path / "c.html").read_text().count('class="thick"') >= 2 * 3
    code, out, err = diptych("compare", *pair, "--baseline", "drop", "--json")
    told = json.loads(out)
    assert told["baseline"] == "dropout"
    difference = told["groups"]["crop"]["differences"]["crop_retrieval"]
    ours, theirs = (told["groups"][name]["scores"]["crop_retrieval"]["each"] for name in ("crop", "dropout"))
    assert difference["paired"]
    assert list(difference["each"].values()) == pytest.approx([a - b for a, b in zip(ours, theirs, strict=True)])
    assert difference["test"]["least"] == 0.25
    assert told["groups"]["crop"]["runs"] == [str(pair[0] / f"seed-{n}") for n in range(3)]


def test_a_run_that_is_not_finished_is_named_and_left_out(diptych, pair):
    (pair[1] / "seed-2" / "report.html").unlink()
    code, out, err = diptych("compare", *pair)
    assert code == 0, err
    assert f"{pair[1] / 'seed-2'} is not finished and left out; `diptych train --resume" in err
    assert f"Left out, for it is not finished: {pair[1] / 'seed-2'}." in out
    assert out.startswith("5 runs in 2 groups")
    shutil.rmtree(pair[0])
    for n in range(2):
        (pair[1] / f"seed-{n}" / "report.html").unlink()
    code, _, err = diptych("compare", pair[1])
    assert code == 1
    assert "none of these runs is finished" in err


def test_runs_on_different_data_are_refused_unless_it_is_meant(diptych, corpus, pair, tmp_path):
    other = tmp_path / "other.jsonl"
    other.write_text("\n".join(corpus.read_text().splitlines()[:40]))
    assert diptych("train", "crop", "--corpus", other, "--out", tmp_path / "o", *SMALL)[0] == 0
    code, _, err = diptych("compare", pair[0], tmp_path / "o")
    assert code == 2
    for words in ("different data", str(tmp_path / "o"), "crop/seed-0", "and 1 more", "--anyway compares them"):
        assert words in err
    code, out, err = diptych("compare", pair[0], tmp_path / "o", "--anyway")
    assert code == 0, err
    assert "corpus=docs.jsonl" in out
    assert "these runs are about different data" in out
    assert "Not paired" in out


def test_encoders_of_other_tokens_on_one_corpus_are_comparable(diptych, corpus, tmp_path):
    for size in (100, 200):
        call = ("train", "crop", "--corpus", corpus, "--dim", 16, "--vocabulary", size, "--steps", 2, "--batch", 16)
        assert diptych(*call, "--out", tmp_path / str(size))[0] == 0
    code, out, err = diptych("compare", tmp_path / "100", tmp_path / "200")
    assert code == 0, err
    assert "vocabulary=100" in out


def test_a_run_that_is_named_twice_counts_once(diptych, run, tmp_path):
    code, out, err = diptych("compare", run, tmp_path / "run", "--json")
    assert code == 0, err
    assert [len(group["runs"]) for group in json.loads(out)["groups"].values()] == [1]
