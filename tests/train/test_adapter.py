"""An adapter (LoRA) in training: steps, checkpoints, and what a run leaves."""

import copy
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open

sys.path.insert(0, str(Path(__file__).parents[1] / "encoders"))  # for `networks`

from networks import TEXTS, build

from diptych import encoders, from_texts, recipes
from diptych.core import Machine
from diptych.embedding import fingerprint
from diptych.encoders.lora import held, is_adapter
from diptych.fitting import fit, resume
from diptych.train.batches import work
from diptych.train.loop import WALL_CLOCK, train
from diptych.train.state import checkpoints
from diptych.train.step import backward

DOCUMENTS = [f"{a}. {b}. {c}." for a in TEXTS[:4] for b in TEXTS[:4] for c in TEXTS[:3]]
SETTINGS = {"lora": 4, "batch": 8, "lr": 1e-2}


@pytest.fixture(params=["Bert", "Llama"])
def base(request, tmp_path):
    build(request.param).save(tmp_path / "base")
    return tmp_path / "base"


def made(base, **settings):
    return recipes.dropout(from_texts(DOCUMENTS), encoder=str(base), **{"steps": 4, **SETTINGS, **settings})


def learned(recipe):
    for name, parameter in recipe.model.encoder.named_parameters():
        if is_adapter(name):
            torch.nn.init.normal_(parameter, std=0.2, generator=torch.Generator().manual_seed(3))
    return recipe


def gradients(recipe, tokens, graph):
    recipe.model.train()
    torch.manual_seed(tokens)
    backward(recipe.model, recipe.objective, recipe.views, work(recipe, 0, Machine(tokens=tokens)), graph=graph)
    return {name: p.grad for name, p in recipe.model.named_parameters() if p.grad is not None}


def test_the_gradient_does_not_depend_on_the_micro_batch_nor_on_encoding_twice(base):
    whole = gradients(learned(made(base)), 1 << 20, 1 << 40)
    assert all(is_adapter(name) for name in whole)
    for tokens, graph in ((40, 1 << 40), (40, 0), (1, 0)):
        parts = gradients(learned(made(base)), tokens, graph)
        assert parts.keys() == whole.keys()
        for name, gradient in whole.items():
            torch.testing.assert_close(parts[name], gradient, rtol=2e-4, atol=2e-5 * float(gradient.abs().max()))


def test_a_run_is_the_same_whether_the_encoder_was_asked_for_embeddings_before(base, tmp_path):
    ends = []
    for asked in (False, True):
        recipe = made(base)
        if asked:
            recipe.model.encoder.encode(TEXTS)
        train(recipe, tmp_path / str(asked), Machine(precision="fp32"))
        ends.append(recipe.model.state_dict())
    for name, weights in ends[0].items():
        assert torch.equal(weights, ends[1][name]), name


@pytest.mark.parametrize("machine", [{}, {"precision": "bf16"}, {"recompute": True}], ids=lambda x: "".join(x))
def test_a_run_moves_the_adapter_alone_and_leaves_it_alone(base, machine, tmp_path):
    recipe = made(base)
    before = {name: x.clone() for name, x in recipe.model.encoder.state_dict().items()}
    run = fit(recipe, tmp_path / "run", Machine(**{"precision": "fp32", **machine}), judged=False)
    for name, x in recipe.model.encoder.state_dict().items():
        assert torch.equal(x, before[name]) is not is_adapter(name), name
    assert not list(run.model.glob("model.safetensors"))
    assert {"adapter_config.json", "adapter_model.safetensors"} <= {file.name for file in run.model.iterdir()}
    assert run.call["parameters"] == sum(x.numel() for x in recipe.model.encoder.parameters())
    assert run.call["trained"] == sum(x.numel() for name, x in before.items() if is_adapter(name))
    again = encoders.load(run.model)
    np.testing.assert_allclose(again.encode(TEXTS), recipe.model.encoder.encode(TEXTS), atol=1e-6)
    start = encoders.load(run.start)
    np.testing.assert_allclose(start.encode(TEXTS), encoders.load(base).encode(TEXTS), atol=1e-6)


def test_a_checkpoint_holds_the_adapter_and_no_weights_of_the_network(base, tmp_path):
    train(made(base), tmp_path, Machine())
    with safe_open(checkpoints(tmp_path / "checkpoints")[-1], "pt") as file:
        weights = [name for name in file.keys() if name.startswith("model/") and "inv_freq" not in name]  # noqa: SIM118
    assert weights
    assert all(is_adapter(name) for name in weights if not name.endswith("position_ids"))


def test_a_checkpoint_that_lacks_a_weight_is_not_taken_up(base, tmp_path):
    recipe = made(base, train_last=1)
    train(recipe, tmp_path, Machine())
    other = made(base, lora=None)
    with pytest.raises(RuntimeError, match="Missing key"):
        train(other, tmp_path, Machine())


