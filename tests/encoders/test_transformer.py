import copy

import numpy as np
import pytest
import torch
import transformers
from networks import FAMILIES, build, pretrained
from torch import nn

from diptych.core import Perturb, Text, perturbed
from diptych.draws import keys
from diptych.encoders import direction, lora
from diptych.encoders.pooling import pool
from diptych.encoders.transformer import Transformer, positions

KEY = torch.from_numpy(keys(0, 0, np.arange(6), 0))


def zeros(h, key):
    return torch.zeros_like(h)


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_the_saved_folder_gives_the_same_embeddings_in_sentence_transformers(family, pooling, texts, tmp_path):
    from sentence_transformers import SentenceTransformer

    encoder = build(family, pooling=pooling, normalize=pooling == "cls")
    encoder.save(tmp_path / "model")
    real = [text for text in texts if text]  # DeBERTa and decoders differ on the padding of an empty one
    theirs = SentenceTransformer(str(tmp_path / "model"), device="cpu").encode(real, show_progress_bar=False)
    np.testing.assert_allclose(encoder.encode(real), theirs, atol=2e-5, rtol=1e-4)


def test_a_batch_of_mixed_lengths_equals_its_texts_one_by_one(family, texts):
    encoder = build(family)
    for pooling in ("mean", "cls", "last"):
        encoder.pooling = pooling
        together = encoder.embed(encoder.prepare(texts))
        batch = encoder.collate(encoder.prepare(texts))
        alone = np.concatenate([encoder.encode([text]) for text in texts])
        np.testing.assert_allclose(together, alone, atol=2e-5, rtol=1e-4)
        with torch.inference_mode():
            np.testing.assert_allclose(encoder(batch).numpy(), alone, atol=2e-5, rtol=1e-4)


def test_every_layer_can_be_perturbed(family, texts):
    encoder = build(family)
    batch = encoder.collate(encoder.prepare(texts)) | {"key": KEY}
    assert len(encoder.layers) == 4
    with torch.no_grad():
        clean = encoder(batch)
        for layer in range(4):
            with perturbed(encoder.layers, Perturb(layer, zeros, fraction=1), batch):
                assert not torch.allclose(encoder(batch), clean, atol=1e-3), layer


def test_every_layer_sees_hidden_states_in_the_order_of_the_samples(family, texts):
    encoder, shapes = build(family), []
    batch = encoder.collate(encoder.prepare(texts)) | {"key": KEY}

    def look(h, key):
        shapes.append(tuple(h.shape))
        return h

    for layer in range(4):
        with perturbed(encoder.layers, Perturb(layer, look), batch), torch.no_grad():
            encoder(batch)
    rows = batch["ids"].shape if encoder.padded else (len(batch["ids"]), 1)
    assert set(shapes) == {(*rows, encoder.dim)}
    assert len(shapes) == 4


def test_a_stopped_gradient_reaches_only_the_layers_above(family, texts):
    for layer in range(4):
        encoder = build(family)
        batch = encoder.collate(encoder.prepare(texts)) | {"key": KEY}
        with perturbed(encoder.layers, Perturb(layer, lambda h, key: 0.5 * h, fraction=1), batch):
            encoder(batch).square().sum().backward()
        for i, module in enumerate(encoder.layers):
            learns = any(p.grad is not None and p.grad.any() for p in module.parameters())
            has_any = any(True for _ in module.parameters())
            assert learns == (i > layer and has_any), (layer, i)


def test_noisy_says_whether_two_passes_in_training_differ(family, texts):
    encoder = build(family).train()
    batch = encoder.collate(encoder.prepare(texts))
    assert encoder.noisy == (not torch.equal(encoder(batch), encoder(batch)))
    assert encoder.noisy


@pytest.mark.parametrize(
    ("name", "off"),
    [
        ("Bert", {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}),
        ("ModernBert", {"attention_dropout": 0.0}),
        ("Llama", {"attention_dropout": 0.0}),
    ],
)
def test_a_network_whose_dropout_is_zero_is_not_noisy(name, off, texts, monkeypatch):
    monkeypatch.setitem(FAMILIES, name, FAMILIES[name] | off)
    encoder = build(name).train()
    batch = encoder.collate(encoder.prepare(texts))
    assert not encoder.noisy
    assert torch.equal(encoder(batch), encoder(batch))


def test_attention_dropout_alone_is_noise(texts, monkeypatch):
    monkeypatch.setitem(FAMILIES, "Bert", FAMILIES["Bert"] | {"hidden_dropout_prob": 0.0})
    encoder = build("Bert").train()
    batch = encoder.collate(encoder.prepare(texts))
    assert encoder.noisy
    assert not torch.equal(encoder(batch), encoder(batch))


