import copy

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from diptych.core import Perturb, Text, perturbed
from diptych.draws import keys
from diptych.encoders import static
from diptych.encoders.static import Static, fresh

D = 256


def sample(*ids: int) -> Text:
    return Text(np.array(ids, np.int32))


SAMPLES = [sample(5, 6, 7), sample(), sample(8), sample(5, 5, 9, 10, 11), sample(6, 7)]
KEYS = torch.from_numpy(keys(0, 3, np.arange(5), 1))


def noisy(vocabulary, p: float = 0.25) -> Static:
    return fresh(vocabulary, D, seed=1, dropout=p).train()


def test_an_embedding_is_the_mean_of_token_vectors(vocabulary):
    encoder = fresh(vocabulary, D).eval()
    table = encoder.embedding.weight.detach().numpy()
    expected = [table[s.ids].mean(0) if len(s.ids) else np.zeros(D) for s in SAMPLES]
    np.testing.assert_allclose(encoder.embed(SAMPLES), expected, atol=1e-6)


def test_an_empty_text_is_zeros_in_training_too(vocabulary):
    encoder = noisy(vocabulary)
    out = encoder(encoder.collate([sample(), sample()]) | {"key": KEYS[:2]})
    assert out.eq(0).all()
    out.sum().backward()
    assert encoder.embedding.weight.grad.eq(0).all()


def test_the_saved_folder_gives_the_same_embeddings_in_sentence_transformers(vocabulary, texts, tmp_path):
    from sentence_transformers import SentenceTransformer

    for normalize in (False, True):
        encoder = Static(vocabulary, torch.randn(len(vocabulary.get_vocab()), D), 0.1, normalize)
        encoder.save(tmp_path / "model")
        theirs = SentenceTransformer(str(tmp_path / "model"), device="cpu").encode(texts, show_progress_bar=False)
        np.testing.assert_allclose(encoder.encode(texts), theirs, atol=1e-6)
        np.testing.assert_array_equal(static.load(tmp_path / "model").encode(texts), encoder.encode(texts))


def test_the_noise_does_not_depend_on_the_micro_batch(vocabulary):
    encoder = noisy(vocabulary)
    whole = encoder(encoder.collate(SAMPLES) | {"key": KEYS})
    for rows in ([[0, 1], [2, 3, 4]], [[4], [3], [2], [1], [0]], [[3, 0, 2], [1, 4]]):
        for part in rows:
            out = encoder(encoder.collate([SAMPLES[i] for i in part]) | {"key": KEYS[part]})
            torch.testing.assert_close(out, whole[part], atol=1e-6, rtol=0)


def test_the_gradient_does_not_depend_on_the_micro_batch(vocabulary):
    def gradient(parts):
        encoder = noisy(vocabulary)
        for part in parts:
            encoder(encoder.collate([SAMPLES[i] for i in part]) | {"key": KEYS[part]}).square().sum().backward()
        return encoder.embedding.weight.grad

    torch.testing.assert_close(gradient([[0, 1, 2, 3, 4]]), gradient([[4, 0], [1], [3, 2]]), atol=1e-6, rtol=1e-5)


def test_long_batches_are_the_same_as_short_ones(vocabulary, monkeypatch):
    encoder = noisy(vocabulary)
    batch = encoder.collate(SAMPLES) | {"key": KEYS}
    whole = encoder(batch)
    monkeypatch.setattr(static, "CHUNK", 2)
    torch.testing.assert_close(encoder(batch), whole, atol=1e-6, rtol=0)


def test_single_entries_are_dropped_at_the_rate_asked_for_and_the_others_scaled(vocabulary):
    encoder, p = noisy(vocabulary, 0.25), 0.25
    torch.nn.init.ones_(encoder.embedding.weight)
    samples = [sample(5)] * 500
    key = torch.from_numpy(keys(0, 0, np.arange(500), 0))
    out = encoder(encoder.collate(samples) | {"key": key}).detach()
    torch.testing.assert_close(out.unique(), torch.tensor([0.0, 1 / (1 - p)]))
    assert abs(out.eq(0).float().mean().item() - p) < 0.005  # 128,000 entries: 4 standard errors
    assert not torch.equal(out[0], out[1])


def test_two_places_of_one_token_are_dropped_apart(vocabulary):
    encoder = noisy(vocabulary, 0.5)
    torch.nn.init.ones_(encoder.embedding.weight)
    out = encoder(encoder.collate([sample(5, 5)]) | {"key": KEYS[:1]})
    assert set(out.unique().tolist()) == {0.0, 1.0, 2.0}  # both dropped, one, none


