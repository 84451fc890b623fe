"""Guessing masked tokens: what is learned depends on no micro-batch, and lasts."""

import copy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "encoders"))  # for `networks`

from networks import trained

from diptych import core
from diptych.core import Machine, Model, Optimiser, Perturb, Recipe, Teacher, Text, View
from diptych.core.hidden import labels_of
from diptych.core.hooks import first
from diptych.encoders.language import LanguageHead
from diptych.encoders.tiny import tiny
from diptych.objectives.infonce import InfoNCE
from diptych.objectives.mlm import MLM, AuxiliaryMLM
from diptych.objectives.sum import Sum
from diptych.recipes.masking import masked, with_masked
from diptych.train import state
from diptych.train.batches import work
from diptych.train.loop import _teacher, train
from diptych.train.step import backward
from diptych.views.input.text.crop import Crop
from diptych.views.network.dropout import Dropout

TOKENIZER = trained(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])


class Words:
    """Texts of two to thirty tokens in two to six sentences."""

    fingerprint = "words"

    def __len__(self):
        return 24

    def __getitem__(self, i):
        rng = np.random.default_rng(i)
        starts = np.concatenate([[0], rng.integers(1, 6, 2 + i % 5).cumsum()])
        ids = rng.integers(5, 60, starts[-1]).astype(np.int32)
        return {"text": Text(ids, np.ones(len(ids), bool), starts[:-1], np.diff(starts))}


def small(dropout=0.1):
    return tiny(TOKENIZER, layers=2, width=16, heads=2, dropout=dropout, max_tokens=40)


def contrastive(dropout=0.1, perturb=None, steps=4):
    views = [View(transform=Crop(), perturb=perturb), View(transform=Crop())]
    model = Model(small(dropout), torch.nn.Linear(16, 8))
    torch.nn.init.normal_(model.head.weight, generator=torch.Generator().manual_seed(3))
    torch.nn.init.zeros_(model.head.bias)
    return Recipe(model, views, InfoNCE(), Words(), Optimiser(1e-3), batch=8, steps=steps)


def beside(dropout=0.1, perturb=None, steps=4):
    """A contrastive recipe that guesses masked tokens too."""
    return with_masked(contrastive(dropout, perturb, steps), 0.5, 0.3)


def alone(dropout=0.1, steps=4):
    encoder = small(dropout)
    views = [masked(View(), encoder, 0.3)]
    model = Model(encoder, language=LanguageHead(encoder))
    return Recipe(model, views, MLM(), Words(), Optimiser(1e-3), batch=8, steps=steps)


def auxiliary(dropout=0.1, steps=4):
    encoder = small(dropout)
    view = View(transform=Crop())
    seen = View("masked", transform=masked(view, encoder, 0.4).transform, by="teacher")
    objective = Sum(InfoNCE(), (0.5, AuxiliaryMLM(LanguageHead(encoder, detached=True), 16, 2)))
    return Recipe(
        Model(encoder), [view, view, seen], objective, Words(), Optimiser(1e-3), batch=8, steps=steps,
        teacher=Teacher(momentum=1.0, dropout=False, layer=1),
    )  # fmt: skip


PERTURB = Perturb(1, Dropout(0.5), 0.5, "stop")
RECIPES = {
    "alone": alone,
    "beside": beside,
    "beside, perturbed": lambda: beside(perturb=PERTURB),
    "auxiliary": auxiliary,
}


def gradients(r, tokens, graph=1 << 40):
    teacher = _teacher(r.model, r.teacher) if r.teacher else None
    w = work(r, 0, Machine(tokens=tokens))
    r.model.train()
    terms, _ = backward(
        r.model, r.objective, r.views, w, teacher, keep=r.teacher.layer if r.teacher else None, graph=graph
    )
    named = [*r.model.named_parameters("model"), *r.objective.named_parameters("objective")]
    return {name: p.grad.clone() for name, p in named if p.grad is not None}, terms, len(w.model)


def assert_close(a, b):
    assert a.keys() == b.keys()
    most = max(float(x.abs().max()) for x in a.values())
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=1e-4, atol=1e-5 * most)


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("graph", [1 << 40, 0], ids=["one graph", "encoded twice"])
@pytest.mark.parametrize("tokens", [1, 40])
def test_the_gradient_does_not_depend_on_the_micro_batch(name, graph, tokens):
    whole, first, _ = gradients(RECIPES[name](), 1 << 40)
    parts, again, count = gradients(RECIPES[name](), tokens, graph)
    assert count > 2
    assert_close(whole, parts)
    for term in first:
        torch.testing.assert_close(first[term], again[term], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["alone", "auxiliary"])
def test_packed_and_padded_networks_learn_alike(name, monkeypatch):
    make = {"alone": alone, "auxiliary": auxiliary}[name]
    packed, *_ = gradients(make(0.0), 60)
    other = make(0.0)
    other.model.encoder.padded = True
    padded, *_ = gradients(other, 60)
    assert_close(packed, padded)


