import json
from contextlib import nullcontext

import numpy as np
import pytest
import torch
from decoders import folder
from networks import FAMILIES, build
from safetensors import safe_open
from test_decoders import theirs

from diptych import encoders
from diptych.core import Perturb, perturbed
from diptych.draws import keys
from diptych.encoders.lora import held, is_adapter, lora
from diptych.encoders.noise import Dropout

USUAL = {
    "Bert": {"query", "value"}, "Electra": {"query", "value"}, "DebertaV2": {"query_proj", "value_proj"},
    "DistilBert": {"q_lin", "v_lin"}, "ModernBert": {"Wqkv"}, "Roberta": {"query", "value"},
    "XLMRoberta": {"query", "value"}, "MPNet": {"attn.q", "attn.v"}, "Llama": {"q_proj", "v_proj"},
    "Qwen3": {"q_proj", "v_proj"}, "GPTNeoX": {"query_key_value"}, "GPT2": {"c_attn"},
}  # fmt: skip


def learned(encoder, spread=0.3):
    """As if it had been trained: nothing is zero."""
    generator = torch.Generator().manual_seed(3)
    for name, parameter in encoder.named_parameters():
        if is_adapter(name):
            parameter.data = spread * torch.randn(parameter.shape, generator=generator)
    return encoder


@pytest.fixture
def readable(texts):
    return [text for text in texts if text]


def test_at_first_an_adapter_changes_nothing_and_it_alone_learns(family, texts):
    encoder = build(family)
    before, count = encoder.encode(texts), sum(1 for _ in encoder.parameters())
    assert lora(encoder) is encoder
    assert set(held(encoder.network).target_modules) == USUAL[family]
    np.testing.assert_array_equal(encoder.encode(texts), before)
    trained = [name for name, p in encoder.named_parameters() if p.requires_grad]
    assert trained == [name for name, _ in encoder.named_parameters() if is_adapter(name)]
    assert len(encoder.fixed) == count
    batch = encoder.collate(encoder.prepare(texts)) | {"key": torch.arange(len(texts))}
    learned(encoder).train()(batch).square().sum().backward()
    assert all((p.grad is not None) == is_adapter(name) for name, p in encoder.named_parameters())
    assert not encoder.layers[0].training  # what is frozen has no dropout
    assert encoder.layers[1].training


def test_a_matrix_gets_the_two_that_the_paper_has():
    encoder = lora(build("Llama"), r=4, alpha=12, dropout=0.0, init="gaussian")
    layer = encoder.network.layers[0].self_attn.q_proj
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    assert (a.shape, b.shape) == ((4, 32), (32, 4))
    assert 0.15 < a.std() < 0.35  # 1 / r
    assert not b.any()
    learned(encoder)
    x, w = torch.randn(5, 32), layer.base_layer.weight
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    torch.testing.assert_close(layer(x), x @ w.T + 12 / 4 * x @ a.T @ b.T)
    assert sum(p.numel() for p in encoder.parameters() if p.requires_grad) == 3 * 2 * 4 * (32 + 32)


def test_the_seed_decides_the_adapter_and_nothing_else_does(texts):
    def first(seed):
        torch.rand(3)
        return lora(build("Bert"), seed=seed).network.encoder.layer[0].attention.self.query.lora_A["default"].weight

    before = torch.get_rng_state()
    a = first(1)
    assert torch.equal(a, first(1))
    assert not torch.equal(a, first(2))
    torch.set_rng_state(before)
    state = torch.get_rng_state()
    encoder = build("Bert")
    after = torch.get_rng_state()
    lora(encoder)
    assert torch.equal(torch.get_rng_state(), after)
    torch.set_rng_state(state)


