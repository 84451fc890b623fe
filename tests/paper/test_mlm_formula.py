"""Masked language modelling, and that of InfoCSE, against their formulas in NumPy."""

import math

import numpy as np
import pytest
import torch
from scipy.special import erf
from torch import nn

from diptych.core import Encoded
from diptych.objectives.mlm import MLM, AuxiliaryMLM

WIDTH, HEADS, TOKENS = 8, 2, 11


def guessed(*rows):
    x = torch.zeros(len(rows), 3)
    return Encoded(x, x, guessed=torch.tensor(rows, dtype=torch.float32))


def test_mlm_is_the_mean_over_masked_tokens_and_not_over_samples():
    views = {"masked": [guessed([6.0, 3], [1.0, 1]), guessed([0.0, 0], [5.0, 2])]}
    assert float(MLM()(views, {})["mlm"]) == pytest.approx(12 / 6)


def test_without_masked_tokens_mlm_is_zero():
    assert float(MLM()({"masked": [guessed([0.0, 0])]}, {})["mlm"]) == 0


@pytest.mark.parametrize("views", [{}, {"masked": [Encoded(torch.zeros(1, 2), torch.zeros(1, 2))]}])
def test_mlm_needs_a_masked_view_and_a_head(views):
    with pytest.raises(ValueError, match="a language head"):
        MLM()(views, {})


class Head(nn.Module):
    """-log p by one linear layer."""

    def __init__(self):
        super().__init__()
        self.out = nn.Linear(WIDTH, TOKENS)

    def forward(self, hidden, labels):
        return nn.functional.cross_entropy(self.out(hidden), labels, reduction="none")


def norm(x, layer):
    x = (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-12)
    return x * array(layer.weight) + array(layer.bias)


def array(x):
    return x.detach().double().numpy()


def block(x, layer):
    """One transformer layer with norms behind, of a text without padding (t d)."""
    qkv = x @ array(layer.self_attn.in_proj_weight).T + array(layer.self_attn.in_proj_bias)
    outs = []
    for h in range(HEADS):
        q, k, v = (qkv[:, i * WIDTH + h * 4 : i * WIDTH + h * 4 + 4] for i in range(3))
        scores = np.exp(q @ k.T / math.sqrt(4))
        outs.append(scores / scores.sum(1, keepdims=True) @ v)
    attended = np.concatenate(outs, 1) @ array(layer.self_attn.out_proj.weight).T + array(layer.self_attn.out_proj.bias)
    x = norm(x + attended, layer.norm1)
    inner = x @ array(layer.linear1.weight).T + array(layer.linear1.bias)
    inner = inner * (1 + erf(inner / math.sqrt(2))) / 2
    return norm(x + inner @ array(layer.linear2.weight).T + array(layer.linear2.bias), layer.norm2)


def reference(objective, embedding, tokens, labels, lengths):
    total, many = 0.0, 0
    for cls, states, asked, n in zip(embedding, tokens, labels, lengths, strict=True):
        x = np.concatenate([cls[None], states[1:n]])
        for layer in objective.layers:
            x = block(x, layer)
        logits = x @ array(objective.language.out.weight).T + array(objective.language.out.bias)
        for place in range(1, n):
            if asked[place] != -100:
                total += math.log(np.exp(logits[place]).sum()) - logits[place, asked[place]]
                many += 1
    return total / many


def case():
    torch.manual_seed(0)
    objective = AuxiliaryMLM(Head(), WIDTH, HEADS)
    for p in objective.parameters():
        nn.init.normal_(p, std=0.4)
    rng = np.random.default_rng(0)
    lengths, t = [6, 4, 5], 7
    embedding, tokens = rng.normal(size=(3, WIDTH)), rng.normal(size=(3, t, WIDTH))
    labels = np.where(rng.random((3, t)) < 0.5, rng.integers(0, TOKENS, (3, t)), -100)
    labels[:, 0] = -100
    for i, n in enumerate(lengths):
        tokens[i, n:], labels[i, n:] = 0, -100
    return objective, embedding, tokens, labels, lengths


def told(objective, embedding, tokens, labels):
    seen = torch.tensor(embedding, dtype=torch.float32, requires_grad=True)
    states = torch.tensor(tokens, dtype=torch.float32, requires_grad=True)
    other = torch.randn_like(seen)
    views = {"view": [Encoded(seen, seen), Encoded(other, other)]}
    masked = Encoded(other, other, tokens=states, labels=torch.tensor(labels))
    return objective(views, {"masked": [masked]})["auxiliary_mlm"], seen, states


def test_the_auxiliary_loss_is_its_formula():
    objective, embedding, tokens, labels, lengths = case()
    loss, *_ = told(objective, embedding, tokens, labels)
    assert float(loss.detach()) == pytest.approx(reference(objective, embedding, tokens, labels, lengths), rel=1e-5)


def test_the_auxiliary_loss_teaches_the_embedding_and_not_the_teacher():
    objective, embedding, tokens, labels, _ = case()
    loss, seen, states = told(objective, embedding, tokens, labels)
    loss.backward()
    assert seen.grad.abs().sum() > 0
    assert states.grad is None
    assert all(p.grad.abs().sum() > 0 for p in objective.parameters() if p.ndim > 1)


def test_the_teachers_state_of_the_first_token_and_padding_do_not_matter():
    objective, embedding, tokens, labels, _ = case()
    before, *_ = told(objective, embedding, tokens, labels)
    tokens[:, 0] += 5
    wider = np.concatenate([tokens, np.zeros((3, 4, WIDTH))], 1)
    after, *_ = told(objective, embedding, wider, np.concatenate([labels, np.full((3, 4), -100)], 1))
    assert float(before.detach()) == pytest.approx(float(after.detach()), rel=1e-6)


def test_the_auxiliary_loss_needs_a_teacher_that_is_asked_for_states():
    objective, embedding, *_ = case()
    x = torch.tensor(embedding, dtype=torch.float32)
    for teacher in ({}, {"masked": [Encoded(x, x)]}):
        with pytest.raises(ValueError, match="asked for the states of a layer"):
            objective({"view": [Encoded(x, x)] * 2}, teacher)
