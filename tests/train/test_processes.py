"""A step is the same in one process, in two and in four; what one process leaves, any number takes up."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

WORKER = Path(__file__).with_name("worker.py")


def run(job: str, out: Path, size: int) -> list[subprocess.CompletedProcess]:
    """A job in `size` processes that meet at a free port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    common = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1"}
    folders = [str(WORKER.parents[1]), str(WORKER.parents[1] / "encoders"), os.environ.get("PYTHONPATH", "")]
    common["PYTHONPATH"] = os.pathsep.join(filter(None, folders))
    running = [
        subprocess.Popen(
            [sys.executable, str(WORKER), job, str(out)],
            env={**os.environ, **common, "RANK": str(rank), "LOCAL_RANK": str(rank)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    done = []
    for process in running:
        _, stderr = process.communicate(timeout=300)
        done.append(subprocess.CompletedProcess(process.args, process.returncode, "", stderr))
    return done


def gradients(job, tmp_path, size):
    out = tmp_path / f"{job}-{size}"
    for process in run(job, out, size):
        assert process.returncode == 0, process.stderr
    found = [torch.load(f"{out}.{rank}", weights_only=True) for rank in range(size)]
    for other in found[1:]:
        assert all(torch.equal(other[name], x) for name, x in found[0].items())
    return found[0]


JOBS = ["toy", "toy twice", "bert", "dinov2", pytest.param("dinov2 twice", marks=pytest.mark.slow)]


@pytest.mark.parametrize("job", JOBS)
@pytest.mark.parametrize("size", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_the_gradient_does_not_depend_on_the_number_of_processes(job, size, tmp_path):
    alone, shared = gradients(job, tmp_path, 1), gradients(job, tmp_path, size)
    assert alone.keys() == shared.keys()
    a, b = (torch.cat([each[name].flatten() for name in alone]) for each in (alone, shared))
    assert b.norm() > 0
    assert (a - b).norm() < 1e-5 * a.norm()


@pytest.mark.parametrize("job", ["toy", "bert", pytest.param("bert twice", marks=pytest.mark.slow)])
@pytest.mark.parametrize("size", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_nor_does_that_of_weights_that_are_divided(job, size, tmp_path):
    kind, _, how = job.partition(" ")
    alone, shared = gradients(kind, tmp_path, 1), gradients(f"{kind} divided {how}".strip(), tmp_path, size)
    assert alone.keys() == shared.keys()
    a, b = (torch.cat([each[name].flatten() for name in alone]) for each in (alone, shared))
    assert (a - b).norm() < 1e-5 * a.norm()


def weights(folder):
    return torch.load(folder / "end", weights_only=True)


def same(a, b, rtol=1e-4, atol=1e-5):
    for name, x in a.items():
        if not name.endswith("key.bias"):  # its gradient is zero but for rounding, which AdamW makes large
            torch.testing.assert_close(b[name], x, rtol=rtol, atol=atol, msg=name)


def test_divided_weights_are_learned_and_taken_up_by_one_process(tmp_path):
    whole, divided, broken = (tmp_path / name for name in ("whole", "divided", "broken"))
    for job, out, size in (("train clipped", whole, 1), ("train divided", divided, 2)):
        assert all(process.returncode == 0 for process in run(job, out, size))
    same(weights(whole), weights(divided))
    assert [process.returncode for process in run("die divided", broken, 2)] == [-9, 1]
    assert run("train clipped", broken, 1)[0].returncode == 0
    same(weights(whole), weights(broken))


@pytest.mark.slow
def test_divided_weights_learn_in_bf16_as_one_process_does_in_fp32(tmp_path):
    for job, size in (("train", 1), ("train divided bf16", 2)):
        for process in run(job, tmp_path / job, size):
            assert process.returncode == 0, process.stderr
    one, shared = (losses(tmp_path / job) for job in ("train", "train divided bf16"))
    assert len(one) == 6
    assert shared == pytest.approx(one, rel=0.03)
    assert shared != one


def losses(folder):
    return [json.loads(line)["loss"] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_a_process_that_dies_ends_the_run_and_any_number_takes_it_up(tmp_path):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    (ended,) = run("train", whole, 1)
    assert ended.returncode == 0, ended.stderr
    first, second = run("die", broken, 2)
    assert first.returncode == -9
    assert second.returncode == 1
    assert "another process of this run is gone" in second.stderr
    assert not (broken / "end").exists()
    (ended,) = run("train", broken, 1)
    assert ended.returncode == 0, ended.stderr
    same(weights(whole), weights(broken))
    lines = [len((folder / "metrics.jsonl").read_text().splitlines()) for folder in (whole, broken)]
    assert lines == [6, 6]
