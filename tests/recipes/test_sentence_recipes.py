"""simcse, mixcse, esimcse and promptbert: what they are made of, and their runs from beginning to end."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest
import torch

from diptych import encoders, fit, from_texts, recipes, resume
from diptych.core import DataError, Machine, Optimiser, Teacher
from diptych.fitting import verify
from diptych.objectives.denoised import Denoised
from diptych.objectives.mixcse import MixCSE
from diptych.objectives.queue import MomentumQueue
from diptych.train.batches import samples, work
from diptych.train.loop import WALL_CLOCK, Interrupted
from diptych.train.step import backward

NAMES = ("simcse", "mixcse", "esimcse", "promptbert")
SMALL = {"dim": 16, "vocabulary": 300, "steps": 5, "batch": 8}
SUBJECTS = ("ships at sea", "bread of flour", "the faint comet", "a cat on the mat", "two views of a text")


def corpus(n=40):
    texts = [f"{SUBJECTS[i % 5]} came in {i}. Number {i} is of {SUBJECTS[i * 2 % 5]}. Then it ended." for i in range(n)]
    return from_texts(texts)


def stop_at(step):
    def stop(line):
        if line["step"] == step:
            os.kill(os.getpid(), signal.SIGINT)

    return stop


def metrics(run):
    return [{k: x for k, x in line.items() if k not in WALL_CLOCK} for line in run.metrics]


@pytest.mark.parametrize(
    ("name", "more"),
    [
        *((name, {}) for name in NAMES),
        ("esimcse", {"queue": 20, "encoder": "static"}),
        ("promptbert", {"full_stop": True}),
        ("simcse", {"rank_reduction": 0.1, "rank_reduction_phase": "1"}),
        ("mixcse", {"perturb_layer": 2}),
        ("promptbert", {"perturb_layer": 4, "rank_reduction": 0.1, "denoise": False}),
        ("esimcse", {"mlm_weight": 0.1}),
        ("promptbert", {"mlm_weight": 0.1}),
    ],
)
def test_a_run_that_is_stopped_ends_in_the_same_bytes(name, more, tmp_path):
    def made():
        return getattr(recipes, name)(corpus(), **SMALL, **more)

    whole = fit(made(), tmp_path / "whole")
    with pytest.raises(Interrupted):
        fit(made(), tmp_path / "cut", watch=stop_at(3))
    again = resume(made(), tmp_path / "cut")
    assert metrics(whole) == metrics(again)
    assert (whole.model / "model.safetensors").read_bytes() == (again.model / "model.safetensors").read_bytes()
    assert (whole.model / "model.safetensors").read_bytes() != (whole.start / "model.safetensors").read_bytes()
    assert verify(made(), tmp_path / "cut") == (4, 5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("graph", [1 << 40, 0], ids=["one graph", "encoded twice"])
def test_the_gradient_does_not_depend_on_the_micro_batch(name, graph):
    def gradients(tokens, graph):
        made = getattr(recipes, name)(corpus(), **SMALL)
        made.model.train()
        w = work(made, 0, Machine(tokens=tokens))
        teacher = made.model if made.teacher else None
        backward(made.model, made.objective, made.views, w, teacher, graph=graph)
        learned = [*made.model.named_parameters(), *made.objective.named_parameters("objective")]
        return {k: p.grad.clone() for k, p in learned if p.grad is not None}, len(w.model)

    (whole, one), (parts, many) = gradients(1 << 40, 1 << 40), gradients(60, graph)
    assert many > one
    assert whole.keys() == parts.keys()
    largest = max(float(x.abs().max()) for x in whole.values())  # beside it, that of a key's bias is rounding
    for k, x in whole.items():
        torch.testing.assert_close(x, parts[k], rtol=1e-4, atol=1e-4 * float(x.abs().max()) + 1e-6 * largest)


def test_what_they_are_made_of():
    made = {name: getattr(recipes, name)(corpus(), **SMALL) for name in NAMES}
    for name in ("simcse", "mixcse", "esimcse"):
        encoder, head = made[name].model.encoder, made[name].model.head
        assert encoder.pooling == "mean"
        assert [type(part).__name__ for part in head] == ["Linear", "Tanh"]
        assert len(made[name].model.layers) == 6
        assert made[name].objective.temperature == 0.05
        assert made[name].optimiser.clip == 1
    assert made["simcse"].views[0] == made["simcse"].views[1]
    assert made["simcse"].views[0].transform.most == 30
    assert isinstance(made["mixcse"].objective, MixCSE)
    queue = made["esimcse"].objective
    assert isinstance(queue, MomentumQueue)
    assert queue.rows.shape == (20, 16)
    assert made["esimcse"].teacher == Teacher(0.995, "shared", dropout=False)
    assert [view.by for view in made["esimcse"].views] == ["both", "model"]
    prompt = made["promptbert"]
    assert isinstance(prompt.objective, Denoised)
    assert prompt.model.encoder.pooling == "last"
    assert [(view.role, view.transform.empty) for view in prompt.views] == [
        ("view", False), ("view", False), ("bias", True), ("bias", True),
    ]  # fmt: skip
    assert [view.role for view in recipes.promptbert(corpus(), denoise=False, **SMALL).views] == ["view", "view"]


def test_a_pretrained_encoder_gets_the_settings_of_the_papers(tmp_path):
    recipes.simcse(corpus(), pooling="mean", **SMALL).model.encoder.network.save_pretrained(tmp_path / "bert")
    recipes.simcse(corpus(), **SMALL).model.encoder.pretrained.save_pretrained(tmp_path / "bert")
    made = {name: getattr(recipes, name)(corpus(300), encoder=str(tmp_path / "bert")) for name in NAMES}
    for name in ("simcse", "mixcse", "esimcse"):
        assert made[name].optimiser == Optimiser(3e-5, warmup=0.0, clip=1.0)
        assert (made[name].batch, made[name].model.encoder.pooling) == (64, "cls")
    assert len(made["esimcse"].objective.rows) == 160
    assert made["promptbert"].optimiser == Optimiser(1e-5, warmup=0.0, clip=1.0)
    assert made["promptbert"].batch == 256
    recipes.simcse(corpus(), pooling="mean", **SMALL).model.encoder.save(tmp_path / "mean")
    assert recipes.simcse(corpus(), encoder=str(tmp_path / "mean")).model.encoder.pooling == "mean"
    assert recipes.simcse(corpus(), init=str(tmp_path / "mean")).model.encoder.pooling == "mean"


def test_some_tokens_of_the_second_view_are_there_twice():
    made = recipes.esimcse(corpus(), **SMALL)
    longer = []
    for step in range(5):
        for micro in work(made, step, Machine(tokens=1)).model:
            longer.append((int(micro.place[0]) // 8, int(micro.batch["edges"][-1])))
    first, second = (np.array([size for view, size in longer if view == v]) for v in (0, 1))
    assert second.sum() > first.sum()


def test_the_first_view_and_its_templates_are_what_ships():
    """A view of a text, encoded without noise, is the embedding of that text; and reads as the template says."""
    made = recipes.promptbert(corpus(), template_a="so {text} , that is [MASK]", sentences=0, **SMALL)
    encoder = made.model.encoder.eval()
    encoder.precision = "fp32"
    (micro,) = work(made, 0, Machine(tokens=1 << 30)).model
    rows = encoder(micro.batch).detach().numpy()
    texts = [corpus().texts[int(i)] for i in samples(made, 0)]
    np.testing.assert_allclose(rows[np.argsort(micro.place.numpy())][:8], encoder.encode(texts), atol=1e-5)
    ids = encoder.collate(encoder.prepare(["two views"]))
    read = [encoder.tokenizer.id_to_token(i) for i in ids["ids"][: ids["edges"][-1]].tolist()]
    assert read[0] == "[CLS]"
    assert read[-1] == "[MASK]"
    assert "[SEP]" not in read


@pytest.mark.parametrize("full_stop", [False, True])
def test_a_trained_model_is_read_alike_by_sentence_transformers(full_stop, tmp_path):
    st = pytest.importorskip("sentence_transformers")
    run = fit(recipes.promptbert(corpus(), full_stop=full_stop, **SMALL), tmp_path / "run")
    texts = ["two views of a text", "two views of a text.", "Ships. At sea .", "unseen 漢字", "...", "cat " * 900]
    loaded = encoders.load(run.model)
    loaded.precision = "fp32"
    here = loaded.encode(texts)
    there = st.SentenceTransformer(str(run.model), device="cpu").encode(texts)
    np.testing.assert_allclose(here, there, atol=1e-4)
    same = np.abs(here[0] - here[1]).max() < 1e-6
    assert same == full_stop
    again = recipes.promptbert(corpus(), init=str(run.model), full_stop=full_stop, steps=2, batch=8)
    assert (again.model.encoder.before, again.model.encoder.after) == (loaded.before, loaded.after)
    again.model.encoder.precision = "fp32"
    np.testing.assert_allclose(again.model.encoder.encode(texts), here, atol=1e-5)


def test_a_static_encoder_has_dropout_for_it():
    made = recipes.simcse(corpus(), encoder="static", **SMALL)
    assert made.model.encoder.noisy
    assert made.views[0].transform.most == 32


@pytest.mark.parametrize(
    ("name", "settings", "why"),
    [
        ("simcse", {"temperature": 0}, "above 0; got 0"),
        ("simcse", {"length": 2}, "2 special tokens are among them, so give 3 or more"),
        ("simcse", {"sentences": -1}, "got -1"),
        ("mixcse", {"mix": 1.0}, r"above 0 and below 1; got 1\.0"),
        ("mixcse", {"temperature": -1.0}, "above 0; got -1"),
        ("esimcse", {"repeat": 0.0}, r"in \(0, 1\]; got rate=0"),
        ("esimcse", {"queue": 0}, "--queue has at least one row; got 0"),
        ("esimcse", {"momentum": 1.5}, "momentum is from 0 to 1; got 1.5"),
        (
            "promptbert",
            {"template_a": "no slot [MASK]"},
            r"--template-a is words around \{text\}, once, .* got 'no slot",
        ),
        ("promptbert", {"template_b": "{text} is [MASK]."}, "--template-b is .* that end in .MASK., once"),
        ("promptbert", {"template_a": "{text} {text} [MASK]"}, "--template-a is words around"),
        ("promptbert", {"template_b": "[MASK] {text}"}, "--template-b is words around"),
        ("promptbert", {"encoder": "static"}, "reads a text at a mask: it needs a transformer with a mask token"),
        ("promptbert", {"pooling": "mean"}, "--pooling: the templates of `promptbert` say"),
        ("promptbert", {"prompt": "query: "}, "--prompt: the templates of `promptbert` say"),
        ("promptbert", {"length": 600}, "and --length 600 are more than this encoder reads, 512"),
    ],
)
def test_what_cannot_be_is_refused(name, settings, why):
    with pytest.raises(ValueError, match=why):
        getattr(recipes, name)(corpus(), **{**SMALL, **settings})


def test_one_sentence_alone_is_refused():
    with pytest.raises(DataError, match="at least two different documents"):
        recipes.simcse(from_texts(["one sentence"] * 5), **SMALL)


@pytest.mark.parametrize("name", [*NAMES, "regression"])
def test_help_is_there(name):
    told = subprocess.run(
        [sys.executable, "-m", "diptych", "train", name, "--help"], capture_output=True, text=True, check=True
    )
    assert f"diptych train {name}" in told.stdout
    assert "arXiv:" in told.stdout or "AAAI" in told.stdout
