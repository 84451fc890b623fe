import json
import os

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


def broken(folder, name, content):
    (folder / name).write_bytes(content)
    with pytest.raises(ValueError) as caught:  # noqa: PT011
        encoders.load(folder).encode(["a text"])
    assert type(caught.value) in (ValueError, UnicodeDecodeError)
    return str(caught.value)


@pytest.mark.parametrize("content", [b"", b'{"version": "1.0", "trunc', b"[]", b"{}", b"null", b"\xff", b"[" * 10**5])
@pytest.mark.parametrize("name", ["tokenizer.json", "config.json", "modules.json", "config_sentence_transformers.json"])
@pytest.mark.parametrize("kind", ["static", "transformer"])
def test_a_broken_file_of_a_model_is_named(vocabulary, tmp_path, kind, name, content):
    (build("Bert") if kind == "transformer" else fresh(vocabulary, 8)).save(tmp_path)
    if name == "config_sentence_transformers.json" and content == b"{}":
        pytest.skip("nothing in it is needed")
    if (kind, name, content) == ("static", "config.json", b"{}"):
        pytest.skip("a static model has none")
    said = broken(tmp_path, name, content)
    assert str(tmp_path) in said
    assert content in (b"{}", b"[]", b"null") or name in said


@pytest.mark.parametrize("change", [{"prompts": 3}, {"default_prompt_name": [1]}, {"prompts": "x"}])
def test_settings_of_another_kind_than_due_are_refused_with_the_folder(vocabulary, tmp_path, change):
    fresh(vocabulary, 8).save(tmp_path)
    settings = json.loads((tmp_path / "config_sentence_transformers.json").read_text()) | change
    assert str(tmp_path) in broken(tmp_path, "config_sentence_transformers.json", json.dumps(settings).encode())


def test_a_tokenizer_that_panics_is_refused_without_a_word_of_rust(tmp_path, capfd):
    build("Bert").save(tmp_path)
    state = json.loads((tmp_path / "tokenizer.json").read_text())
    state["post_processor"]["special_tokens"] = {}
    capfd.readouterr()
    said = broken(tmp_path, "tokenizer.json", json.dumps(state).encode())
    assert f"cannot read the model in {tmp_path}" in said or f"cannot read the tokenizer in {tmp_path}" in said
    assert capfd.readouterr() == ("", "")


def test_a_tokenizer_without_its_unknown_token_is_refused(vocabulary, tmp_path):
    fresh(vocabulary, 8).save(tmp_path)
    state = json.loads((tmp_path / "tokenizer.json").read_text())
    state["model"]["unk_token"] = "nothing"
    (tmp_path / "tokenizer.json").write_text(json.dumps(state))
    with pytest.raises(ValueError, match=r"tokenizer\.json is broken"):
        encoders.load(tmp_path).encode(["\u4e2d"])


def test_what_is_written_to_stderr_while_a_model_is_read_is_passed_on(vocabulary, tmp_path, capfd, monkeypatch):
    fresh(vocabulary, 8).save(tmp_path)
    read = encoders._kind
    monkeypatch.setattr(encoders, "_kind", lambda folder: [os.write(2, b"a warning"), read(folder)][1])
    encoders.load(tmp_path)
    assert capfd.readouterr().err == "a warning"


@pytest.mark.parametrize("kind", ["static", "transformer"])
def test_files_can_be_read_by_whom_the_umask_allows(vocabulary, tmp_path, kind):
    before = os.umask(0o027)
    try:
        (build("Bert") if kind == "transformer" else fresh(vocabulary, 8)).save(tmp_path / "model")
    finally:
        os.umask(before)
    assert {path.stat().st_mode & 0o777 for path in (tmp_path / "model").rglob("*") if path.is_file()} == {0o640}
