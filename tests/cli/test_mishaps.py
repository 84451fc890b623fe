"""What may happen to a run: another process, a torn file, a folder that is read-only, a clock that jumps."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from diptych import runs
from diptych.train.state import checkpoints

SMALL = ("--dim", 16, "--vocabulary", 200, "--steps", 12, "--batch", 16)


@pytest.fixture
def stopped(diptych, corpus, tmp_path):
    """A run that has all its steps, two checkpoints and no model."""
    folder = tmp_path / "stopped"
    assert diptych("train", "crop", "--corpus", corpus, "--out", folder, "--checkpoint", 0, *SMALL)[0] == 0
    shutil.rmtree(folder / "model")
    (folder / "report.html").unlink()
    return folder


def everything(folder):
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def torn(path):
    path.write_bytes(path.read_bytes()[:1000])


HOLD = "import sys, time, pathlib\nfrom diptych.runs import held\nwith held(pathlib.Path(sys.argv[1])):\n"
HOLD += "    print('held', flush=True)\n    time.sleep(600)"


def test_a_run_that_another_process_writes_is_left_alone_until_that_dies(diptych, corpus, stopped):
    before = everything(stopped)
    process = subprocess.Popen([sys.executable, "-c", HOLD, stopped], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "held\n"
        call = ("train", "crop", "--corpus", corpus, "--out", stopped, "--force", *SMALL)
        for tokens in (("train", "--resume", stopped), ("train", "--resume", stopped, "--verify"), call):
            code, out, err = diptych(*tokens)
            assert (code, out) == (1, "")
            assert f"{stopped}: is being written by another process; wait" in err
            assert everything(stopped) == before
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    assert diptych("train", "--resume", stopped)[0] == 0


def test_a_run_is_held_from_its_first_step_to_its_report(diptych, corpus, tmp_path, monkeypatch):
    from diptych import fitting

    asked = []

    def free(kind):
        def see(*args, **kwargs):
            with pytest.raises(BlockingIOError), runs.held(tmp_path / "run"):
                pass
            asked.append(kind)
            return real[kind](*args, **kwargs)

        return see

    real = {name: getattr(fitting, name) for name in ("train", "write_up")}
    for name in real:
        monkeypatch.setattr(fitting, name, free(name))
    assert diptych("train", "crop", "--corpus", corpus, "--out", tmp_path / "run", *SMALL)[0] == 0
    assert asked == ["train", "write_up"]
    with runs.held(tmp_path / "run"):
        pass


def test_two_may_verify_at_once(diptych, stopped):
    with runs.held(stopped, reading=True):
        assert diptych("train", "--resume", stopped, "--verify")[0] == 0
        assert diptych("train", "--resume", stopped)[0] == 1


def test_a_run_toml_that_is_replaced_while_one_waits_for_it_is_held_anew(tmp_path, monkeypatch):
    (tmp_path / "run.toml").write_text("old")
    real, calls = runs.fcntl.flock, []

    def replace(file, kind):
        if not calls:
            (tmp_path / "new").write_text("new")
            os.replace(tmp_path / "new", tmp_path / "run.toml")
        calls.append(kind)
        real(file, kind)

    monkeypatch.setattr(runs.fcntl, "flock", replace)
    with runs.held(tmp_path), pytest.raises(BlockingIOError), runs.held(tmp_path):
        pass
    assert len(calls) == 3


def test_without_locks_a_run_is_written_all_the_same(tmp_path, monkeypatch):
    (tmp_path / "run.toml").write_text("")

    def none(*args):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(runs.fcntl, "flock", none)
    with runs.held(tmp_path):
        pass
    monkeypatch.setattr(runs, "fcntl", None)
    with runs.held(tmp_path):
        pass


def test_a_torn_checkpoint_is_passed_over_and_that_is_said(diptych, stopped):
    older, newest = checkpoints(stopped / "checkpoints")
    whole = newest.read_bytes()
    torn(newest)
    code, _, err = diptych("train", "--resume", stopped)
    assert code == 0
    assert f"{newest} cannot be read" in err
    assert f"going on from {older.name}, the one before" in err
    assert newest.read_bytes() == whole


def test_without_a_checkpoint_that_can_be_read_nothing_is_begun_anew(diptych, stopped):
    for path in checkpoints(stopped / "checkpoints"):
        torn(path)
    before = everything(stopped)
    code, out, err = diptych("train", "--resume", stopped)
    assert (code, out) == (1, "")
    assert "no checkpoint of this run can be read" in err
    assert f"to train from step 0 again, remove {stopped / 'checkpoints'}" in err
    assert everything(stopped) == before
    shutil.rmtree(stopped / "checkpoints")
    assert diptych("train", "--resume", stopped)[0] == 0


@contextmanager
def read_only(folder):
    """While open, nothing in a folder can be written, not even by an administrator."""
    modes = {path: path.stat().st_mode for path in (folder, *folder.rglob("*"))}
    for path, mode in modes.items():
        path.chmod(mode & ~0o222 | 0o444 | (0o111 if path.is_dir() else 0))
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
        for path, mode in modes.items():
            path.chmod(mode)


@pytest.fixture
def public():
    """A folder that everyone can reach; pytest's own cannot be read by others."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o777)
        yield Path(folder)


def test_a_folder_that_is_read_only_is_named_and_can_be_verified(diptych, stopped, public, corpus, monkeypatch):
    shutil.copytree(stopped, public / "run")
    shutil.copy(corpus, public / "docs.jsonl")
    call = (public / "run" / "run.toml").read_text().replace(str(corpus), str(public / "docs.jsonl"))
    (public / "run" / "run.toml").write_text(call)
    monkeypatch.setenv("DIPTYCH_CACHE", str(public / "cache"))
    monkeypatch.chdir(public)
    before = everything(public / "run")
    with read_only(public / "run"):
        code, out, err = diptych("train", "--resume", public / "run")
        assert (code, out) == (1, "")
        assert f"{public / 'run' / 'run.toml'}: cannot be written (Permission denied); choose another place" in err
        assert diptych("train", "--resume", public / "run", "--verify")[0] == 0
        new = public / "run" / "new"
        code, _, err = diptych("train", "crop", "--corpus", public / "docs.jsonl", "--out", new, *SMALL)
        assert code == 1
        assert str(new) in err
        assert "cannot be written (Permission denied); choose another place" in err
    assert everything(public / "run") == before


def test_a_clock_that_jumps_changes_nothing(diptych, corpus, run, tmp_path, monkeypatch):
    jumps = iter([1e9 * (-1) ** i * i for i in range(1_000_000)])
    monkeypatch.setattr(time, "time", lambda: next(jumps))
    assert diptych("train", "crop", "--corpus", corpus, "--out", tmp_path / "b" / "run", *SMALL)[0] == 0
    for name in ("model/model.safetensors", "checkpoints/step-000000012.safetensors"):
        assert (tmp_path / "b" / "run" / name).read_bytes() == (run / name).read_bytes()
    assert len(checkpoints(tmp_path / "b" / "run" / "checkpoints")) == 1
    lines = (tmp_path / "b" / "run" / "metrics.jsonl").read_text().splitlines()
    seconds = [json.loads(line)["seconds"] for line in lines]
    assert seconds == sorted(seconds)
    assert 0 <= seconds[0] <= seconds[-1] < 60
