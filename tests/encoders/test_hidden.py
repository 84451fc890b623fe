"""Hidden states by layer, against what `transformers` itself calls hidden states."""

import numpy as np
import pytest
import torch
from networks import build

from diptych.core import Encoder
from diptych.encoders import static
from diptych.encoders.hidden import hidden


def told(encoder, sample):
    """Mean hidden states of one text alone, by `output_hidden_states`; the last is before a final norm or after it."""
    batch = encoder.collate([sample])
    ids = batch["ids"].reshape(1, -1)
    if "edges" in batch:
        ids = ids[:, : batch["edges"][-1]]
    encoder.eval()
    with torch.inference_mode():
        states = encoder.network(input_ids=ids, output_hidden_states=True).hidden_states
    return [h[0].mean(0).numpy() for h in states]


def test_hidden_states_are_those_of_transformers_in_the_order_of_the_samples(family: str, texts: list[str]) -> None:
    encoder = build(family)
    samples = encoder.prepare(texts)
    found = hidden(encoder, samples)
    assert len(found) == len(encoder.layers)
    assert all(layer.dtype == np.float32 and layer.shape == (len(texts), 32) for layer in found)
    for i, sample in enumerate(samples):
        alone = told(encoder, sample)
        for layer, right in list(zip(found, alone, strict=True))[:-1]:  # the last may be behind one more norm
            np.testing.assert_allclose(layer[i], right, rtol=1e-3, atol=2e-4)


def test_nothing_is_left_in_the_encoder(texts: list[str]) -> None:
    encoder = build("Bert").train()
    before = torch.get_rng_state()
    first, second = (hidden(encoder, encoder.prepare(texts)) for _ in range(2))
    assert encoder.training
    assert all(m.training for m in encoder.layers)
    assert not any(m._forward_hooks for m in encoder.modules())
    assert torch.equal(before, torch.get_rng_state())
    for x, y in zip(first, second, strict=True):
        np.testing.assert_array_equal(x, y)


def test_hooks_go_also_when_the_network_fails(texts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = build("Bert").train()
    monkeypatch.setattr(type(encoder), "collate", lambda self, samples: {"ids": torch.zeros(1)})
    with pytest.raises((IndexError, RuntimeError, TypeError, KeyError)):
        hidden(encoder, encoder.prepare(texts))
    assert encoder.training
    assert not any(m._forward_hooks for m in encoder.modules())


def test_a_static_encoder_has_one_layer_which_is_its_embedding(vocabulary, texts: list[str]) -> None:
    encoder: Encoder = static.fresh(vocabulary, 8)
    samples = encoder.prepare(texts)
    (layer,) = hidden(encoder, samples)
    np.testing.assert_array_equal(layer, encoder.embed(samples))


def test_no_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="one sample or more"):
        hidden(build("Bert"), [])
