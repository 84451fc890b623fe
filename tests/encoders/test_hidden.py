"""Hidden states by layer, against what `transformers` itself calls hidden states."""

import weakref
from collections.abc import Callable
from itertools import accumulate

import numpy as np
import pytest
import torch
from eyes import SMALL
from networks import FAMILIES, build

from diptych.core import Encoder, encoding, fitting, portions
from diptych.core import encoder as of_encoders
from diptych.encoders import hidden as of_layers
from diptych.encoders import packing, static
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


def test_of_a_layer_no_more_than_means_are_kept_while_the_next_is_computed() -> None:
    """Hidden states of all layers at once are many times what a block needs."""
    encoder = build("Bert")
    assert not encoder.padded  # which is tried once
    states, alive = [], []

    def look(layer, args, out) -> None:
        alive.append(sum(state() is not None for state in states))
        states.append(weakref.ref(out[0] if isinstance(out, tuple) else out))

    for layer in encoder.layers:
        layer.register_forward_hook(look)
    hidden(encoder, encoder.prepare(["the cat sat on the mat"]))
    assert len(alive) == len(encoder.layers)
    assert max(alive) <= 2  # what the layer itself reads, and the input embedding, which BERT holds


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], torch.device]:
    """A card that nobody computes on, with so many bytes of memory that are free; torch holds a quarter of them."""

    def with_free(free: int) -> torch.device:
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free - free // 4, 1 << 50))
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: free // 4 + 999)
        monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: 999)
        return torch.device("cuda")

    return with_free


def tokens(encoder: Encoder, device: torch.device, sizes: list[int]) -> list[int]:
    """Of each portion; every row is in one of them."""
    parts = portions(encoder, device, sizes)
    assert sorted(i for part in parts for i in part) == list(range(len(sizes)))
    return [sum(sizes[i] for i in part) for part in parts]


def test_on_a_gpu_as_many_tokens_go_at_once_as_there_is_room_for(gpu: Callable[[int], torch.device]) -> None:
    encoder, sizes = build("Bert"), [64] * 4096
    assert tokens(encoder, gpu(1 << 40), sizes) == [131_072] * 2
    taken = 4 * 32 * (24 + 8 + 4 * 64 // 32)  # bytes of a token, by hand
    assert tokens(encoder, gpu(2 * taken * 131_072), sizes) == [131_072] * 2
    assert tokens(encoder, gpu(taken * 131_072), sizes) == [65_536] * 4
    assert tokens(encoder, gpu(0), sizes) == [64] * 4096  # a text then goes alone
    assert max(tokens(encoder, torch.device("cpu"), sizes)) == 2 * encoder.micro


def test_a_table_keeps_nothing_for_a_token(vocabulary, gpu: Callable[[int], torch.device]) -> None:
    assert tokens(static.fresh(vocabulary, 8), gpu(0), [64] * 4096) == [64 * 4096]


def test_convolutions_look_at_no_tokens(gpu: Callable[[int], torch.device]) -> None:
    network, attending = SMALL["resnet"](), SMALL["vit"]()
    few = [2 * 24 * 4 * encoder.dim * 4096 for encoder in (network, attending)]
    assert tokens(network, gpu(few[0]), [4] * 1024) == [4096]
    assert max(tokens(attending, gpu(few[1]), [4] * 1024)) < 4096 / 8


def test_embeddings_and_hidden_states_are_made_in_portions(texts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    encoder, seen = build("Bert"), []
    samples, collate = encoder.prepare(texts), encoder.collate
    for place in (of_encoders, of_layers):
        monkeypatch.setattr(
            place, "portions", lambda encoder, device, sizes: [np.array([i]) for i in range(len(sizes))]
        )
    monkeypatch.setattr(encoder, "collate", lambda some: seen.append(len(some)) or collate(some))
    encoder.embed(samples)
    hidden(encoder, samples)
    assert seen == [1] * 2 * len(texts)


def test_wider_networks_long_texts_and_short_ones_take_more() -> None:
    """By hand, of texts of 512, 64 and 8 tokens: those of the last are padded to eight times as many."""
    assert (encoding([512], 768) == 4 * 768 * 512 * (24 + 8 + 4 * 512 // 32)).all()
    assert (encoding([64, 8], 768) // [64, 8] == [4 * 768 * (24 + 8 + 8), 4 * 768 * (24 + 64 + 64)]).all()
    assert (encoding([64], 1536) == 2 * encoding([64], 768)).all()
    assert (encoding([64], 768, attends=False) == 4 * 768 * 64 * 24).all()


def test_the_part_that_takes_most_for_a_token_decides() -> None:
    assert fitting([(600, 10), (400, 2)], 99, 1000) == 8  # the second has room as it is
    assert fitting([(600, 10), (800, 2)], 99, 1000) == 1
    assert fitting([(500, 10)], 99, 1000) == 99


@pytest.mark.parametrize("words", [8, 60])
def test_an_encoder_takes_no_more_than_is_estimated(words: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Padded as on a GPU, with heads that are narrow."""
    monkeypatch.setitem(packing.STEP, "cpu", packing.STEP["cuda"])
    monkeypatch.setitem(FAMILIES, "Bert", FAMILIES["Bert"] | {"hidden_size": 128, "intermediate_size": 512})
    encoder = build("Bert")
    samples = encoder.prepare(["cat " * words] * 64)
    encoder.embed(samples)  # what is made once
    with torch.profiler.profile(profile_memory=True) as seen:
        encoder.embed(samples)
    moved = sorted((e.start_ns(), e.nbytes()) for e in seen.profiler.kineto_results.events() if e.name() == "[memory]")
    ratio = encoding([encoder.size(x) for x in samples], 128).sum() / max(accumulate(n for _, n in moved))
    print(f"estimated {ratio:.2f} times what was taken")
    assert 1 < ratio < 4