def test_the_same_key_gives_the_same_noise_and_another_key_another(vocabulary):
    encoder = noisy(vocabulary)
    batch = encoder.collate(SAMPLES)
    first, again = encoder(batch | {"key": KEYS}), encoder(batch | {"key": KEYS})
    assert torch.equal(first, again)
    assert not torch.allclose(first, encoder(batch | {"key": KEYS + 1}), atol=1e-3)


def test_the_gradient_of_dropout_is_the_slope_of_its_output(vocabulary):
    encoder = noisy(vocabulary).double()
    batch = encoder.collate(SAMPLES) | {"key": KEYS}
    direction = torch.randn_like(encoder.embedding.weight)

    def loss(step: float) -> torch.Tensor:
        moved = copy.deepcopy(encoder)
        moved.embedding.weight.data.add_(direction, alpha=step)
        return moved(batch).square().sum()

    encoder(batch).square().sum().backward()
    slope = (encoder.embedding.weight.grad * direction).sum()
    torch.testing.assert_close(slope, ((loss(1e-5) - loss(-1e-5)) / 2e-5).detach(), rtol=1e-6, atol=0)


def test_there_is_no_noise_without_training_or_keys_or_dropout(vocabulary):
    encoder = noisy(vocabulary)
    batch = encoder.collate(SAMPLES)
    clean = copy.deepcopy(encoder).eval()(batch | {"key": KEYS})
    assert torch.equal(encoder(batch), clean)
    assert encoder.noisy
    calm = noisy(vocabulary, 0.0)
    assert torch.equal(calm(batch | {"key": KEYS}), clean)
    assert not calm.noisy


def test_the_layer_can_be_perturbed(vocabulary):
    encoder = noisy(vocabulary)
    batch = encoder.collate(SAMPLES) | {"key": KEYS}
    with perturbed(encoder.layers, Perturb(0, lambda h, key: torch.zeros_like(h), fraction=1), batch):
        assert encoder(batch).eq(0).all()


def test_the_seed_decides_a_fresh_table(vocabulary):
    tables = [fresh(vocabulary, D, seed).embedding.weight for seed in (1, 1, 2)]
    assert torch.equal(tables[0], tables[1])
    assert not torch.equal(tables[0], tables[2])
    assert abs(tables[0].norm(dim=1).mean().item() - 1) < 0.1


def test_a_table_that_is_too_short_is_refused(vocabulary):
    with pytest.raises(ValueError, match="only 3 vectors"):
        Static(vocabulary, torch.zeros(3, D))


def test_dropout_is_a_probability(vocabulary):
    with pytest.raises(ValueError, match=r"\[0, 1\); got 1"):
        fresh(vocabulary, D, dropout=1.0)


def test_model2vec_weights_with_mapping_and_weights_are_folded_into_one_table(vocabulary, texts, tmp_path):
    n = 1 + max(vocabulary.get_vocab().values())
    rows, mapping, weights = torch.randn(7, D).half(), torch.arange(n) % 7, torch.rand(n).double()
    save_file({"embeddings": rows, "mapping": mapping, "weights": weights}, tmp_path / "model.safetensors")
    vocabulary.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "config.json").write_text('{"model_type": "model2vec", "normalize": true}')
    encoder = static.load(tmp_path)
    table = rows.float()[mapping] * weights.float()[:, None]
    torch.testing.assert_close(encoder.embedding.weight.detach(), table)
    np.testing.assert_allclose(np.linalg.norm(encoder.encode(texts[:3]), axis=1), 1, rtol=1e-5)


@pytest.mark.real
def test_a_model2vec_folder_is_read(shared_data):
    folder = shared_data / "models" / "model2vec_fixtures" / "test-model-sentence-transformers"
    if not folder.is_dir():
        pytest.skip("the model2vec fixture is absent")
    encoder = static.load(folder)
    assert encoder.embedding.weight.shape == (29528, 2)
    assert abs(np.linalg.norm(encoder.encode(["dog"])) - 1) < 1e-5  # it says `normalize`


def test_a_folder_without_a_table_is_refused(vocabulary, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"model\.safetensors"):
        static.load(tmp_path)
    vocabulary.save(str(tmp_path / "tokenizer.json"))
    save_file({"other": torch.zeros(2, 2)}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match=r"\['other'\]; a table is"):
        static.load(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"half")
    with pytest.raises(ValueError, match="no whole safetensors file"):
        static.load(tmp_path)
