"""A run that is killed at any moment ends, resumed, in the same bytes as one that was not."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from diptych.train.loop import WALL_CLOCK
from diptych.train.state import checkpoints

ENCODERS = {
    "static": ("--dim", "16", "--vocabulary", "200", "--steps", "60", "--batch", "16"),
    "tiny": ("--encoder", "tiny", "--dim", "16", "--vocabulary", "200", "--steps", "25", "--batch", "8"),
}


def start(*tokens):
    call = [sys.executable, "-m", "diptych", "train", *map(str, tokens)]
    return subprocess.Popen(
        call, env={**os.environ, "OMP_NUM_THREADS": "1"}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(*tokens):
    process = start(*tokens)
    _, err = process.communicate()
    assert process.returncode == 0, err


def left(run):
    """What a run leaves: the bytes of its start, model and newest checkpoint, and its metrics but the clock."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    metrics = [{k: x for k, x in line.items() if k not in WALL_CLOCK} for line in lines]
    files = [path for part in ("start", "model") for path in sorted((run / part).rglob("*"))]
    files += checkpoints(run / "checkpoints")[-1:]
    return metrics, {str(path.relative_to(run)): path.read_bytes() for path in files if path.is_file()}


def lines(run):
    path = run / "metrics.jsonl"
    return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ENCODERS)
def test_killed_and_resumed_is_the_same_as_never_killed(corpus, tmp_path, encoder):
    call = ("crop", "--corpus", corpus, "--checkpoint", 0, *ENCODERS[encoder])
    finish(*call, "--out", tmp_path / "whole" / "run")
    process = start(*call, "--out", tmp_path / "killed" / "run")
    for seen in (3, 11):
        halt(process, tmp_path / "killed" / "run", seen, signal.SIGKILL)
        process = start("--resume", tmp_path / "killed" / "run")
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert left(tmp_path / "killed" / "run") == left(tmp_path / "whole" / "run")


def halt(process, run, seen, number):
    """Sends a signal once the run has logged that many lines; returns what it said."""
    while process.poll() is None and lines(run) < seen:
        time.sleep(0.002)
    assert process.poll() is None, "it ended before it could be stopped"
    process.send_signal(number)
    return process.communicate()[1]


@pytest.mark.slow
def test_kills_at_random_moments_change_no_byte():
    script = Path(__file__).parents[2] / "benchmarks" / "kills.py"
    call = [sys.executable, script, "--kills", "5", "--steps", "300", "--documents", "150", "--json"]
    done = subprocess.run(list(map(str, call)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads(done.stdout)
    assert told["wrong"] == []
    assert sum(told["where"].values()) == told["kills"] >= 5


@pytest.mark.slow
def test_seeds_that_were_killed_are_all_finished_by_one_resume(corpus, tmp_path):
    call = ("crop", "--corpus", corpus, "--seeds", "0,1,2", *ENCODERS["static"])
    finish(*call, "--out", tmp_path / "whole")
    halt(start(*call, "--out", tmp_path / "killed"), tmp_path / "killed" / "seed-1", 2, signal.SIGKILL)
    assert [path.name for path in (tmp_path / "killed" / "seed-2").iterdir()] == ["run.toml"]
    stopped = halt(start("--resume", tmp_path / "killed"), tmp_path / "killed" / "seed-1", 4, signal.SIGINT)
    assert f"`diptych train --resume {tmp_path / 'killed'}` goes on" in stopped
    finish("--resume", tmp_path / "killed")
    for seed in ("seed-0", "seed-1", "seed-2"):
        assert left(tmp_path / "killed" / seed) == left(tmp_path / "whole" / seed)
        assert (tmp_path / "killed" / seed / "report.html").is_file()


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on_and_leaves_a_run_that_does(corpus, tmp_path):
    call = ("crop", "--corpus", corpus, *ENCODERS["static"][:-4], "--steps", "20000", "--batch", "16")
    process = start(*call, "--out", tmp_path / "run")
    while process.poll() is None and lines(tmp_path / "run") < 2:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()
    assert (process.returncode, out) == (130, "")
    assert f"--resume {tmp_path / 'run'}" in err
    assert not (tmp_path / "run" / "model").exists()
    assert list((tmp_path / "run" / "checkpoints").iterdir())
