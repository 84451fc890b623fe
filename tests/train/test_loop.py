import json
import multiprocessing
import os
import signal
import time
from contextlib import nullcontext

import pytest
import torch
from toy import recipe

from diptych.core import Encoded, Machine, Optimiser, Teacher, View
from diptych.objectives.infonce import InfoNCE
from diptych.train import loop
from diptych.train.loop import WALL_CLOCK, DivergedError, Interrupted, train
from diptych.train.optim import build, schedule
from diptych.train.state import checkpoints
from diptych.views.input.text.crop import Crop

ALWAYS = Machine(tokens=64, checkpoint=0)


def make(steps=12, **settings):
    views = [View(transform=Crop()), View(transform=Crop(), by="both")]
    return recipe(views, InfoNCE(), dropout=0.2, teacher=Teacher(0.9), steps=steps, **settings)


def run(folder, machine=ALWAYS, watch=lambda m: None, **settings):
    made = make(**settings)
    train(made, folder, machine, watch=watch)
    return made


def metrics(folder):
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{k: x for k, x in line.items() if k not in WALL_CLOCK} for line in lines]


def final(folder):
    """The bytes of the last checkpoint."""
    return checkpoints(folder / "checkpoints")[-1].read_bytes()


def child(folder):
    torch.set_num_threads(1)
    run(folder, watch=lambda m: time.sleep(0.02))


@pytest.mark.slow
def test_a_run_killed_at_random_steps_ends_in_the_same_bytes(tmp_path):
    torch.set_num_threads(1)
    run(tmp_path / "whole")
    kills = 0
    for attempt in range(20):
        process = multiprocessing.get_context("spawn").Process(target=child, args=(tmp_path / "killed",))
        process.start()
        path, seen = tmp_path / "killed" / "metrics.jsonl", attempt * 2 + 1
        while process.is_alive() and not (path.exists() and len(path.read_text().splitlines()) > seen):
            time.sleep(0.005)
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.join()
        if process.exitcode == 0:
            break
    assert kills >= 3
    assert process.exitcode == 0
    assert final(tmp_path / "whole") == final(tmp_path / "killed")
    assert metrics(tmp_path / "whole") == metrics(tmp_path / "killed")


@pytest.mark.parametrize("stop", [1, 5, 11])
def test_a_run_interrupted_by_a_signal_can_be_taken_up_again(tmp_path, stop):
    run(tmp_path / "whole", Machine(tokens=64))

    def interrupt(m):
        if m["step"] == stop:
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted, match=f"after step {stop} of 12"):
        run(tmp_path / "cut", Machine(tokens=64), interrupt)
    run(tmp_path / "cut", Machine(tokens=64))
    assert final(tmp_path / "whole") == final(tmp_path / "cut")
    assert metrics(tmp_path / "whole") == metrics(tmp_path / "cut")


def test_the_clock_goes_on_where_a_run_is_taken_up_again(tmp_path):
    run(tmp_path, steps=6)
    path = tmp_path / "metrics.jsonl"
    lines = [json.loads(line) | {"seconds": 100.0} for line in path.read_text().splitlines()]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"torn')
    (tmp_path / "checkpoints" / "step-000000006.safetensors").unlink()
    run(tmp_path, steps=6)
    seconds = [json.loads(line)["seconds"] for line in path.read_text().splitlines()]
    assert seconds[:5] == [100.0] * 5
    assert 100 < seconds[5] < 110


def test_a_checkpoint_can_be_read_by_whom_its_folder_can(tmp_path):
    (tmp_path / "checkpoints").mkdir(mode=0o750)
    run(tmp_path, steps=1)
    (checkpoint,) = checkpoints(tmp_path / "checkpoints")
    assert checkpoint.stat().st_mode & 0o777 == 0o640


def test_a_torn_checkpoint_is_passed_over_for_the_one_before(tmp_path):
    run(tmp_path / "whole")
    run(tmp_path / "torn")
    newest = checkpoints(tmp_path / "torn" / "checkpoints")[-1]
    newest.write_bytes(newest.read_bytes()[:1000])
    run(tmp_path / "torn")
    assert final(tmp_path / "whole") == final(tmp_path / "torn")


def test_a_failed_write_leaves_the_last_checkpoint_and_no_scraps(tmp_path, monkeypatch):
    from diptych.train import state

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    def fill(m):
        if m["step"] == 5:
            monkeypatch.setattr(state.os, "replace", full)

    with pytest.raises(OSError, match="No space left"):
        run(tmp_path, watch=fill)
    monkeypatch.undo()
    left = list((tmp_path / "checkpoints").iterdir())
    assert sorted(p.name for p in left) == ["step-000000003.safetensors", "step-000000004.safetensors"]


