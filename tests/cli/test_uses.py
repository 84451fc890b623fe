"""evaluate, embed, search, compare: what is done with a model."""

import json
from pathlib import Path

import numpy as np
import pytest

from diptych.data.documents import read
from diptych.embedding import fingerprint
from diptych.runs import held


def test_evaluate_shows_the_model_beside_its_start_and_tfidf(diptych, corpus, run):
    code, out, err = diptych("evaluate", run, "--corpus", corpus, "--json")
    assert code == 0, err
    assert out.count("\n") == 1
    scores = json.loads(out)["scores"]
    names = {"knn", "knn_cosine", "linear", "v_measure", "crop_retrieval", "alignment", "uniformity"}
    assert set(scores) == {"model", "untrained", "tfidf"}
    assert all(set(row) == names for row in scores.values())


def test_a_model_without_a_run_has_no_untrained_self(diptych, corpus, run, tmp_path):
    (run / "model").rename(tmp_path / "bare")
    code, out, err = diptych("evaluate", tmp_path / "bare", "--corpus", corpus, "--json")
    assert code == 0, err
    assert json.loads(out)["scores"]["untrained"] is None


def test_without_labels_only_what_needs_none_is_asked(diptych, run, tmp_path):
    text = tmp_path / "plain.txt"
    text.write_text("\n".join(f"A ship number {i} came in. The tide turned at {i}." for i in range(30)))
    code, out, err = diptych("evaluate", run, "--corpus", text, "--json")
    assert code == 0, err
    model = json.loads(out)["scores"]["model"]
    assert model["knn"] is None
    assert 0 <= model["crop_retrieval"] <= 1


def test_an_unknown_metric_is_answered_with_those_there_are(diptych, corpus, run):
    code, _, err = diptych("evaluate", run, "--corpus", corpus, "--only", "bleu")
    assert code == 2
    assert "knn_cosine" in err


@pytest.mark.parametrize("ending", [".npy", ".parquet", ".jsonl"])
@pytest.mark.parametrize("shard", [1000, 20])
def test_embed_writes_one_row_per_document_in_order(diptych, corpus, run, tmp_path, ending, shard):
    from diptych import load, read

    out = tmp_path / "v" / f"vectors{ending}"
    code, told, err = diptych("embed", run, corpus, "--out", out, "--shard", shard, "--json")
    assert code == 0, err
    files = json.loads(told)["files"]
    assert len(files) == (1 if shard == 1000 else 3)
    rows = np.concatenate([vectors(file) for file in files])
    np.testing.assert_allclose(rows, load(run).encode(read(corpus).texts), atol=1e-6)
    assert sorted(path.name for path in out.parent.iterdir()) == sorted(f.rpartition("/")[2] for f in files)


def vectors(file):
    if file.endswith(".npy"):
        return np.load(file)
    if file.endswith(".jsonl"):
        return np.array([json.loads(line)["embedding"] for line in Path(file).read_text().splitlines()])
    import pyarrow.parquet as pq

    return np.array(pq.read_table(file)["embedding"].to_pylist())


def test_an_interrupted_embedding_goes_on_where_it_stopped(run, corpus, tmp_path, monkeypatch):
    from diptych import embedding, load, read

    monkeypatch.setattr(embedding, "PART", 10)
    encoder, documents, calls = load(run), read(corpus), []

    def counted(texts, encode=encoder.encode):
        calls.append(len(texts))
        if len(calls) == 3:
            raise InterruptedError
        return encode(texts)

    monkeypatch.setattr(encoder, "encode", counted)
    with pytest.raises(InterruptedError):
        embedding.embed(run, encoder, documents, tmp_path / "v.npy")
    assert not (tmp_path / "v.npy").exists()
    embedding.embed(run, encoder, documents, tmp_path / "v.npy")
    assert calls == [10, 10, 10, 10, 10, 8]
    np.testing.assert_allclose(np.load(tmp_path / "v.npy"), load(run).encode(documents.texts), atol=1e-6)


def test_two_processes_do_not_write_the_same_embeddings(diptych, run, corpus, tmp_path):
    out, scratch = tmp_path / "v.npy", tmp_path / "v.npy.parts"
    scratch.mkdir()
    job = {"model": fingerprint(run), "corpus": read(corpus).fingerprint}
    (scratch / "job.json").write_text(json.dumps(job))
    with held(scratch, name="job.json"):
        code, _, err = diptych("embed", run, corpus, "--out", out)
    assert (code, out.exists()) == (1, False)
    assert "another process" in err
    assert scratch.exists()
    assert diptych("embed", run, corpus, "--out", out)[0] == 0
    assert not scratch.exists()


def test_parts_of_another_corpus_are_not_mixed_in(diptych, run, corpus, tmp_path):
    scratch = tmp_path / "v.npy.parts"
    scratch.mkdir()
    (scratch / "job.json").write_text('{"model": "x", "corpus": "y"}')
    code, _, err = diptych("embed", run, corpus, "--out", tmp_path / "v.npy")
    assert code == 2
    assert "the parts of another" in err


