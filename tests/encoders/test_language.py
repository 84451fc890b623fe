import copy

import numpy as np
import pytest
import torch
import transformers
from networks import FAMILIES, TEXTS, build, pretrained
from safetensors.torch import load_file, save_file

from diptych import encoders
from diptych.core import Model, Text, apart, outputs
from diptych.encoders import language
from diptych.encoders.language import FILE, LanguageHead
from diptych.encoders.static import fresh

MASKED_LM = ["Bert", "Roberta", "DistilBert", "ModernBert", "MPNet", "DebertaV2", "Electra"]


def model(**more):
    encoder = build("Bert", **more).eval()
    return Model(encoder, language=LanguageHead(encoder))


def batch(encoder, masked=True):
    """Texts of several lengths of which every third token is to be guessed."""
    samples = []
    for i, sample in enumerate(encoder.prepare(TEXTS)):
        labels = np.where(np.arange(len(sample.ids)) % 3 == i % 3, sample.ids, -100)
        samples.append(Text(np.where(labels < 0, sample.ids, 4), labels=labels) if masked else sample)
    found = encoder.collate(samples)
    found["key"] = torch.arange(len(samples))
    return found


def spoken(name, folder):
    """A random network with a head of `transformers`, saved to a folder with a tokenizer."""
    torch.manual_seed(2)
    config = getattr(transformers, f"{name}Config")(**FAMILIES[name])
    whole = transformers.AutoModelForMaskedLM.from_config(config).eval()
    for parameter in whole.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    whole.tie_weights()
    whole.save_pretrained(folder)
    pretrained(pad_first=config.pad_token_id == 0).save_pretrained(folder)
    return whole