def test_the_same_seed_gives_the_same_run_and_another_seed_another(tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        run(tmp_path / name, Machine(tokens=64, workers=2 if name == "b" else 0), seed=seed)
    assert final(tmp_path / "a") == final(tmp_path / "b")
    assert metrics(tmp_path / "a")[-1]["loss"] != metrics(tmp_path / "c")[-1]["loss"]


def test_training_lowers_the_loss(tmp_path):
    run(tmp_path, steps=128, optimiser=Optimiser(lr=0.01))
    losses = [m["loss"] for m in metrics(tmp_path)]
    assert sum(losses[-9:]) < 0.8 * sum(losses[:9])


def test_a_loss_that_is_no_number_stops_the_run_and_names_the_remedy(tmp_path):
    with pytest.raises(DivergedError, match="learning rate"):
        run(tmp_path, optimiser=Optimiser(lr=1e38, clip=None, warmup=0))


def test_a_rate_of_zero_freezes_and_a_prefix_sets_a_rate_of_its_own(tmp_path):
    before = {name: p.detach().clone() for name, p in make().model.encoder.named_parameters()}
    made = run(tmp_path, optimiser=Optimiser(lr=0.05, rates={"blocks": 0.0, "blocks.1": 0.01}))
    moved = {name for name, p in made.model.encoder.named_parameters() if not torch.equal(p, before[name])}
    assert moved == {"table.weight", "blocks.1.0.weight", "blocks.1.0.bias"}


def test_a_prefix_that_fits_nothing_is_refused_with_those_that_would():
    made = make()
    with pytest.raises(ValueError, match=r"'layer'; they start with blocks, table"):
        build(Optimiser(lr=0.1, rates={"layer": 0.1}), made.model, made.objective)


def test_the_rate_rises_over_a_part_of_an_epoch_and_falls_to_zero():
    rates = [schedule(Optimiser(lr=1, warmup=0.4), step, 30, 10) for step in range(30)]
    assert rates[:5] == [0.2, 0.4, 0.6, 0.8, 1.0]
    assert rates[4:] == sorted(rates[4:], reverse=True)
    assert rates[-1] == pytest.approx(1 / 26)


def test_identical_views_are_refused(tmp_path):
    views = [View(transform=Crop(same=True))] * 2
    with pytest.raises(ValueError, match="identical"):
        train(recipe(views, InfoNCE()), tmp_path, ALWAYS)
    train(recipe(views, InfoNCE(), dropout=0.1), tmp_path, ALWAYS)


FIRST, SECOND = torch.tensor([[1.0, 0], [0, 1]]), torch.tensor([[1, 1e-6], [1e-6, 1]])
POINT, NEAR = torch.tensor([[1.0, 0], [1, 1e-6]]), torch.tensor([[1.0, 2e-6], [1, 3e-6]])


@pytest.mark.parametrize(
    ("one", "other", "refused"),
    [
        (FIRST, SECOND, True),  # the same but for rounding, and samples differ
        (FIRST, FIRST.flip(0), False),
        (POINT, NEAR, False),  # all is one point: rounding is no measure
        (POINT, POINT, True),
        (POINT[:1], NEAR[:1], True),
    ],
)
@pytest.mark.parametrize("role", ["view", "global"])
def test_views_are_identical_if_they_are_beside_those_of_other_samples(one, other, refused, role):
    views = {role: [Encoded(x, x) for x in (one, other)], "local": [Encoded(one, one)] * 2}
    with pytest.raises(ValueError, match="identical") if refused else nullcontext():
        loop._told_apart(views, "")


def test_every_logged_line_says_what_a_person_watches(tmp_path):
    run(tmp_path)
    for line in metrics(tmp_path):
        assert line["loss"] == pytest.approx(line["infonce"])
        assert {"rate", "gradient_norm", "padding", "tokens", "epoch"} <= line.keys()


@pytest.mark.parametrize(("steps", "lines"), [(4, 4), (12, 12), (13, 7), (25, 9)])
def test_a_run_has_a_line_for_each_step_or_at_most_so_many(tmp_path, monkeypatch, steps, lines):
    monkeypatch.setattr("diptych.train.loop.LINES", 12)
    train(make(steps), tmp_path, ALWAYS)
    assert len(metrics(tmp_path)) == lines
    assert metrics(tmp_path)[-1]["step"] == steps


def test_an_instrument_looks_after_so_many_steps_of_its_own_and_at_the_end(tmp_path, monkeypatch):
    """Lines are written at 6 and 12, and when it looks; one without `every` looks at every line."""
    monkeypatch.setattr("diptych.train.loop.LINES", 2)

    class Counts:
        def __init__(self, name, **every):
            self.name = name
            vars(self).update(every)

        def __call__(self, snapshot):
            return {self.name: snapshot.step}

    train(make(), tmp_path, ALWAYS, [Counts("any"), Counts("five", every=5)])
    lines = metrics(tmp_path)
    assert [line["step"] for line in lines] == [line["any"] for line in lines] == [5, 6, 10, 12]
    assert [line["five"] for line in lines if "five" in line] == [5, 10, 12]