def test_training_and_inference_compute_the_same_network(family, texts, monkeypatch):
    prefixes = ("hidden_", "attention_", "attention_probs_", "", "embd_", "attn_", "resid_")
    off = {f"{prefix}{name}": 0.0 for prefix in prefixes for name in ("dropout", "dropout_prob", "pdrop")}
    monkeypatch.setitem(FAMILIES, family, FAMILIES[family] | off)
    encoder = build(family)
    batch = encoder.collate(encoder.prepare(texts))
    with torch.no_grad():
        torch.testing.assert_close(encoder.eval()(batch), encoder.train()(batch), atol=2e-5, rtol=1e-4)


def test_special_tokens_stand_around_the_text_as_the_tokenizer_puts_them(family, texts):
    encoder = build(family)
    batch = encoder.collate(encoder.prepare(texts))
    theirs = encoder.pretrained(texts, padding=True, return_tensors="pt")
    real = theirs["attention_mask"].bool()
    if encoder.padded:
        assert torch.equal(batch["ids"], theirs["input_ids"])
        assert torch.equal(batch["mask"].bool(), real)
    else:
        assert torch.equal(batch["ids"][: real.sum()], theirs["input_ids"][real])
        assert real.sum() <= len(batch["ids"]) <= real.sum() * 33 / 32
        assert batch["edges"].tolist() == [0, *real.sum(1).cumsum(0).tolist()]


def test_a_long_text_is_cut_to_max_tokens_with_its_special_tokens():
    encoder = build("Bert", max_tokens=8)
    sample = encoder.prepare(["the cat sat on the mat " * 9])[0]
    ids = encoder.collate([sample])["ids"].tolist()
    theirs = encoder.pretrained("the cat sat on the mat " * 9, truncation=True, max_length=8)["input_ids"]
    assert ids == theirs
    assert encoder.size(sample) == len(ids) == 8
    assert len(sample.ids) > 8


def test_truncation_on_the_left_keeps_the_end():
    encoder = build("Bert", max_tokens=8)
    encoder.pretrained.truncation_side = "left"
    ids = encoder.collate([Text(np.arange(5, 60, dtype=np.int32))])["ids"].tolist()
    assert ids == [1, *range(54, 60), 2]


def test_size_counts_what_collate_computes(texts):
    encoder = build("Bert", max_tokens=10)
    for sample in encoder.prepare(texts):
        assert encoder.size(sample) == encoder.collate([sample])["ids"].numel()


def test_without_special_tokens_an_empty_text_is_one_padding_token():
    tokenizer = pretrained()
    tokenizer.backend_tokenizer.post_processor = transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer.backend_tokenizer
    ).backend_tokenizer.post_processor.__class__(single="$A", special_tokens=[])
    encoder = Transformer(build("Llama").network, tokenizer, "last", 64)
    sample = encoder.prepare([""])[0]
    assert encoder.size(sample) == 1
    assert np.isfinite(encoder.encode(["", "the cat"])).all()


def test_pooling_finds_its_tokens_wherever_the_padding_is():
    hidden = torch.arange(24.0).view(2, 4, 3)
    right, left = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0]]), torch.tensor([[0, 1, 1, 1], [0, 0, 0, 1]])
    assert torch.equal(pool(hidden, right, "cls"), hidden[[0, 1], [0, 0]])
    assert torch.equal(pool(hidden, left, "cls"), hidden[[0, 1], [1, 3]])
    assert torch.equal(pool(hidden, right, "last"), hidden[[0, 1], [2, 0]])
    assert torch.equal(pool(hidden, left, "last"), hidden[[0, 1], [3, 3]])
    assert torch.equal(pool(hidden, left, "mean"), torch.stack([hidden[0, 1:].mean(0), hidden[1, 3]]))


def test_pooling_is_in_fp32():
    hidden = torch.ones(1, 4, 2, dtype=torch.bfloat16)
    for how in ("mean", "cls", "last"):
        assert pool(hidden, torch.ones(1, 4, dtype=torch.long), how).dtype == torch.float32


def test_the_last_blocks_learn_and_the_others_do_not(family, texts):
    encoder = build(family)
    encoder.freeze(train_last=2)
    batch = encoder.collate(encoder.prepare(texts))
    encoder.train()(batch).square().sum().backward()
    embedding, first, *last = encoder.layers
    assert all(p.grad is None for module in (embedding, first) for p in module.parameters())
    assert all(any(p.grad is not None for p in module.parameters()) for module in last)
    assert not embedding.training
    assert not first.training
    assert last[0].training


def test_frozen_layers_need_no_graph(texts):
    encoder = build("Bert")
    encoder.freeze(train_last=1)
    seen = []
    encoder.layers[2].register_forward_hook(lambda m, a, out: seen.append(out[0] if isinstance(out, tuple) else out))
    encoder.train()(encoder.collate(encoder.prepare(texts)))
    assert not seen[0].requires_grad