def test_the_gradient_is_that_of_the_plain_computation():
    r = alone(0.0)
    found, terms, _ = gradients(r, 30)
    r = alone(0.0)
    (micro,) = work(r, 0, Machine(tokens=1 << 40)).model
    labels = micro.batch["labels"]
    network = r.model.encoder.network
    losses = []
    for a, b in zip(micro.batch["edges"][:-1], micro.batch["edges"][1:], strict=True):
        hidden = network(micro.batch["ids"][None, a:b]).last_hidden_state[0]
        head = r.model.language
        guess = head.norm(torch.nn.functional.gelu(head.dense(hidden)))
        logits = guess @ network.embeddings.word_embeddings.weight.T + head.bias
        asked = labels[a:b] != -100
        losses.append(-logits.log_softmax(-1)[asked, labels[a:b][asked]])
    loss = torch.cat(losses).mean()
    loss.backward()
    torch.testing.assert_close(loss.detach(), terms["mlm"])
    assert_close(found, {f"model.{k}": p.grad for k, p in r.model.named_parameters() if p.grad is not None})


def test_the_perturbation_acts_on_what_is_guessed():
    deep = Perturb(2, Dropout(0.9), 1.0, "pass")
    plain, noisy = (gradients(beside(0.0, perturb), 1 << 40)[1]["mlm"] for perturb in (None, deep))
    assert abs(float(plain - noisy)) > 1e-3
    assert beside(perturb=deep).views[-1].perturb == deep


def test_below_a_stopped_layer_nothing_is_learned_by_guessing():
    r = alone(0.0)
    r.views[0] = View("masked", transform=r.views[0].transform, perturb=Perturb(2, Dropout(0.5), 1.0, "stop"))
    found, *_ = gradients(r, 60)
    learns = {name for name, x in found.items() if x.abs().sum() > 0}
    table = "model.encoder.network.embeddings.word_embeddings.weight"  # by the head
    assert {name for name in learns if ".encoder." in name} == {table}


def test_a_frozen_teacher_stays_and_the_encoder_learns_from_it_by_its_embedding_alone():
    r = auxiliary(0.0)
    r.objective.weights[0] = 0.0
    found, terms, _ = gradients(r, 60)
    assert terms["auxiliary_mlm"] > 0
    assert found["objective.parts.1.language.dense.weight"].abs().sum() > 0
    table = found["model.encoder.network.embeddings.word_embeddings.weight"]
    batches = work(r, 0, Machine()).model
    seen = {int(i) for micro in batches for i in micro.batch["ids"]}
    assert {int(i) for i in table.abs().sum(1).nonzero()} <= seen  # of the whole vocabulary, if the head taught it


def test_a_teacher_that_stops_at_its_layer_teaches_what_a_whole_pass_would(monkeypatch):
    one = gradients(auxiliary(), 60)
    monkeypatch.setattr(Model, "_states", whole_pass)
    other = gradients(auxiliary(), 60)
    assert one[1] == other[1]
    assert one[0].keys() == other[0].keys()
    assert all(torch.equal(x, other[0][name]) for name, x in one[0].items())


def whole_pass(model, seen, batch):
    """The hidden states of a layer, with all that lies above it."""
    states = []
    handle = model.encoder.layers[1].register_forward_hook(lambda _, __, out: states.append(first(out)))
    hooks = model.encoder.layers[1]._forward_hooks
    stops = [hooks.pop(number) for number in [*hooks] if number != handle.id]
    assert stops
    embedding = model.encoder(batch)
    handle.remove()
    labels = core.apart(labels_of(batch), batch, -100)
    return core.Encoded(embedding, embedding, tokens=core.apart(states[0], batch), labels=labels)


@pytest.mark.parametrize("name", ["alone", "beside", "auxiliary"])
def test_a_run_that_was_stopped_ends_in_the_same_bytes(name, tmp_path):
    once, twice = RECIPES[name](), RECIPES[name]()
    train(once, tmp_path / "once", Machine(tokens=60))
    train(twice, tmp_path / "twice", Machine(tokens=60), last=2)
    again = RECIPES[name]()
    train(again, tmp_path / "twice", Machine(tokens=60))
    a, b = (state.checkpoints(tmp_path / run / "checkpoints")[-1] for run in ("once", "twice"))
    assert a.name == b.name == "step-000000004.safetensors"
    assert a.read_bytes() == b.read_bytes()
    head = again.objective.parts[1].language if name == "auxiliary" else again.model.language
    assert head.table is again.model.encoder.network.embeddings.word_embeddings.weight
    for x, y in zip(once.model.parameters(), again.model.parameters(), strict=True):
        assert torch.equal(x, y)


def test_the_table_of_tokens_is_learned_once_and_the_tie_holds(tmp_path):
    r = alone()
    before = copy.deepcopy(r.model.encoder.network.embeddings.word_embeddings.weight.detach())
    train(r, tmp_path, Machine())
    table = r.model.encoder.network.embeddings.word_embeddings.weight
    assert r.model.language.table is table
    assert not torch.equal(table, before)


def test_the_loss_of_guessing_falls(tmp_path):
    r = alone(0.0, steps=60)
    r.optimiser = Optimiser(5e-3)
    seen = []
    train(r, tmp_path, Machine(), watch=lambda line: seen.append(line["mlm"]))
    assert seen[0] == pytest.approx(np.log(120), rel=0.1)
    assert np.mean(seen[-5:]) < seen[0] - 0.5
