"""`train --seeds ... --jobs N`: runs side by side end as they would one after the other."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from diptych.cli.parallel import jobs_for, side_by_side
from diptych.runs import Run
from diptych.train.loop import WALL_CLOCK

SMALL = ("--dim", 16, "--vocabulary", 200, "--steps", 12, "--batch", 16)


def left(run):
    """What a run leaves that no clock decides."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    files = [*(run / "start").rglob("*"), *(run / "model").rglob("*.safetensors")]
    told = {str(path.relative_to(run)): path.read_bytes() for path in files if path.is_file()}
    scores = {k: x for k, x in json.loads((run / "scores.json").read_text()).items() if k != "seconds"}
    return [{k: x for k, x in line.items() if k not in WALL_CLOCK} for line in lines], scores, told


def test_side_by_side_is_byte_for_byte_one_after_the_other(diptych, corpus, tmp_path):
    call = ("train", "crop", "--corpus", corpus, "--seeds", "0..2", *SMALL)
    assert diptych(*call, "--out", tmp_path / "one")[0] == 0
    code, out, err = diptych(*call, "--out", tmp_path / "many", "--jobs", 2, "--json")
    assert code == 0, err
    assert "3 runs to finish, 2 side by side, 1 thread each" in err
    for n in range(3):
        assert f"seed-{n}  step 12/12" in err
        assert f"seed-{n}  judging ..." in err
        (*ours, many), (*theirs, one) = (left(tmp_path / name / f"seed-{n}") for name in ("many", "one"))
        assert ours == theirs
        assert "model/model.safetensors" in one
        assert [name for name in many.keys() | one.keys() if many.get(name) != one.get(name)] == []
    assert [each["run"] for each in json.loads(out)["runs"]] == [str(tmp_path / "many" / f"seed-{n}") for n in range(3)]


def test_a_run_that_fails_is_named_and_does_not_lose_the_others(diptych, corpus, tmp_path):
    begun = tmp_path / "s"
    call = ("train", "crop", "--corpus", corpus, "--seeds", "0..1", "--out", begun, *SMALL)
    assert diptych(*call)[0] == 0
    (begun / "seed-0" / "report.html").unlink()
    for path in (begun / "seed-1" / "model", begun / "seed-1" / "checkpoints"):
        for file in [*path.rglob("*")]:
            if file.is_file():
                file.write_bytes(b"damaged")
    (begun / "seed-1" / "report.html").unlink()
    (begun / "seed-1" / "model").rename(begun / "seed-1" / "gone")
    code, out, err = diptych("train", "--resume", begun, "--jobs", 2, "--json")
    assert code == 1
    assert f"1 of 2 runs failed: {begun / 'seed-1'};" in err
    assert "seed-1  error: " in err
    assert f"`diptych train --resume {begun}` tries again" in err
    assert json.loads(out)["run"] == str(begun / "seed-0")
    assert Run(begun / "seed-0").finished


def ignored():
    """As a shell begins what it has in the background."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@pytest.mark.parametrize(("number", "begun"), [(signal.SIGINT, None), (signal.SIGINT, ignored), (signal.SIGTERM, None)])
def test_stopped_each_leaves_a_checkpoint_and_all_can_be_resumed(number, begun, diptych, corpus, tmp_path):
    settings = ["--dim", 16, "--vocabulary", 200, "--steps", 4000, "--batch", 16, "--checkpoint", 999]
    call = ["train", "crop", "--corpus", corpus, "--seeds", "0..1", *settings, "--jobs", 2]
    process = subprocess.Popen(
        [sys.executable, "-m", "diptych", *map(str, call), "--out", str(tmp_path / "s")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        preexec_fn=begun,
    )
    logs = [tmp_path / "s" / f"seed-{n}" / "metrics.jsonl" for n in range(2)]
    while process.poll() is None and not all(path.exists() for path in logs):
        time.sleep(0.01)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert err.count("`diptych train --resume") == 1
    assert f"`diptych train --resume {tmp_path / 's'}` goes on" in err
    assert "Traceback" not in err
    for n in range(2):
        assert not Run(tmp_path / "s" / f"seed-{n}").learned
        assert [*(tmp_path / "s" / f"seed-{n}" / "checkpoints").iterdir()]
    code, _, err = diptych("train", "--resume", tmp_path / "s", "--jobs", 2)
    assert code == 0, err
    assert all(Run(tmp_path / "s" / f"seed-{n}").finished for n in range(2))


def test_jobs_for_a_single_run_are_said_to_change_nothing(diptych, corpus, tmp_path):
    code, _, err = diptych("train", "crop", "--corpus", corpus, "--out", "one", "--jobs", 7, *SMALL)
    assert code == 0
    assert err.count("--jobs 7 changes nothing") == 1
    assert "--seeds" in err
    code, _, err = diptych("train", "--resume", "one", "--jobs", 0)
    assert code == 0
    assert "--jobs 0 changes nothing" in err
    assert "--jobs" not in diptych("train", "--resume", "one")[2]


def test_zero_jobs_are_as_many_as_the_cores_have_threads_for(monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: range(6), raising=False)
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert jobs_for(0) == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "8")
    assert jobs_for(0) == 1
    monkeypatch.delenv("OMP_NUM_THREADS")
    assert jobs_for(0) == 6
    assert jobs_for(4) == 4
    with pytest.raises(ValueError, match=r"--jobs is a number of runs side by side.*got -1"):
        jobs_for(-1)


def test_jobs_below_zero_are_refused_before_anything_is_made(diptych, corpus, tmp_path):
    code, _, err = diptych("train", "crop", "--corpus", corpus, "--seeds", "0,1", "--out", "s", "--jobs", -1, *SMALL)
    assert code == 2
    assert "got -1" in err
    assert not (tmp_path / "s").exists()


def test_what_is_no_run_fails_and_says_so(tmp_path):
    said = []
    assert side_by_side([tmp_path / "nowhere"], 1, [], said.append) == [tmp_path / "nowhere"]
    assert any("nowhere" in line and "error" in line for line in said)