@pytest.mark.parametrize("merge", [False, True], ids=["adapter", "merged"])
def test_what_is_saved_gives_the_same_embeddings_here_and_in_sentence_transformers(family, merge, readable, tmp_path):
    build(family, normalize=True).save(tmp_path / "base")
    encoder = learned(lora(encoders.load(tmp_path / "base"), r=3))
    encoder.merge = merge
    wanted = encoder.encode(readable)
    assert not np.allclose(wanted, encoders.load(tmp_path / "base").encode(readable), atol=1e-2)
    encoder.save(tmp_path / "model")
    np.testing.assert_allclose(theirs(tmp_path / "model", readable), wanted, atol=3e-5, rtol=1e-3)
    again = encoders.load(tmp_path / "model")
    np.testing.assert_allclose(again.encode(readable), wanted, atol=3e-5 if merge else 1e-7, rtol=1e-3)
    assert bool(held(again.network)) is not merge
    assert (tmp_path / "model" / "model.safetensors").exists() is merge


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")  # peft asks in the old words
def test_an_adapter_lies_in_the_layout_of_peft(texts, tmp_path):
    from peft import PeftModel
    from transformers import AutoModel

    place = folder("Llama", tmp_path / "base")
    encoder = learned(lora(encoders.load(place), targets=["q_proj", "mlp.up_proj"]))
    encoder.save(tmp_path / "model")
    told = json.loads((tmp_path / "model" / "adapter_config.json").read_text())
    assert told["base_model_name_or_path"] == str(place.resolve())
    assert (told["r"], told["lora_alpha"], told["lora_dropout"]) == (8, 32, 0.1)
    assert told["target_modules"] == ["mlp.up_proj", "q_proj"]
    with safe_open(tmp_path / "model" / "adapter_model.safetensors", "pt") as file:
        assert "base_model.model.layers.0.mlp.up_proj.lora_A.weight" in file.keys()  # noqa: SIM118
    model = PeftModel.from_pretrained(AutoModel.from_pretrained(place), tmp_path / "model").eval()
    row = torch.from_numpy(encoder._row(sample := encoder.prepare(["the cat sat"])[0], sample.ids))[None]
    with torch.inference_mode():
        last = model(input_ids=row).last_hidden_state[:, -1].numpy()
    np.testing.assert_allclose(last, encoder.encode(["the cat sat"]), atol=2e-5, rtol=1e-4)


def test_a_folder_of_peft_alone_is_read_with_the_tokenizer_of_its_base(tmp_path):
    place = folder("Llama", tmp_path / "base")
    encoder = learned(lora(encoders.load(place)))
    encoder.save(tmp_path / "model")
    for file in (tmp_path / "model").iterdir():
        if not file.name.startswith("adapter_"):
            file.unlink() if file.is_file() else [*map(type(file).unlink, file.iterdir()), file.rmdir()]
    again = encoders.load(tmp_path / "model")
    np.testing.assert_array_equal(again.encode(["the cat"]), encoder.encode(["the cat"]))


def test_an_adapter_that_was_loaded_is_trained_on(texts, tmp_path):
    build("Bert").save(tmp_path / "base")
    learned(lora(encoders.load(tmp_path / "base"))).save(tmp_path / "model")
    encoder = encoders.load(tmp_path / "model")
    before = encoder.encode(texts)
    assert lora(encoder) is encoder
    np.testing.assert_array_equal(encoder.encode(texts), before)
    assert all(p.requires_grad == is_adapter(name) for name, p in encoder.named_parameters())
    with pytest.raises(ValueError, match=r"has an adapter already: r=8, alpha=32, dropout=0\.1, targets query,value"):
        lora(encoder, r=4)


def test_a_target_that_matches_nothing_is_refused_with_what_there_is():
    with pytest.raises(ValueError, match=r"no linear layer is called 'q_proj' in BertModel.*; there are attention\."):
        lora(build("Bert"), targets=["q_proj"])
    with pytest.raises(ValueError, match=r"'uery'.*self\.query, .*output\.dense"):
        lora(build("Bert"), targets=["query", "uery"])
    assert held(build("Bert").network) is None


@pytest.mark.parametrize("wrong", [{"r": 0}, {"alpha": 0}, {"dropout": 1.0}])
def test_numbers_that_cannot_be_are_refused(wrong):
    with pytest.raises(ValueError, match="LoRA takes r >= 1, alpha > 0 and dropout in"):
        lora(build("Bert"), **wrong)


def test_an_adapter_that_is_none_of_ours_is_refused(tmp_path):
    build("Bert").save(tmp_path / "base")
    lora(encoders.load(tmp_path / "base")).save(tmp_path / "model")
    file = tmp_path / "model" / "adapter_config.json"
    told = json.loads(file.read_text())
    file.write_text(json.dumps(told | {"target_modules": ["query"]}))
    with pytest.raises(ValueError, match="is no adapter for BertModel"):
        encoders.load(tmp_path / "model")
    file.write_text(json.dumps(told | {"peft_type": "IA3"}))
    with pytest.raises(ValueError, match="of type 'IA3'; only LORA is read"):
        encoders.load(tmp_path / "model")
    file.write_text(json.dumps(told | {"base_model_name_or_path": "owner/nowhere"}))
    with pytest.raises(FileNotFoundError, match="an adapter for 'owner/nowhere', which is not here"):
        encoders.load(tmp_path / "model")
    file.write_text(json.dumps(told | {"base_model_name_or_path": str(tmp_path / "model")}))
    with pytest.raises(ValueError, match=r"which is an adapter too; save that one with --merge"):
        encoders.load(tmp_path / "model")


