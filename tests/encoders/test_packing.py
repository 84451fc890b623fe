"""Texts in one row are encoded, and learn, as they do alone."""

import copy

import numpy as np
import pytest
import torch
from networks import TEXTS, build

from diptych.core import Machine, Model, Optimiser, Perturb, Recipe, Text, View, perturbed
from diptych.draws import keys
from diptych.encoders.packing import Layout
from diptych.objectives.infonce import InfoNCE
from diptych.train.batches import work
from diptych.train.step import backward
from diptych.views.network.dropout import Dropout

PADDED = {"DebertaV2", "MPNet"}  # whose attention is not the one of `transformers`
KEY = torch.from_numpy(keys(3, 1, np.arange(len(TEXTS)), 0))


def test_what_can_be_packed_is_packed(family):
    assert build(family).padded == (family in PADDED)


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_packed_equals_padded_in_output_and_gradient(family, pooling):
    encoder = build(family, pooling=pooling).eval()
    long = ["the cat sat on the mat " * 4, *TEXTS, "dropout " * 20]
    found = []
    for padded in (encoder.padded, True):
        encoder.__dict__["padded"] = padded
        encoder.zero_grad()
        out = encoder(encoder.collate(encoder.prepare(long)))
        (out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum().backward()
        grads = {name: p.grad.clone() for name, p in encoder.named_parameters() if p.grad is not None}
        found.append((out.detach(), grads))
    (a, grads), (b, expected) = found
    torch.testing.assert_close(a, b, rtol=1e-4, atol=2e-6)
    assert_close(grads, expected)


def assert_close(grads, expected):
    """The whole gradient to 1e-5, and each part of it to 1e-4, or to that of a hundredth of the largest."""
    assert grads.keys() == expected.keys()
    a, b = (torch.cat([each[name].flatten() for name in expected]) for each in (grads, expected))
    assert (a - b).norm() < 1e-5 * b.norm()
    for name, grad in expected.items():
        scale = max(float(grad.abs().max()), 0.01 * float(b.abs().max()))  # a key's bias has none
        assert (grads[name] - grad).abs().max() < 1e-4 * scale, name


def test_a_window_and_a_causal_mask_hold_within_a_text():
    layout = Layout.of(torch.tensor([0, 20, 23, 40]))
    assert sum(group.real.numel() for group in layout.groups) == layout.padded == 16 + 32 + 32
    for heads in (1, 3):
        rows = layout.rows(heads)
        assert len(rows.unique()) == len(rows) == 40 * heads
        assert rows.max() < layout.padded * heads


def recipe(encoder, perturb=None, batch=4):
    samples = encoder.prepare([*TEXTS[:4], "the cat sat", "two views of the same mat", "slice of a slice", "cat " * 9])

    class Data:
        fingerprint = ""

        def __len__(self):
            return len(samples)

        def __getitem__(self, i):
            return {"text": samples[i]}

    views = [View(perturb=perturb)] * 2
    return Recipe(Model(encoder), views, InfoNCE(0.1), Data(), Optimiser(1e-3), batch=batch, steps=1)


def gradients(encoder, tokens, graph=1 << 40, perturb=None, cast=None):
    encoder = copy.deepcopy(encoder).train()
    r = recipe(encoder, perturb, batch=8)
    w = work(r, 0, Machine(tokens=tokens))
    terms, _ = backward(r.model, r.objective, r.views, w, graph=graph, cast=cast)
    return {n: p.grad.clone() for n, p in encoder.named_parameters() if p.grad is not None}, len(w.model), terms


@pytest.mark.parametrize("perturb", [None, Perturb(2, Dropout(0.5), 0.5)], ids=["", "deep"])
@pytest.mark.parametrize(("tokens", "graph"), [(12, 1 << 40), (40, 0)])
def test_with_its_own_dropout_the_gradient_does_not_depend_on_the_micro_batch(family, tokens, graph, perturb):
    if family in PADDED:
        pytest.skip("its dropout is torch's, one sequence for all")
    encoder = build(family)  # its vocabulary is another every time
    whole, one, _ = gradients(encoder, 1 << 40, perturb=perturb)
    parts, many, _ = gradients(encoder, tokens, graph, perturb)
    assert one == 1
    assert many > 2
    assert_close(parts, whole)


def test_dropout_differs_between_layers_places_samples_and_steps():
    encoder = build("Bert").train()
    assert not encoder.padded  # it has been tried, without dropout
    seen = []
    dropouts = [m for name, m in encoder.network.named_modules() if name.endswith("output.dropout")]
    for module in dropouts:
        module.register_forward_hook(lambda m, args, out: seen.append((out == 0)[0]))
    same = [Text(np.arange(5, 15, dtype=np.int32))] * 2
    for step in (0, 1):
        key = torch.from_numpy(keys(0, step, np.arange(2), 0))
        encoder(encoder.collate(same) | {"key": key})
    kinds = {tuple(row.tolist()) for out in seen for row in out}
    rows = sum(len(out) for out in seen)
    assert len(kinds) > 0.8 * rows  # of 32 numbers none or one is dropped so often that some fall together
    rate = torch.cat(seen).float().mean()
    assert 0.09 < rate < 0.11


def test_dropout_keeps_the_mean():
    encoder = build("Bert").train()
    sample = encoder.prepare(TEXTS[2:3])
    batch = encoder.collate(sample)
    outs = [encoder(batch | {"key": torch.from_numpy(keys(0, i, np.arange(1), 0))}).detach() for i in range(300)]
    calm = encoder.eval()(batch).detach()
    assert (torch.stack(outs).mean(0) - calm).norm() < 0.15 * calm.norm()


@pytest.mark.parametrize("family", ["Bert", "DistilBert", "ModernBert", "Roberta", "Llama", "Qwen3", "GPT2"])
def test_bf16_agrees_with_fp32_within_its_rounding(family):
    cast = torch.autocast("cpu", torch.bfloat16)
    encoder = build(family)
    exact, _, loss = gradients(encoder, 1 << 40)
    rounded, _, other = gradients(encoder, 1 << 40, cast=cast)
    assert abs(float(loss["infonce"]) - float(other["infonce"])) < 0.02 * float(loss["infonce"])
    a, b = (torch.cat([grads[name].flatten() for name in exact]) for grads in (exact, rounded))
    assert all(grad.dtype == torch.float32 for grad in rounded.values())
    assert torch.cosine_similarity(a, b, dim=0) > 0.995
    assert 0.95 < b.norm() / a.norm() < 1.05


def test_weights_are_themselves_after_a_pass_in_bf16():
    encoder = build("Bert").train()
    before = {name: id(p) for name, p in encoder.named_parameters()}
    with torch.autocast("cpu", torch.bfloat16):
        encoder(encoder.collate(encoder.prepare(TEXTS)))
    assert {name: id(p) for name, p in encoder.named_parameters()} == before
    assert not encoder.layers[0]._forward_hooks
    assert encoder.network.config._attn_implementation != "diptych_packed"


def test_a_perturbed_row_is_what_a_perturbed_batch_is():
    """Keyed noise touches each text as it does in a batch that is padded."""
    perturb = Perturb(2, Dropout(0.5), 0.5)
    encoder, outs = build("Bert").eval(), []
    for padded in (False, True):
        encoder.__dict__["padded"] = padded
        batch = encoder.collate(encoder.prepare(TEXTS)) | {"key": KEY}
        with perturbed(encoder.layers, perturb, batch), torch.no_grad():
            outs.append(encoder(batch))
    torch.testing.assert_close(*outs, rtol=1e-4, atol=1e-5)


def test_a_network_that_first_embeds_in_bf16_is_packed():
    encoder = build("Bert")
    encoder.precision = "bf16"
    encoder.embed([Text(np.array([5, 6, 7], np.int32)), Text(np.array([8], np.int32))])
    assert not encoder.padded