@pytest.mark.parametrize("name", MASKED_LM)
def test_the_head_of_a_checkpoint_guesses_as_transformers_does(name, tmp_path):
    whole = spoken(name, tmp_path)
    encoder = encoders.load(tmp_path).eval()
    head = LanguageHead(encoder)
    assert head.begun
    ids = torch.tensor([[1, 30, 31, 32, 33, 2]])
    with torch.inference_mode():
        expected = whole(ids).logits[0].log_softmax(-1)
        network = encoder.network
        hidden = network(ids, output_hidden_states=True).hidden_states[-1][0]
        if name == "ModernBert":  # the head puts the last norm on the state below it
            blocks = []
            handle = network.layers[-1].register_forward_hook(lambda _, __, out: blocks.append(out))
            network(ids)
            handle.remove()
            hidden = (blocks[0][0] if isinstance(blocks[0], tuple) else blocks[0]).reshape(6, -1)
        labels = torch.tensor([7, 30, 31, 9, 33, 2])
        found = head(hidden, labels)
    torch.testing.assert_close(found, -expected[range(6), labels], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", ["Bert", "ModernBert"])
def test_a_model_guesses_as_transformers_does(name, tmp_path):
    whole = spoken(name, tmp_path)
    encoder = encoders.load(tmp_path).eval()
    sample = Text(np.array([30, 4, 32, 4]), labels=np.array([-100, 31, -100, 33]))
    given = encoder.collate([sample]) | {"key": torch.tensor([0])}
    with torch.inference_mode():
        told = Model(encoder, language=LanguageHead(encoder))(given).guessed
        ids = torch.tensor([[*encoder.before, 30, 4, 32, 4, *encoder.after]])
        logp = whole(ids).logits[0].log_softmax(-1)
    first = len(encoder.before)
    torch.testing.assert_close(told, torch.tensor([[-float(logp[first + 1, 31] + logp[first + 3, 33]), 2.0]]))


def test_the_first_berts_spell_their_norms_otherwise(tmp_path):
    spoken("Bert", tmp_path)
    new = LanguageHead(encoders.load(tmp_path))
    file = tmp_path / "model.safetensors"
    old = {k.replace("m.weight", "m.gamma").replace("m.bias", "m.beta"): x for k, x in load_file(file).items()}
    assert "cls.predictions.transform.LayerNorm.gamma" in old
    save_file(old, file, metadata={"format": "pt"})
    found = LanguageHead(encoders.load(tmp_path))
    assert found.begun
    assert torch.equal(found.norm.weight, new.norm.weight)


def test_the_table_is_the_encoders_and_not_held_twice():
    m = model()
    names = set(m.language.state_dict())
    assert names == {"dense.weight", "dense.bias", "norm.weight", "norm.bias", "bias"}
    assert {name for name, _ in m.language.named_parameters()} == names
    everything = [p for _, p in m.named_parameters(remove_duplicate=False)]
    assert len({id(p) for p in everything}) == len(everything)
    assert m.language.table is m.encoder.network.embeddings.word_embeddings.weight


def test_a_copy_of_a_model_guesses_by_its_own_table():
    m = model()
    other = copy.deepcopy(m)
    assert other.language.table is other.encoder.network.embeddings.word_embeddings.weight
    assert other.language.table is not m.language.table
    before = m(batch(m.encoder)).guessed
    with torch.no_grad():
        other.language.table.zero_()
    assert torch.equal(m(batch(m.encoder)).guessed, before)
    hidden, labels = torch.randn(3, 32), torch.tensor([1, 2, 3])
    assert torch.allclose(other.language.logits(hidden), other.language.bias.expand(3, -1))
    assert not torch.allclose(m.language(hidden, labels), other.language(hidden, labels))


@pytest.mark.parametrize("name", ["Bert", "ModernBert"])
def test_the_network_learns_through_the_head_unless_it_is_detached(name):
    encoder = build(name)
    table = encoder.network.get_input_embeddings().weight
    hidden, labels = torch.randn(3, 32), torch.tensor([40, 41, 42])
    LanguageHead(encoder)(hidden, labels).sum().backward()
    assert table.grad.abs().sum() > 0
    encoder.zero_grad()
    LanguageHead(encoder, detached=True)(hidden, labels).sum().backward()
    assert all(p.grad is None for p in encoder.parameters())


def test_packed_and_padded_networks_guess_alike(monkeypatch):
    m = model()
    row = m(batch(m.encoder)).guessed
    monkeypatch.setitem(vars(m.encoder), "padded", True)
    given = batch(m.encoder)
    assert given["ids"].ndim == 2
    rows = m(given).guessed
    assert row[:, 1].tolist() == [(given["labels"][i] != -100).sum() for i in range(len(TEXTS))]
    torch.testing.assert_close(row, rows, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("padded", [False, True])
def test_hidden_states_behind_the_end_of_a_text_are_zero(padded, monkeypatch):
    m = model()
    monkeypatch.setitem(vars(m.encoder), "padded", padded)
    told = m(batch(m.encoder), keep=2)
    sizes = [m.encoder.size(sample) for sample in m.encoder.prepare(TEXTS)]
    assert told.tokens.shape[:2] == (len(TEXTS), max(sizes)) == told.labels.shape
    assert (told.tokens != 0).any(-1).sum(1).tolist() == sizes
    assert all((told.labels[i, n:] == -100).all() for i, n in enumerate(sizes))


@pytest.mark.parametrize("bf16", [False, True], ids=["fp32", "bf16"])
@pytest.mark.parametrize("name", FAMILIES)
def test_a_network_stops_at_the_layer_that_is_asked_for_and_gives_the_same_states(name, bf16):
    m = Model(build(name).eval())
    texts = batch(m.encoder, masked=False)
    ran = []
    for i, layer in enumerate(m.encoder.layers):
        layer.register_forward_hook(lambda *_, i=i: ran.append(i))
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        before = m(texts).embedding
        with outputs(m.encoder.layers, 1) as whole:
            m(texts)
        ran.clear()
        told = m(texts, keep=1)
        assert max(ran) == 1
        assert torch.equal(told.tokens, apart(whole[0], texts))
        assert told.embedding.shape == told.projection.shape == (len(TEXTS), 0)
        assert torch.equal(m(texts).embedding, before)
    assert max(ran) == 3
    assert all(len(layer._forward_hooks) == 1 for layer in m.encoder.layers)


def test_an_error_in_a_network_that_is_to_stop_stays_one():
    m = model()
    m.encoder.layers[1].register_forward_pre_hook(lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        m(batch(m.encoder), keep=2)


def test_texts_without_masked_tokens_have_nothing_to_guess():
    m = model()
    told = m(batch(m.encoder, masked=False)).guessed
    assert told.shape == (len(TEXTS), 2)
    assert not told.any()


def test_logits_in_parts_are_the_same_and_so_is_what_is_learned(monkeypatch):
    found, first = [], model()
    for at_once in (1 << 25, 2 * 120):
        monkeypatch.setattr(language, "AT_ONCE", at_once)
        m = copy.deepcopy(first)
        guessed = m(batch(m.encoder)).guessed
        guessed[:, 0].square().sum().backward()
        found.append((guessed, {k: p.grad for k, p in m.named_parameters() if p.grad is not None}))
    (whole, a), (parts, b) = found
    torch.testing.assert_close(whole, parts)
    assert a.keys() == b.keys()
    most = max(float(x.abs().max()) for x in a.values())
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=1e-4, atol=1e-6 * most)


def test_a_saved_head_is_found_beside_its_encoder_and_disturbs_nobody(tmp_path):
    m = model()
    with torch.no_grad():
        m.language.bias.normal_()
    m.encoder.save(tmp_path / "model")
    alone = {p.name for p in (tmp_path / "model").iterdir()}
    m.language.save(tmp_path / "model")
    assert {p.name for p in (tmp_path / "model").iterdir()} == alone | {"language_head"}
    again = encoders.load(tmp_path / "model")
    head = LanguageHead(again, seed=9)
    assert head.begun
    for name, x in m.language.state_dict().items():
        assert torch.equal(head.state_dict()[name], x)
    vectors = m.encoder.encode(TEXTS)
    assert np.allclose(again.encode(TEXTS), vectors, atol=1e-6)
    from sentence_transformers import SentenceTransformer

    assert np.allclose(SentenceTransformer(str(tmp_path / "model"), device="cpu").encode(TEXTS), vectors, atol=1e-5)
    network = transformers.AutoModel.from_pretrained(tmp_path / "model")
    assert torch.equal(network.get_input_embeddings().weight, m.language.table)


def test_a_head_begins_at_random_by_the_seed_alone():
    encoder = build("Bert")
    torch.manual_seed(1)
    state = torch.get_rng_state()
    a, b, c = LanguageHead(encoder, 3), LanguageHead(encoder, 3), LanguageHead(encoder, 4)
    assert not a.begun
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(a.dense.weight, b.dense.weight)
    assert not torch.equal(a.dense.weight, c.dense.weight)


def test_a_head_of_another_encoder_or_damaged_is_refused(tmp_path):
    m = model()
    m.encoder.save(tmp_path / "model")
    state = m.language.state_dict()
    m.language.save(tmp_path / "model")
    save_file(state | {"bias": torch.zeros(7)}, tmp_path / "model" / FILE)
    with pytest.raises(ValueError, match=r"its bias has the shape \(7,\), and \(120,\) is due"):
        LanguageHead(encoders.load(tmp_path / "model"))
    (tmp_path / "model" / FILE).write_bytes(b"nothing")
    with pytest.raises(ValueError, match=f"cannot read .*{FILE}"):
        LanguageHead(encoders.load(tmp_path / "model"))


def test_a_static_encoder_is_refused(vocabulary):
    with pytest.raises(ValueError, match="take a transformer"):
        LanguageHead(fresh(vocabulary, 8, 0))