@pytest.mark.parametrize(
    "more",
    [{"use_dora": True}, {"lora_bias": True}, {"bias": "lora_only"}, {"modules_to_save": ["pooler"]}],
    ids=lambda more: next(iter(more)),
)
def test_an_adapter_that_adds_more_than_a_product_is_refused(more, tmp_path):
    """Merged as W + (alpha / r) B A, it would compute something else."""
    build("Bert").save(tmp_path / "base")
    lora(encoders.load(tmp_path / "base")).save(tmp_path / "model")
    file = tmp_path / "model" / "adapter_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | more))
    with pytest.raises(ValueError, match=f"has {next(iter(more))} = .*, which is not read: .*merge_and_unload"):
        encoders.load(tmp_path / "model")


def test_an_adapter_without_a_place_for_its_network_is_saved_merged_or_not_at_all(tmp_path):
    encoder = lora(build("Bert"))
    with pytest.raises(ValueError, match=r"a network from scratch is in no folder to name.*--merge"):
        encoder.save(tmp_path / "a")
    encoder = lora(encoders.load(folder("Llama", tmp_path / "base"), bidirectional=True))
    with pytest.raises(ValueError, match=r"attention both ways has no place.*--merge"):
        encoder.save(tmp_path / "a")
    assert not (tmp_path / "a").exists()


# ---------------------------------------------------------------- in training


@pytest.mark.parametrize("name", ["Bert", "Llama"])
def test_what_an_adapter_drops_is_decided_by_the_sample_alone(name, texts, monkeypatch):
    off = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "attention_dropout": 0.0}
    monkeypatch.setitem(FAMILIES, name, FAMILIES[name] | off)
    encoder = learned(lora(build(name), dropout=0.5)).train()
    assert encoder.noisy
    assert any(isinstance(module, Dropout) and module.p == 0.5 for module in encoder.modules())
    samples, key = encoder.prepare(texts), torch.from_numpy(keys(0, 0, np.arange(len(texts)), 0))

    def encoded(rows):
        with torch.no_grad():
            return encoder(encoder.collate([samples[i] for i in rows]) | {"key": key[rows]})

    together, alone = encoded([*range(6)]), torch.cat([encoded([i]) for i in range(6)])
    torch.testing.assert_close(together, alone, atol=2e-5, rtol=1e-4)
    torch.testing.assert_close(encoded([3, 1, 0]), together[[3, 1, 0]], atol=2e-5, rtol=1e-4)
    assert not torch.allclose(together, encoder.eval()(encoder.collate(samples)), atol=1e-2)


@pytest.mark.parametrize("name", ["Bert", "Llama", "DebertaV2"])
@pytest.mark.parametrize("weights", ["fp32", "bf16"])
def test_in_bf16_the_gradient_is_nearly_that_in_fp32(name, weights, readable, tmp_path):
    build(name).save(tmp_path)
    found = []
    for kind, low in (("fp32", False), (weights, True)):
        encoder = learned(lora(encoders.load(tmp_path, weights=kind), dropout=0.0), spread=0.1)
        batch = encoder.collate(encoder.prepare(readable))
        with torch.autocast("cpu", torch.bfloat16) if low else nullcontext():
            encoder(batch).sum().backward()
        gradients = [p.grad for p in encoder.parameters() if p.requires_grad]
        assert {g.dtype for g in gradients} == {torch.float32}
        found.append(torch.cat([g.flatten() for g in gradients]))
    assert torch.cosine_similarity(*found, dim=0) > 0.98


def test_the_adapters_of_the_last_blocks_learn_alone(texts):
    encoder = lora(build("Bert"))
    encoder.freeze(train_last=1)
    trained = [name for name, p in encoder.named_parameters() if p.requires_grad]
    assert trained
    assert all("encoder.layer.2." in name and is_adapter(name) for name in trained)
    encoder.freeze()
    assert sum(p.requires_grad for p in encoder.parameters()) == 3 * len(trained)


def test_a_view_may_perturb_any_layer_of_a_network_with_an_adapter(texts):
    encoder = lora(build("Llama"))
    batch = encoder.collate(encoder.prepare(texts)) | {"key": torch.arange(6)}
    assert len(encoder.layers) == 4
    with torch.no_grad():
        clean = encoder(batch)
        for layer in range(4):
            with perturbed(encoder.layers, Perturb(layer, lambda h, key: torch.zeros_like(h), fraction=1), batch):
                assert not torch.allclose(encoder(batch), clean, atol=1e-3), layer


def test_blocks_that_compute_again_drop_the_same_of_an_adapter(texts):
    encoder = learned(lora(build("Bert"))).train()
    batch = encoder.collate(encoder.prepare(texts)) | {"key": torch.arange(6)}
    found = []
    for recompute in (False, True):
        encoder.recompute = recompute
        encoder.zero_grad()
        encoder(batch).square().sum().backward()
        found.append([p.grad.clone() for p in encoder.parameters() if p.requires_grad])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, atol=1e-6, rtol=1e-5)
