"""A pickle is never opened, wherever it lies and whatever it is called; an archive is never unpacked."""

import io
import json
import os
import pickle
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch


class Bomb:
    """Makes a folder when it is unpickled."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return os.mkdir, (self.mark,)


@pytest.fixture
def mark(tmp_path):
    """Where a bomb writes; it is not there when the test is over."""
    yield tmp_path / "pwned"
    assert not (tmp_path / "pwned").exists()


@pytest.fixture(params=["torch", "pickle"])
def bomb(request, mark):
    """A pickle that does harm, as torch and pickle write it."""
    file = io.BytesIO()
    torch.save({"embedding.weight": Bomb(mark)}, file) if request.param == "torch" else pickle.dump(Bomb(mark), file)
    return file.getvalue()


@pytest.fixture
def objects(mark):
    """An array of objects, which NumPy writes as a pickle."""
    file = io.BytesIO()
    np.save(file, np.array([Bomb(mark)], object), allow_pickle=True)
    return file.getvalue()


@pytest.fixture
def refused(diptych, monkeypatch):
    """A call during which nothing may be unpickled, not even with care: exit code and error."""
    for module, name in ((torch, "load"), (pickle, "load"), (pickle, "loads")):
        monkeypatch.setattr(module, name, lambda *_, **__: pytest.fail("a pickle was opened"))

    def call(*tokens):
        code, _, err = diptych(*tokens)
        assert code in (0, 1, 2), err
        assert "fault of diptych" not in err
        return code, err

    return call


def test_the_bomb_goes_off_when_it_is_opened(tmp_path):
    pickle.loads(pickle.dumps(Bomb(tmp_path / "x")))  # noqa: S301
    assert (tmp_path / "x").is_dir()


@pytest.fixture
def network(corpus, tmp_path):
    """A small BERT as a folder."""
    from diptych import read
    from diptych.data import vocabulary
    from diptych.encoders.tiny import tiny

    tiny(vocabulary.train(read(corpus).texts, 60), width=16, heads=2, layers=1).save(tmp_path / "network")
    return tmp_path / "network"


def chain(folder, *kinds):
    listed = [{"idx": i, "name": str(i), "path": path, "type": kind} for i, (kind, path) in enumerate(kinds)]
    (folder / "modules.json").write_text(json.dumps(listed))


def dense(run, folder):
    """A static model and a Dense layer, which sentence-transformers alone reads; without the layer's weights."""
    shutil.copytree(run / "model", folder)
    (folder / "2_Dense").mkdir()
    settings = {"in_features": 16, "out_features": 4, "bias": True, "activation_function": "torch.nn.Identity"}
    (folder / "2_Dense" / "config.json").write_text(json.dumps(settings))
    kinds = "sentence_transformers.models.StaticEmbedding", "sentence_transformers.models.Dense"
    chain(folder, (kinds[0], ""), (kinds[1], "2_Dense"))
    return folder