def test_frozen_embeddings_leave_the_blocks_to_learn(family):
    encoder = build(family)
    encoder.freeze(embeddings=True)
    words = encoder.network.get_input_embeddings()
    assert not any(p.requires_grad for p in words.parameters())
    assert all(p.requires_grad for block in encoder.layers[1:] for p in block.parameters())
    encoder.freeze()
    assert all(p.requires_grad for p in words.parameters())


@pytest.mark.parametrize("k", [0, 4, -1])
def test_training_more_blocks_than_there_are_is_refused_with_their_number(k):
    with pytest.raises(ValueError, match=rf"1\.\.3.*got {k}"):
        build("Bert").freeze(train_last=k)


def test_the_unused_pooler_is_never_trained(texts):
    encoder = build("Bert")
    encoder.freeze()
    assert not any(p.requires_grad for p in encoder.network.pooler.parameters())
    encoder.train()(encoder.collate(encoder.prepare(texts))).sum().backward()
    assert all(p.grad is not None for p in encoder.parameters() if p.requires_grad)


def test_an_unknown_family_is_refused_with_what_was_looked_for():
    config = transformers.XLNetConfig(vocab_size=120, d_model=32, n_layer=1, n_head=2, d_inner=32)
    encoder = Transformer(transformers.XLNetModel(config), pretrained(), max_tokens=16)
    with pytest.raises(ValueError, match=r"XLNetModel has no input embedding at .*embeddings.*; it has word_embedding"):
        _ = encoder.layers


def test_positions_behind_the_padding_index_are_not_counted_twice():
    assert positions(build("Bert").network) == 66
    assert positions(build("Roberta").network) == positions(build("MPNet").network) == 64


@pytest.mark.parametrize(("max_tokens", "message"), [(67, "66 positions"), (2, "at least 3")])
def test_a_length_that_cannot_be_is_refused(max_tokens, message):
    with pytest.raises(ValueError, match=message):
        build("Bert", max_tokens=max_tokens)


def test_a_tokenizer_of_another_network_is_refused(monkeypatch):
    monkeypatch.setitem(FAMILIES, "Bert", FAMILIES["Bert"] | {"vocab_size": 50})
    with pytest.raises(ValueError, match=r"tokens and the network only 50 embeddings"):
        build("Bert")


def test_an_unknown_pooling_is_refused():
    with pytest.raises(ValueError, match="mean, cls, last, weighted; got 'max'"):
        build("Bert", pooling="max")


def test_what_is_no_string_is_refused():
    encoder = build("Bert")
    with pytest.raises(TypeError, match="number 1 is None"):
        encoder.encode(["a", None])
    with pytest.raises(TypeError, match=r"a list of texts; got the one text 'the cat'"):
        encoder.encode("the cat")


def test_the_tokenizer_given_may_pad_and_truncate_and_ours_does_not():
    tokenizer = pretrained()
    tokenizer.backend_tokenizer.enable_truncation(4)
    tokenizer.backend_tokenizer.enable_padding(length=9)
    encoder = Transformer(build("Bert").network, tokenizer, max_tokens=64)
    assert len(encoder.prepare(["the cat sat on the mat"])[0].ids) == 6


def test_an_encoder_can_be_copied(texts):
    encoder = build("Bert")
    np.testing.assert_array_equal(copy.deepcopy(encoder).encode(texts), encoder.encode(texts))


def test_what_is_frozen_drops_nothing_and_what_learns_or_holds_an_adapter_does():
    """LOG.md, 2026-11-28: runs that are recorded rest on it."""
    encoder = build("Bert")
    embedding, *blocks = encoder.layers

    def dropping():
        encoder.train()
        return [
            any(isinstance(m, nn.Dropout) and m.training for m in layer.modules()) for layer in (embedding, *blocks)
        ]

    assert dropping() == [True] * 4
    encoder.freeze(train_last=1)
    assert dropping() == [False, False, False, True]
    encoder.freeze(embeddings=True)
    assert dropping() == [False, True, True, True]
    lora.lora(encoder, 2)
    encoder.freeze()
    assert dropping() == [False, True, True, True]


@pytest.mark.parametrize("ask", [lambda encoder: encoder.padded, lambda encoder: direction.both_ways(encoder.network)])
def test_what_is_frozen_stays_so_while_the_network_is_tried(ask):
    """A network that learns may be tried for the first time in the middle of it."""
    encoder = build("Bert")
    encoder.freeze(train_last=1)
    encoder.train()
    before = {name: part.training for name, part in encoder.named_modules()}
    ask(encoder)
    assert {name: part.training for name, part in encoder.named_modules()} == before
    assert not all(before.values())
    assert any(before.values())
