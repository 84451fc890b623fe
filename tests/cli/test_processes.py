"""`torchrun -m diptych`: one call, several processes, one run."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest


def torchrun(*tokens, folder, processes=2):
    """Runs a command line in several processes; returns its stdout and stderr."""
    call = ["torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m", "diptych"]
    done = subprocess.run(
        [sys.executable, "-m", *call, *map(str, tokens)],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, done.stderr


@pytest.mark.slow
def test_a_run_of_two_processes_is_that_of_one(corpus, diptych, tmp_path):
    settings = ("--corpus", corpus, "--dim", "16", "--steps", "8", "--batch", "9", "--precision", "fp32")
    code, _, err = diptych("train", "crop", *settings, "--out", "one")
    assert code == 0, err
    out, err = torchrun("train", "crop", *settings, "--out", "two", "--json", folder=tmp_path)
    assert json.loads(out)["run"] == "two"
    assert "2 processes share each step's 9 samples" in err
    assert err.count("text in column") == 1
    lines = [(tmp_path / run / "metrics.jsonl").read_text().splitlines() for run in ("one", "two")]
    one, two = ([json.loads(line) for line in many] for many in lines)
    assert len(one) == len(two) == 8
    for a, b in zip(one, two, strict=True):
        assert a["tokens"] == b["tokens"]
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-4)
    scores = [json.loads((tmp_path / run / "scores.json").read_text())["scores"]["model"] for run in ("one", "two")]
    assert scores[0] == pytest.approx(scores[1], abs=0.02)


@pytest.mark.slow
def test_two_processes_embed_what_one_does(corpus, diptych, tmp_path):
    assert diptych("train", "crop", "--corpus", corpus, "--dim", "16", "--steps", "2", "--out", "run")[0] == 0
    assert diptych("embed", "run", corpus, "--out", "one.npy", "--json")[0] == 0
    out, _ = torchrun("embed", "run", corpus, "--out", "two.npy", "--shard", "10", "--json", folder=tmp_path)
    files = json.loads(out)["files"]
    assert len(files) == 5
    shards = np.concatenate([np.load(tmp_path / file) for file in files])
    np.testing.assert_array_equal(shards, np.load(tmp_path / "one.npy"))
    assert not (tmp_path / "two.npy.parts").exists()