CALLS = {
    "embed": lambda model, corpus: ("embed", model, corpus, "--out", "v.npy"),
    "evaluate": lambda model, corpus: ("evaluate", model, corpus),
    "train": lambda model, corpus: ("train", "crop", "--corpus", corpus, "--init", model, "--steps", 1, "--out", "x"),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.ckpt", "model.safetensors"])
def test_weights_of_a_network_that_are_pickled_are_refused(refused, network, corpus, bomb, name, call):
    (network / "model.safetensors").unlink()
    (network / name).write_bytes(bomb)
    code, err = refused(*call(network, corpus))
    assert code == 2
    assert str(network) in err
    assert "pickle" in err or name == "model.safetensors"


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors", "model.pkl"])
def test_weights_of_a_static_model_that_are_pickled_are_refused(refused, run, corpus, bomb, name):
    (run / "model" / "model.safetensors").unlink()
    (run / "model" / name).write_bytes(bomb)
    code, err = refused("embed", run, corpus, "--out", "v.npy")
    assert code == 2
    assert str(run / "model") in err


def test_an_index_of_shards_does_not_lead_to_a_pickle(refused, network, corpus, bomb):
    shards = {"metadata": {}, "weight_map": {"embeddings.word_embeddings.weight": "pytorch_model-00001-of-00001.bin"}}
    for kind in ("pytorch_model.bin", "model.safetensors"):
        (network / f"{kind}.index.json").write_text(json.dumps(shards))
    (network / "model.safetensors").rename(network / "other.safetensors")
    (network / "pytorch_model-00001-of-00001.bin").write_bytes(bomb)
    (network / "pytorch_model.bin").write_bytes(bomb)
    assert refused("embed", network, corpus, "--out", "v.npy")[0] == 2


@pytest.mark.parametrize("beside", [None, "other.safetensors", "model2.safetensors"])
@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.safetensors"])
def test_a_layer_that_is_pickled_is_refused(refused, run, corpus, tmp_path, bomb, name, beside):
    pytest.importorskip("sentence_transformers")
    model = dense(run, tmp_path / "dense")
    (model / "2_Dense" / name).write_bytes(bomb)
    if beside:
        shutil.copy(model / "model.safetensors", model / "2_Dense" / beside)
    code, err = refused("embed", model, corpus, "--out", "v.npy")
    assert code == 2
    assert str(model) in err


def test_a_pickle_in_a_folder_within_a_module_is_refused(refused, run, corpus, tmp_path, bomb):
    pytest.importorskip("sentence_transformers")
    model = dense(run, tmp_path / "router")
    inner = model / "2_Dense" / "query_0_Dense"
    inner.mkdir()
    shutil.copy(model / "2_Dense" / "config.json", inner)
    (inner / "pytorch_model.bin").write_bytes(bomb)
    kind = "sentence_transformers.models.Dense"
    told = {"types": {"query_0_Dense": kind}, "structure": {"query": ["query_0_Dense"]}, "parameters": {}}
    (model / "2_Dense" / "router_config.json").write_text(json.dumps(told))
    chain(model, ("sentence_transformers.models.Router", "2_Dense"))
    code, err = refused("embed", model, corpus, "--out", "v.npy")
    assert code == 2
    assert "pickle" in err


@pytest.mark.parametrize("kind", ["evil.Evil", "os.path", "sentence_transformers.models.Router"])
def test_code_that_a_model_names_is_not_imported(refused, run, corpus, tmp_path, mark, monkeypatch, kind):
    pytest.importorskip("sentence_transformers")
    (tmp_path / "evil.py").write_text(f"import os\nos.mkdir({str(mark)!r})\nclass Evil: pass\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    model = dense(run, tmp_path / "dense")
    shutil.copy(tmp_path / "evil.py", model)
    told = {"types": {"query_0_Evil": "evil.Evil"}, "structure": {"query": ["query_0_Evil"]}, "parameters": {}}
    (model / "2_Dense" / "router_config.json").write_text(json.dumps(told))
    chain(model, ("sentence_transformers.models.StaticEmbedding", ""), (kind, "2_Dense"))
    code, err = refused("embed", model, corpus, "--out", "v.npy")
    assert code == 2
    assert "never run" in err


def test_code_that_a_network_brings_is_not_run(refused, network, corpus, mark):
    (network / "evil.py").write_text(f"import os\nos.mkdir({str(mark)!r})\n")
    config = json.loads((network / "config.json").read_text())
    config |= {"auto_map": {"AutoModel": "evil.Evil", "AutoConfig": "evil.Evil"}, "model_type": "evil"}
    (network / "config.json").write_text(json.dumps(config))
    assert refused("embed", network, corpus, "--out", "v.npy")[0] == 2


@pytest.mark.parametrize("by", ["modules", "router"])
def test_a_part_of_a_model_is_not_sought_outside_of_its_folder(refused, run, corpus, tmp_path, bomb, by):
    pytest.importorskip("sentence_transformers")
    model = dense(run, tmp_path / "dense")
    (model / "2_Dense").rename(tmp_path / "evil")
    (tmp_path / "evil" / "pytorch_model.bin").write_bytes(bomb)
    kinds = "sentence_transformers.models.StaticEmbedding", "sentence_transformers.models.Dense"
    chain(model, (kinds[0], ""), (kinds[1], "../evil"))
    if by == "router":
        told = {"types": {"../evil": kinds[1]}, "structure": {"query": ["../evil"]}, "parameters": {}}
        (model / "router_config.json").write_text(json.dumps(told))
        chain(model, ("sentence_transformers.models.Router", ""))
    code, err = refused("embed", model, corpus, "--out", "v.npy")
    assert code == 2
    assert "outside of it" in err


@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation", "experts_implementation"])
@pytest.mark.parametrize("value", ["evil/kernel", {"": "evil/kernel@main:run"}])
def test_a_kernel_that_a_network_names_is_not_fetched(refused, network, corpus, key, value):
    config = json.loads((network / "config.json").read_text())
    (network / "config.json").write_text(json.dumps(config | {key: value}))
    code, err = refused("embed", network, corpus, "--out", "v.npy")
    assert code == 2
    assert "evil/kernel" in err
    assert "never run" in err


def test_a_network_of_more_blocks_than_weights_is_not_built(refused, network, corpus):
    config = json.loads((network / "config.json").read_text())
    (network / "config.json").write_text(json.dumps(config | {"num_hidden_layers": 10**9}))
    code, err = refused("embed", network, corpus, "--out", "v.npy")
    assert code == 2
    assert "1,000,000,000 blocks" in err


def test_an_adapter_that_is_pickled_is_refused(refused, network, corpus, bomb):
    (network / "adapter_config.json").write_text('{"base_model_name_or_path": "."}')
    (network / "adapter_model.bin").write_bytes(bomb)
    code, err = refused("embed", network, corpus, "--out", "v.npy")
    assert code == 2
    assert "adapter_model.bin" in err


# ---------------------------------------------------------------- runs


@pytest.mark.parametrize("name", ["step-000000012.safetensors", "step-000000099.safetensors", "step-000000099.pt"])
def test_a_checkpoint_that_is_a_pickle_is_not_opened(refused, run, bomb, name):
    shutil.rmtree(run / "model")
    (run / "checkpoints" / name).write_bytes(bomb)
    code, err = refused("train", "--resume", run)
    assert name in err or code == 0


def test_evidence_that_is_a_pickle_is_not_opened(refused, run, objects):
    (run / "report.html").unlink()
    for name in ("after.npy", "before.npy"):
        (run / "evidence" / name).write_bytes(objects)
    assert refused("train", "--resume", run)[0] == 0
    assert np.load(run / "evidence" / "after.npy").dtype == np.float32


def test_embeddings_that_are_a_pickle_are_made_again(refused, run, corpus, cache, bomb, objects):
    for content in (bomb, objects, b""):
        assert refused("search", run, corpus, "tide")[0] == 0
        (part,) = (cache / "index").rglob("*.npy")
        part.write_bytes(content)
    assert refused("search", run, corpus, "tide")[0] == 0
    assert np.load(part).shape == (48, 16)


# ---------------------------------------------------------------- corpora


@pytest.mark.parametrize(
    "name", ["x.pkl", "x.pickle", "x.pt", "x.npy", "x.jsonl", "x.csv", "x.parquet", "x.txt", "x.json.gz"]
)
def test_a_corpus_that_is_a_pickle_is_refused(refused, run, tmp_path, bomb, name):
    (tmp_path / name).write_bytes(bomb)
    code, err = refused("embed", run, tmp_path / name, "--out", "v.npy")
    assert code in (1, 2)
    assert name in err


def test_a_pickle_in_the_schema_of_parquet_is_not_opened(refused, run, tmp_path, mark):
    hidden = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickle.dumps(Bomb(mark)),
    }
    schema = pa.schema([pa.field("text", pa.string(), metadata=hidden)])
    pq.write_table(pa.table([["a tide", "a ship"]], schema=schema), tmp_path / "x.parquet")
    assert refused("embed", run, tmp_path / "x.parquet", "--out", "v.npy")[0] == 0


# ---------------------------------------------------------------- archives


def archive(path):
    """An archive with a corpus, and files that want to go elsewhere."""
    names = ["docs.txt", "../evil.txt", "../../evil.txt", f"{path.parent}/evil.txt"]
    if path.name.endswith((".tar", ".tgz", ".tar.gz", "docs.jsonl.gz")):
        with tarfile.open(path, "w:gz" if path.name.endswith("gz") else "w") as file:
            for name in names:
                member = tarfile.TarInfo(name)
                member.size = 9
                file.addfile(member, io.BytesIO(b"some text"))
    else:
        with zipfile.ZipFile(path, "w") as file:
            for name in names:
                file.writestr(name, "some text")
    return path


def everything(folder):
    return {str(path) for path in Path(folder).rglob("*")}


@pytest.mark.parametrize(
    "name", ["x.zip", "x.tar", "x.tgz", "x.tar.gz", "x.jsonl", "x.parquet", "docs.jsonl.gz", "x.txt"]
)
def test_an_archive_is_no_corpus_and_is_not_unpacked(diptych, run, tmp_path, cache, name):
    path = archive(tmp_path / name)
    before = everything(tmp_path.parent), everything(cache)
    code, _, err = diptych("search", run, path, "text")
    assert code in (1, 2)
    assert name in err
    assert (everything(tmp_path.parent), everything(cache)) == (before[0], before[1] | {str(cache / "documents")})


def test_an_archive_among_documents_is_counted_and_not_unpacked(diptych, run, tmp_path):
    place = tmp_path / "folder"
    place.mkdir()
    (place / "a.txt").write_text("A ship came in.")
    archive(place / "x.zip")
    before = everything(tmp_path) | {str(tmp_path / "v.npy")}
    code, _, err = diptych("embed", run, place, "--out", place.parent / "v.npy")
    assert code == 0
    assert "1 file not read, of another format (.zip)" in err
    assert everything(tmp_path) == before


@pytest.mark.parametrize("name", ["model.zip", "model.tar.gz", "network/model.safetensors"])
def test_an_archive_is_no_model_and_is_not_unpacked(diptych, network, corpus, tmp_path, name):
    archive(tmp_path / name)
    before = everything(tmp_path.parent)
    code, _, err = diptych("embed", network if "/" in name else tmp_path / name, corpus, "--out", tmp_path / "v.npy")
    assert code == 2
    assert Path(name).parts[0] in err
    assert everything(tmp_path.parent) == before
