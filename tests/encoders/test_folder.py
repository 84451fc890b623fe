import json

import numpy as np
import pytest
from networks import build

from diptych import encoders
from diptych.encoders.folder import chain, locate, staged
from diptych.encoders.static import fresh


def test_a_failed_save_leaves_the_old_model_and_no_rubbish(vocabulary, texts, tmp_path):
    encoder = fresh(vocabulary, 8)
    encoder.save(tmp_path / "model")
    with pytest.raises(OSError, match="disk full"), staged(tmp_path / "model") as new:  # noqa: PT012
        (new / "half").write_text("written")
        raise OSError("disk full")
    assert [file.name for file in tmp_path.iterdir()] == ["model"]
    np.testing.assert_array_equal(encoders.load(tmp_path / "model").encode(texts), encoder.encode(texts))


def test_a_model_replaces_a_model_whole(vocabulary, tmp_path):
    build("Bert").save(tmp_path / "model")
    fresh(vocabulary, 8).save(tmp_path / "model")
    assert not (tmp_path / "model" / "1_Pooling").exists()
    assert [file.name for file in tmp_path.iterdir()] == ["model"]


def test_a_folder_that_is_no_model_is_not_replaced(vocabulary, tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(FileExistsError, match="no model"):
        fresh(vocabulary, 8).save(tmp_path)
    assert (tmp_path / "thesis.tex").read_text() == "precious"


def test_modules_are_read_in_the_order_of_their_index(tmp_path):
    listed = [{"idx": 1, "path": "b", "type": "x.Pooling"}, {"idx": 0, "path": "", "type": "x.y.Transformer"}]
    (tmp_path / "modules.json").write_text(json.dumps(listed))
    assert [module.kind for module in chain(tmp_path)] == ["Transformer", "Pooling"]


def test_a_run_is_loaded_by_its_model(vocabulary, texts, tmp_path):
    encoder = fresh(vocabulary, 8)
    encoder.save(tmp_path / "model")
    (tmp_path / "run.toml").write_text("seed = 0")
    np.testing.assert_array_equal(encoders.load(tmp_path).encode(texts), encoder.encode(texts))


def test_a_run_without_a_model_says_so(tmp_path):
    (tmp_path / "run.toml").write_text("seed = 0")
    with pytest.raises(ValueError, match="a run that has no model yet"):
        encoders.load(tmp_path)


def test_a_folder_that_is_no_model_is_refused_with_what_was_looked_for(tmp_path):
    with pytest.raises(ValueError, match=r"no model: .*modules\.json.*config\.json.*model\.safetensors"):
        encoders.load(tmp_path)


def test_a_file_is_no_model(tmp_path):
    (tmp_path / "a.txt").write_text("text")
    with pytest.raises(NotADirectoryError, match="is a file"):
        encoders.load(tmp_path / "a.txt")


@pytest.mark.parametrize("name", ["./no/where", "/no/where", "a/b/c", "~/nothing-of-this-name"])
def test_a_path_that_is_not_there_is_not_looked_up_on_the_hub(name, monkeypatch):
    monkeypatch.setattr("diptych.encoders.folder._download", lambda name: pytest.fail("went to the hub"))
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        locate(name)


def test_a_hub_id_without_network_is_a_clear_error():
    with pytest.raises(ConnectionError, match=r"no folder nobody/nothing here, and the Hugging Face hub"):
        encoders.load("nobody/nothing")


def test_a_broken_json_file_is_named_with_the_place(tmp_path):
    (tmp_path / "modules.json").write_text("[{]")
    with pytest.raises(ValueError, match=r"modules\.json is not valid JSON: .*line 1"):
        encoders.load(tmp_path)
