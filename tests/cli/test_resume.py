"""A run that is killed at any moment ends, resumed, in the same bytes as one that was not."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest
from safetensors import safe_open

from diptych.train.loop import WALL_CLOCK

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
    """What a run leaves, as bytes; of metrics and checkpoint all but the wall clock."""
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    metrics = [{k: x for k, x in line.items() if k not in WALL_CLOCK} for line in lines]
    (checkpoint,) = (run / "checkpoints").iterdir()
    with safe_open(checkpoint, "pt") as file:
        state = {k: file.get_tensor(k).numpy().tobytes() for k in file.keys()}  # noqa: SIM118
    return (run / "model" / "model.safetensors").read_bytes(), metrics, state


def lines(run):
    path = run / "metrics.jsonl"
    return len(path.read_text().splitlines()) if path.exists() else 0


@pytest.mark.slow
@pytest.mark.parametrize("encoder", ENCODERS)
def test_killed_and_resumed_is_the_same_as_never_killed(corpus, tmp_path, encoder):
    call = ("crop", "--corpus", corpus, "--checkpoint", 0, *ENCODERS[encoder])
    finish(*call, "--out", tmp_path / "whole")
    process = start(*call, "--out", tmp_path / "killed")
    for seen in (3, 11):
        while process.poll() is None and lines(tmp_path / "killed") < seen:
            time.sleep(0.002)
        assert process.poll() is None, "it ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.communicate()
        process = start("--resume", tmp_path / "killed")
    _, err = process.communicate()
    assert process.returncode == 0, err
    assert left(tmp_path / "killed") == left(tmp_path / "whole")


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