def test_search_finds_the_document_itself_first(diptych, run, corpus):
    from diptych import read

    query = read(corpus).texts[7]
    code, out, err = diptych("search", run, corpus, query, "--k", 3, "--json")
    assert code == 0, err
    (answer,) = json.loads(out)["answers"]
    assert answer["documents"][0]["document"] == 7
    assert answer["documents"][0]["cosine"] == pytest.approx(1, abs=1e-4)
    assert len(answer["documents"]) == 3


def test_search_a_second_time_embeds_nothing(diptych, run, corpus, monkeypatch):
    assert diptych("search", run, corpus, "tide")[0] == 0
    from diptych.encoders.static import Static

    asked = []
    encode = Static.encode
    monkeypatch.setattr(Static, "encode", lambda self, texts: asked.append(len(texts)) or encode(self, texts))
    assert diptych("search", run, corpus, "bread", "stars")[0] == 0
    assert asked == [1, 1]


@pytest.mark.parametrize(
    ("tokens", "code", "words"),
    [
        (("search", "{run}", "{corpus}", "x", "--k", 0), 2, "1 or more"),
        (("search", "{run}", "missing.jsonl", "x"), 2, "missing.jsonl"),
        (("search", "nowhere", "{corpus}", "x"), 2, "nowhere"),
        (("embed", "{run}", "{corpus}", "--out", "v.txt"), 2, ".npy, .parquet, .jsonl"),
        (("embed", "{run}", "{corpus}", "--out", "v.npy", "--text"), 2, "holds numbers alone"),
        (("embed", "{run}", "{corpus}", "--out", "{here}.npy"), 2, "is a folder"),
        (("evaluate", "{corpus}", "--corpus", "{corpus}"), 2, "docs.jsonl"),
        (("compare", "{here}"), 2, "run.toml"),
        (("compare", "{run}", "--baseline", "nothing"), 2, "nothing"),
        (("compare", "{run}", "--out", "{here}"), 2, "--out {here}/compare.html"),
        (("compare", "{run}", "--out", "thesis.txt"), 2, "ends in .html; got thesis.txt"),
        (("compare", "{run}", "nowhere"), 2, "there is no run nowhere"),
        (("trian",), 2, "train"),
        (("train",), 2, "crop"),
        (("train", "--resume", "nowhere"), 2, "there is no run nowhere"),
        (("train", "--resume", "{run}", "--lr", 3, "--steps=9"), 2, "leave --lr, --steps out"),
        (("train", "--resume={run}", "--out", "x", "--force"), 2, "leave --out, --force out"),
        (("train", "crop", "--resume", "{run}"), 2, "leave crop out"),
        (("train", "crop", "--corpus", "{corpus}", "--out", "{run}", "--seeds", "0,1"), 2, "make a folder of runs"),
        (("train", "{run}/run.toml", "--out", "x", "--lr", 3), 2, "leave --lr out"),
        (("train", "missing/train.toml", "--out", "x"), 2, "there is no file missing/train.toml"),
        (("train", "missing/run.toml", "--out", "x"), 2, "there is no file missing/run.toml"),
        (("train", "{here}/run.toml", "--out", "x"), 2, "{here} is no run"),
    ],
)
def test_a_call_that_cannot_be_meant_says_why(diptych, run, corpus, tmp_path, tokens, code, words):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty.npy").mkdir()
    names = {"run": run, "corpus": corpus, "here": tmp_path / "empty"}
    found, out, err = diptych(*(str(token).format(**names) for token in tokens))
    assert (found, out) == (code, "")
    assert words.format(**names) in err
    assert not (tmp_path / "x").exists()


def test_compare_makes_the_folder_of_its_page(diptych, run, tmp_path):
    code, _, err = diptych("compare", run, "--out", tmp_path / "new" / "pages" / "c.html")
    assert code == 0, err
    assert [path.name for path in (tmp_path / "new" / "pages").iterdir()] == ["c.html"]


def test_a_query_that_is_no_unicode_is_answered(diptych, run, corpus):
    code, out, err = diptych("search", run, corpus, "tide\udcff", "\ud800", "--json")
    assert code == 0, err
    assert [answer["query"] for answer in json.loads(out)["answers"]] == ["tide\ufffd", "\ufffd"]
    assert diptych("search", run, corpus, "\udcff")[0] == 0


@pytest.mark.parametrize("content", [b'{"cut', b"[1]", b"\xff\x00"])
@pytest.mark.parametrize(
    ("name", "command"),
    [
        ("scores.json", ("compare", "{run}")),
        ("metrics.jsonl", ("compare", "{run}")),
        ("scores.json", ("train", "--resume", "{run}")),
        ("run.toml", ("compare", "{run}")),
        ("model/tokenizer.json", ("search", "{run}", "{corpus}", "x")),
        ("model/modules.json", ("embed", "{run}", "{corpus}", "--out", "v.npy")),
        ("model/model.safetensors", ("evaluate", "{run}", "--corpus", "{corpus}")),
        ("start/tokenizer.json", ("evaluate", "{run}", "--corpus", "{corpus}")),
    ],
)
def test_a_damaged_file_of_a_run_is_named(diptych, run, corpus, name, command, content):
    (run / name).write_bytes(content)
    found, out, err = diptych(*(token.format(run=run, corpus=corpus) for token in command))
    assert (found in (1, 2), out) == (True, ""), err
    assert str(run / Path(name).parent) in err
    assert name in err or content == b"[1]"
    assert "fault of diptych" not in err
