"""`diptych choose`: snapshots are saved, ranked without labels, and checked where there are some."""

import json
import shutil

import pytest

SMALL = ("--dim", 16, "--vocabulary", 200, "--steps", 12, "--batch", 16)


@pytest.fixture
def snapshots(diptych, corpus, tmp_path):
    """Two runs of four snapshots each."""
    call = ("train", "crop", "--corpus", corpus, "--out", tmp_path / "s", "--seeds", "0,1", "--snapshots", 4, *SMALL)
    code, _, err = diptych(*call)
    assert code == 0, err
    return tmp_path / "s"


def bytes_of(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*.safetensors")}


def test_snapshots_are_evenly_spaced_and_the_last_is_the_model(snapshots):
    names = [path.name for path in sorted((snapshots / "seed-0" / "snapshots").iterdir())]
    assert names == ["000000003", "000000006", "000000009", "000000012"]
    run = snapshots / "seed-0"
    assert bytes_of(run / "snapshots" / names[-1]) == bytes_of(run / "model")
    assert bytes_of(run / "snapshots" / names[0]) != bytes_of(run / "model")


def test_snapshots_change_nothing_in_what_is_learned(diptych, corpus, snapshots, run):
    assert bytes_of(run / "model") == bytes_of(snapshots / "seed-0" / "model")
    ours, theirs = (bytes_of(each / "checkpoints") for each in (run, snapshots / "seed-0"))
    assert ours == theirs
    assert diptych("train", "--resume", snapshots / "seed-0", "--verify")[0] == 0


def test_a_run_that_is_resumed_keeps_its_snapshots_and_makes_those_that_lack(diptych, snapshots):
    run = snapshots / "seed-0"
    before = bytes_of(run / "snapshots")
    times = {path: path.stat().st_mtime_ns for path in run.glob("snapshots/*/model.safetensors")}
    shutil.rmtree(run / "snapshots" / "000000012")
    shutil.rmtree(run / "checkpoints")
    for name in ("model", "report.html"):
        shutil.rmtree(run / name) if (run / name).is_dir() else (run / name).unlink()
    code, _, err = diptych("train", "--resume", run)
    assert code == 0, err
    assert bytes_of(run / "snapshots") == before
    kept = [path for path in times if path.parent.name != "000000012"]
    assert all(path.stat().st_mtime_ns == times[path] for path in kept)


def test_a_call_that_is_repeated_saves_snapshots_again(diptych, snapshots, tmp_path):
    code, _, err = diptych("train", snapshots / "seed-1" / "run.toml", "--out", tmp_path / "again")
    assert code == 0, err
    assert bytes_of(tmp_path / "again" / "snapshots") == bytes_of(snapshots / "seed-1" / "snapshots")


def test_checkpoints_are_ranked_and_proxies_are_checked_against_labels(diptych, snapshots):
    code, out, err = diptych("choose", snapshots, "--json")
    assert code == 0, err
    told = json.loads(out)
    assert [(each["run"], each["step"]) for each in told["checkpoints"][:2]] == [("seed-0", 3), ("seed-0", 6)]
    assert len(told["checkpoints"]) == 8
    assert all(0 <= each["knn"] <= 1 and 0 <= each["stability"] <= 1 for each in told["checkpoints"])
    best = max(told["checkpoints"], key=lambda each: each["crop_retrieval"])
    assert told["suggestions"]["crop_retrieval"] == best["folder"]
    assert told["correlations"]["knn"]["alignment"]["n"] == 8


def test_without_labels_it_says_that_nothing_was_checked(diptych, snapshots, tmp_path):
    lines = [f"The tide of day {i} came in at noon. A log of number {i} was kept." for i in range(40)]
    (tmp_path / "plain.txt").write_text("\n".join(lines))
    code, out, err = diptych("choose", snapshots, "--corpus", tmp_path / "plain.txt")
    assert code == 0, err
    assert "no proxy was checked" in out
    assert "ρ within runs" not in out


def test_a_run_without_a_model_is_left_out(diptych, snapshots, tmp_path):
    begun = tmp_path / "begun"
    begun.mkdir()
    shutil.copy(snapshots / "seed-0" / "run.toml", begun)
    code, out, err = diptych("choose", snapshots, begun, "--json")
    assert code == 0, err
    assert f"{begun} has no model yet and is left out; `diptych train --resume {begun}` goes on" in err
    assert {each["run"] for each in json.loads(out)["checkpoints"]} == {"seed-0", "seed-1"}
    code, _, err = diptych("choose", begun)
    assert code == 2
    assert "none of these runs has a model yet" in err


def test_sts_is_a_label_too(diptych, snapshots, tmp_path):
    words = ["harbour", "sails", "captain", "log", "tide", "noon", "ropes", "flour"]
    rows = [
        {"sentence1": f"the {a} and {b}", "sentence2": f"the {a} of {c}", "score": (i * 7 % 11) / 2.2}
        for i, (a, b, c) in enumerate(zip(words, words[1:] + words[:1], words[2:] + words[:2], strict=True))
    ]
    (tmp_path / "sts").mkdir()
    (tmp_path / "sts" / "sts16.jsonl").write_text("\n".join(map(json.dumps, rows)))
    code, out, err = diptych("choose", snapshots, "--sts", tmp_path / "sts", "--json")
    assert code == 0, err
    assert json.loads(out)["correlations"].keys() == {"knn", "sts"}


def test_bad_input_is_answered_with_what_would_do(diptych, run, snapshots, corpus, tmp_path):
    for call, words in (
        ((run,), "--snapshots"),
        ((run, run), "named twice"),
        ((snapshots, "--documents", 3), "--documents"),
    ):
        code, out, err = diptych("choose", *call)
        assert (code, out) == (2, "")
        assert words in err
    other = tmp_path / "other.jsonl"
    other.write_text("\n".join([*corpus.read_text().splitlines(), '{"text": "Another one. It is new.", "label": "x"}']))
    diptych("train", "crop", "--corpus", other, "--out", tmp_path / "o", *SMALL)
    code, _, err = diptych("choose", snapshots, tmp_path / "o")
    assert code == 2
    assert "corpora" in err
    assert "--corpus" in err
    assert diptych("choose", snapshots, tmp_path / "o", "--corpus", corpus)[0] == 0
    code, _, err = diptych("train", "crop", "--corpus", corpus, "--out", tmp_path / "n", "--snapshots", -1, *SMALL)
    assert code == 2
    assert "snapshots" in err
