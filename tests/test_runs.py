import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from diptych import runs
from diptych.core import Call, DataError
from diptych.runs import Run

CALL = Call("diptych.recipes.crop:crop", {"corpus": "docs.jsonl", "seed": 3})


def earlier(folder):
    """A run that has weights."""
    runs.begin(folder, CALL, {}, {})
    (folder / "start").mkdir()
    (folder / "model").mkdir()
    (folder / "model" / "weights").write_text("hours of work")
    return folder


def test_a_run_that_is_replaced_is_kept_until_the_new_one_has_a_model(tmp_path):
    run = runs.begin(earlier(tmp_path / "run"), CALL, {"steps": 7}, {}, force=True)
    assert run.call["steps"] == 7
    assert not run.learned
    assert (run.folder / "replaced" / "model" / "weights").read_text() == "hours of work"
    assert [path.name for path in tmp_path.iterdir()] == ["run"]
    runs.settle(run)
    assert [path.name for path in run.folder.iterdir()] == ["run.toml"]


def test_a_run_behind_a_link_is_replaced_where_it_lies(tmp_path):
    earlier(tmp_path / "disk")
    (tmp_path / "run").symlink_to(tmp_path / "disk")
    runs.begin(tmp_path / "run", CALL, {}, {}, force=True)
    assert (tmp_path / "run").is_symlink()
    assert (tmp_path / "disk" / "replaced" / "model").is_dir()


def test_a_run_without_its_start_is_replaced_as_well(tmp_path):
    (earlier(tmp_path / "run") / "start").rmdir()
    run = runs.begin(tmp_path / "run", CALL, {}, {}, force=True)
    assert not run.learned
    assert (run.folder / "replaced" / "model" / "weights").is_file()


def test_a_run_that_has_nothing_yet_only_gets_a_new_call(tmp_path):
    earlier(tmp_path / "run")
    for steps in (1, 2):
        runs.begin(tmp_path / "run", CALL, {"steps": steps}, {}, force=True)
    assert (tmp_path / "run" / "replaced" / "model" / "weights").is_file()
    assert Run(tmp_path / "run").call["steps"] == 2


@pytest.mark.parametrize("fails", [1, 2, 3])
def test_a_replacement_that_fails_leaves_the_earlier_run(tmp_path, monkeypatch, fails):
    earlier(tmp_path / "run")
    calls, replace = [], os.replace

    def failing(a, b):
        calls.append(a)
        if len(calls) == fails:
            raise PermissionError(13, "Permission denied", str(a), None, str(b))
        replace(a, b)

    monkeypatch.setattr(runs.os, "replace", failing)
    with pytest.raises(PermissionError):
        runs.begin(tmp_path / "run", CALL, {}, {}, force=True)
    assert (tmp_path / "run" / "model" / "weights").is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.parametrize("dies", [1, 2, 3])
def test_a_replacement_that_is_killed_loses_neither_run(tmp_path, dies):
    earlier(tmp_path / "run")
    code = f"""
import os
from pathlib import Path
from diptych import runs
from diptych.core import Call
replace, calls = os.replace, []
def dying(a, b):
    calls.append(a)
    if len(calls) == {dies}:
        os._exit(9)
    replace(a, b)
os.replace = dying
runs.begin(Path({str(tmp_path / "run")!r}), Call("a:b", {{}}), {{}}, {{}}, force=True)
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 9
    (weights,) = tmp_path.rglob("weights")
    assert weights.read_text() == "hours of work"
    assert all((folder / "run.toml").is_file() for folder in tmp_path.glob("run*") if any(folder.glob("replaced")))


@pytest.mark.parametrize(
    "content", [b"", b'{"scores": {"mo', b"[1]", b"null", b"\xff\xfe", b'{"scores": [1]}', b"[" * 10**5]
)
def test_damaged_scores_are_named(tmp_path, content):
    (tmp_path / "scores.json").write_bytes(content)
    with pytest.raises(DataError, match=r"scores\.json is damaged"):
        _ = Run(tmp_path).scores


@pytest.mark.parametrize("line", [b'{"step": 2, "lo', b"[]", b"\xff"])
def test_a_damaged_line_of_metrics_is_named(tmp_path, line):
    (tmp_path / "metrics.jsonl").write_bytes(b'{"step": 1}\n' + line + b"\n")
    with pytest.raises(DataError, match=r"metrics\.jsonl, line 2, is damaged"):
        _ = Run(tmp_path).metrics


def test_a_folder_takes_the_place_of_another_whole(tmp_path):
    for name in ("old", "new"):
        with runs.whole(tmp_path / "folder") as part:
            part.mkdir()
            (part / name).write_text(name)
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("*")] == [Path("folder"), Path("folder/new")]


def test_an_error_about_another_file_is_left_as_it_is(tmp_path):
    with pytest.raises(FileNotFoundError) as caught, runs.whole(tmp_path / "out"):
        (tmp_path / "corpus.txt").read_text()
    assert caught.value.filename == str(tmp_path / "corpus.txt")
    with pytest.raises(ZeroDivisionError), runs.whole(tmp_path / "out"):
        raise ZeroDivisionError


def test_a_full_disk_that_a_library_in_rust_saw_is_named(tmp_path):
    with (
        pytest.raises(OSError, match=r"No space left on device.*free space there") as caught,
        runs.whole(tmp_path / "x"),
    ):
        raise Exception("No space left on device (os error 28)")
    assert (caught.value.errno, caught.value.filename) == (28, str(tmp_path / "x"))


def test_paths_are_written_in_full_and_nothing_else(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs.jsonl").write_text(json.dumps({"text": "a"}))
    arguments = runs.begin(tmp_path / "run", CALL, {}, {}).call["arguments"]
    assert arguments == {"corpus": str(tmp_path / "docs.jsonl"), "seed": 3}


@pytest.mark.parametrize("number", ["NaN", "-Infinity", "1e999"])
def test_scores_that_are_no_numbers_are_told_with_their_file(tmp_path, number):
    (tmp_path / "scores.json").write_text('{"scores": {"model": {"knn": ' + number + "}}}")
    with pytest.raises(DataError, match=r"scores\.json is damaged"):
        _ = Run(tmp_path).scores


def test_of_two_processes_that_begin_a_run_at_once_one_is_told(tmp_path, monkeypatch):
    free = runs.check_free

    def slow(folder, force=False):
        free(folder, force)
        monkeypatch.setattr(runs, "check_free", free)
        runs.begin(folder, Call("the:other", {}), {}, {})

    monkeypatch.setattr(runs, "check_free", slow)
    with pytest.raises(FileExistsError, match="another process has just begun"):
        runs.begin(tmp_path / "run", CALL, {}, {})
    assert runs.read_call(tmp_path / "run" / "run.toml")["recipe"] == "the:other"
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["run.toml"]


def test_a_checkout_that_may_not_be_looked_at_tells_no_commit_and_stops_no_run(tmp_path, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "exists", refused)
    assert runs._commit() is None
