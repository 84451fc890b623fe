"""`--resume RUN --verify` takes the last steps again; it proves that they are the same, or says what is not."""

import json
import shutil

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from diptych.train.state import checkpoints

SMALL = ("--dim", 16, "--vocabulary", 200, "--steps", 12, "--batch", 16)


def everything(folder):
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def change(path, name, by):
    """Adds to one number of one tensor of a checkpoint."""
    with safe_open(path, "pt") as file:
        told, tensors = file.metadata(), {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
    tensors[name].view(-1)[0] += by
    save_file(tensors, path, told)


@pytest.fixture
def two(diptych, corpus, tmp_path):
    """A finished run with a checkpoint of every step, of which two are kept."""
    assert diptych("train", "crop", "--corpus", corpus, "--out", tmp_path / "two", "--checkpoint", 0, *SMALL)[0] == 0
    return tmp_path / "two"


def test_the_steps_between_the_two_newest_checkpoints_are_taken_again(diptych, two):
    before = everything(two)
    code, out, _ = diptych("train", "--resume", two, "--verify")
    assert (code, out) == (0, f"verified: steps 12..12 again, same bytes  ({two})\n")
    assert everything(two) == before


def test_with_one_checkpoint_all_steps_are_taken_again(diptych, run):
    assert len(checkpoints(run / "checkpoints")) == 1
    code, out, _ = diptych("train", "--resume", run, "--verify", "--json")
    assert (code, json.loads(out)) == (0, {"run": str(run), "verified": [1, 12]})


def test_a_run_that_is_not_finished_is_verified_as_well(diptych, two):
    checkpoints(two / "checkpoints")[-1].unlink()
    shutil.rmtree(two / "model")
    code, out, err = diptych("train", "--resume", two, "--verify")
    assert (code, out) == (0, f"verified: steps 1..11 again, same bytes  ({two})\n"), err
    assert not (two / "model").exists()


@pytest.mark.parametrize(
    ("name", "by"),
    [("model/encoder.embedding.weight", 0.5), ("optimiser/0/exp_avg", 0.5), ("generator/cpu", 1)],
)
def test_what_differs_is_named_with_its_size(diptych, two, name, by):
    with safe_open(checkpoints(two / "checkpoints")[-1], "pt") as file:
        assert name in file.keys()  # noqa: SIM118
    change(checkpoints(two / "checkpoints")[-1], name, by)
    before = everything(two)
    code, out, err = diptych("train", "--resume", two, "--verify")
    assert (code, out) == (1, "")
    assert f"steps 12..12 again end in other bytes than its newest checkpoint: {name} differs by up to {by:.3g}" in err
    assert everything(two) == before


def test_another_count_is_named(diptych, two):
    path = checkpoints(two / "checkpoints")[-1]
    with safe_open(path, "pt") as file:
        told, tensors = json.loads(file.metadata()["state"]), {k: file.get_tensor(k) for k in file.keys()}  # noqa: SIM118
    told["extra"]["tokens"] += 1
    save_file(tensors, path, {"state": json.dumps(told, sort_keys=True)})
    code, _, err = diptych("train", "--resume", two, "--verify")
    assert code == 1
    assert "the weights are the same, the counts are not" in err


def test_a_damaged_checkpoint_and_none_are_named(diptych, two):
    older, _ = checkpoints(two / "checkpoints")
    older.write_bytes(older.read_bytes()[:100])
    code, _, err = diptych("train", "--resume", two, "--verify")
    assert code == 1
    assert f"{older} cannot be read" in err
    shutil.rmtree(two / "checkpoints")
    code, _, err = diptych("train", "--resume", two, "--verify")
    assert code == 1
    assert "nothing to verify" in err


def test_verify_is_of_a_run(diptych, two):
    code, _, err = diptych("train", "--verify")
    assert code == 2
    code, _, err = diptych("train", two / "run.toml", "--verify", "--out", "x")
    assert code == 2
    assert "verify" in err
    code, _, err = diptych("train", "--resume", two, "--verify", "--steps", 3)
    assert code == 2
    assert "leave --steps out" in err


def test_torch_and_its_threads_are_as_before(diptych, two):
    threads = torch.get_num_threads()
    diptych("train", "--resume", two, "--verify")
    assert torch.get_num_threads() == threads
