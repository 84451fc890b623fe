import json
import sys

import numpy as np
import pytest
from networks import build

from diptych import encoders
from diptych.encoders.foreign import Foreign
from diptych.encoders.static import fresh


@pytest.fixture
def dense(tmp_path, vocabulary):
    """A folder with a module more than we know, and the model that wrote it."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Dense

    fresh(vocabulary, 8).save(tmp_path / "static")
    model = SentenceTransformer(str(tmp_path / "static"), device="cpu")
    model.append(Dense(8, 5))
    model.save(str(tmp_path / "dense"), create_model_card=False)
    return tmp_path / "dense", model


def test_a_chain_we_do_not_know_is_embedded_by_sentence_transformers(dense, texts, tmp_path):
    folder, model = dense
    encoder = encoders.load(folder)
    assert isinstance(encoder, Foreign)
    assert encoder.dim == 5
    np.testing.assert_allclose(encoder.encode(texts), model.encode(texts, show_progress_bar=False), atol=1e-6)
    assert encoder.encode(["the cat"]).shape == (1, 5)
    assert encoder.encode([]).shape == (0, 5)
    encoder.save(tmp_path / "again")
    np.testing.assert_array_equal(encoders.load(tmp_path / "again").encode(texts), encoder.encode(texts))


def test_it_cannot_be_trained_and_says_what_can(dense):
    encoder = encoders.load(dense[0])
    for attempt in (lambda: encoder.layers, lambda: encoder.collate(["a"]), lambda: encoder({})):
        with pytest.raises(ValueError, match=r"StaticEmbedding, Dense can be evaluated .* not trained"):
            attempt()
    assert not encoder.noisy


def test_without_the_package_the_error_names_the_extra(dense, monkeypatch):
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'diptych\[sentence-transformers\]'"):
        encoders.load(dense[0])


def test_a_module_that_is_code_of_its_own_is_never_run(dense):
    folder, _ = dense
    listed = json.loads((folder / "modules.json").read_text())
    listed[1]["type"] = "os.system"
    (folder / "modules.json").write_text(json.dumps(listed))
    with pytest.raises(ValueError, match=r"needs os\.system"):
        encoders.load(folder)


def test_a_pickle_is_never_opened(dense):
    folder, _ = dense
    weights = next(folder.glob("*_Dense/model.safetensors"))
    weights.rename(weights.with_name("pytorch_model.bin"))
    with pytest.raises(ValueError, match="pickle is never opened"):
        encoders.load(folder)


def test_a_pooling_we_do_not_know_is_foreign(tmp_path, texts):
    build("Bert").save(tmp_path / "model")
    file = tmp_path / "model" / "1_Pooling" / "config.json"
    file.write_text(json.dumps({"embedding_dimension": 32, "pooling_mode": "max"}))
    assert isinstance(encoders.load(tmp_path / "model"), Foreign)


def test_a_prompt_before_every_text_is_foreign(tmp_path, vocabulary):
    fresh(vocabulary, 8).save(tmp_path / "model")
    file = tmp_path / "model" / "config_sentence_transformers.json"
    settings = json.loads(file.read_text()) | {"prompts": {"p": "the cat"}, "default_prompt_name": "p"}
    file.write_text(json.dumps(settings))
    assert isinstance(encoders.load(tmp_path / "model"), Foreign)


def test_choices_for_a_transformer_are_refused_elsewhere(dense, tmp_path):
    for folder in (dense[0], tmp_path / "static"):
        with pytest.raises(ValueError, match="choices for a transformer"):
            encoders.load(folder, pooling="cls")