def test_a_stopped_run_ends_in_the_same_bytes(base, tmp_path):
    machine = Machine(checkpoint=0, precision="fp32")
    train(made(base), tmp_path / "whole", machine)
    train(made(base), tmp_path / "parts", machine, last=2)
    train(made(base), tmp_path / "parts", machine)
    a, b = (checkpoints(tmp_path / name / "checkpoints")[-1].read_bytes() for name in ("whole", "parts"))
    assert a == b


def test_an_adapter_knows_the_network_it_is_for(base, tmp_path):
    recipe = made(base)
    run = fit(recipe, tmp_path / "run", Machine(checkpoint=0), judged=False)
    before = fingerprint(run.folder)
    other = encoders.load(base)
    with torch.no_grad():
        next(other.network.parameters()).mul_(2)
    other.save(base)
    assert fingerprint(run.folder) != before
    with pytest.raises(ValueError, match="begun with other base"):
        resume(made(base), run.folder)


def test_merged_a_run_leaves_a_whole_model(base, tmp_path):
    from sentence_transformers import SentenceTransformer

    recipe = made(base, merge=True)
    run = fit(recipe, tmp_path / "run", Machine(precision="fp32"), judged=False)
    recipe.model.encoder.precision = "fp32"
    wanted = recipe.model.encoder.encode(TEXTS[:4])
    (base / "config.json").unlink()  # it is needed no more
    again = encoders.load(run.model)
    again.precision = "fp32"
    assert not held(again.network)
    np.testing.assert_allclose(again.encode(TEXTS[:4]), wanted, atol=3e-5, rtol=1e-3)
    theirs = SentenceTransformer(str(run.model), device="cpu").encode(TEXTS[:4], show_progress_bar=False)
    np.testing.assert_allclose(theirs, wanted, atol=3e-5, rtol=1e-3)


def test_a_teacher_follows_an_adapter(base, tmp_path):
    recipe = made(base)
    teacher = copy.deepcopy(recipe.model)
    assert [*teacher.state_dict()] == [*recipe.model.state_dict()]
    assert teacher.encoder.fixed == recipe.model.encoder.fixed


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"lora_alpha": 8, "lora": None}, "--lora-alpha belongs to --lora R"),
        ({"lora_targets": "nothing"}, "no linear layer is called 'nothing'"),
        ({"weights": "bf16", "lora": None}, "--weights bf16 is too coarse to learn in"),
        ({"encoder": "static"}, "--lora is for transformers"),
        ({"encoder": "tiny"}, "--merge"),
        ({"encoder": "tiny", "weights": "bf16"}, "--weights is for a pretrained transformer"),
    ],
)
def test_options_that_contradict_are_refused(settings, message, tmp_path):
    build("Bert").save(tmp_path / "base")
    given = {"encoder": str(tmp_path / "base"), **SETTINGS, "steps": 2, **settings}
    with pytest.raises(ValueError, match=message):
        recipes.dropout(from_texts(DOCUMENTS), **given)


def test_the_report_and_the_card_say_how_many_parameters_were_trained(tmp_path):
    build("Bert").save(tmp_path / "base")
    run = fit(made(tmp_path / "base"), tmp_path / "run")
    trained, all_of_them = run.call["trained"], run.call["parameters"]
    assert 0 < trained < all_of_them
    told = f"{trained:,} trained ({100 * trained / all_of_them:.2g} %)"
    assert told in run.report.read_text()
    assert f"parameters: {all_of_them:,} {told}" in (run.model / "README.md").read_text()


# ---------------------------------------------------------------- killed


def start(*tokens):
    call = [sys.executable, "-m", "diptych", "train", *map(str, tokens)]
    return subprocess.Popen(call, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.PIPE, text=True)


def finish(process):
    _, err = process.communicate()
    assert process.returncode == 0, err


def lines(run):
    path = run / "metrics.jsonl"
    return len(path.read_text().splitlines()) if path.exists() else 0


def left(run):
    found = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    metrics = [{k: x for k, x in line.items() if k not in WALL_CLOCK} for line in found]
    files = [*sorted((run / "start").rglob("*")), *sorted((run / "model").rglob("*"))]
    files += checkpoints(run / "checkpoints")[-1:]
    return metrics, {str(path.relative_to(run)): path.read_bytes() for path in files if path.is_file()}


@pytest.mark.slow
def test_killed_and_resumed_is_the_same_as_never_killed(base, tmp_path):
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_text("".join(json.dumps({"text": text}) + "\n" for text in DOCUMENTS))
    call = ["dropout", "--corpus", corpus, "--encoder", base, "--lora", 4, "--batch", 8, "--steps", 25, "--lr", 0.01]
    call += ["--checkpoint", 0]
    finish(start(*call, "--out", tmp_path / "whole" / "run"))
    killed = tmp_path / "killed" / "run"
    process = start(*call, "--out", killed)
    for seen in (3, 11):
        while process.poll() is None and lines(killed) < seen:
            time.sleep(0.002)
        assert process.poll() is None, "it ended before it could be killed"
        process.send_signal(signal.SIGKILL)
        process.communicate()
        process = start("--resume", killed)
    finish(process)
    assert left(killed) == left(tmp_path / "whole" / "run")
