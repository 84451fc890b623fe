import json
import os
import signal
import tomllib

import numpy as np
import pytest

SMALL = ("--dim", 16, "--vocabulary", 200, "--steps", 12, "--batch", 16)


def weights(folder):
    return (folder / "model" / "model.safetensors").read_bytes()


def test_a_run_leaves_everything_it_promises(run):
    names = {path.name for path in run.iterdir()}
    assert names >= {"run.toml", "metrics.jsonl", "checkpoints", "model", "start", "scores.json", "report.html"}
    assert (run / "model" / "README.md").is_file()
    assert not [name for name in names if name.startswith(".")]


def test_the_model_is_a_sentence_transformers_folder(run):
    from sentence_transformers import SentenceTransformer

    from diptych import load

    texts = ["The tide came in.", "", "An oven for bread and stars"]
    theirs = SentenceTransformer(str(run / "model"), device="cpu").encode(texts)
    np.testing.assert_allclose(load(run).encode(texts), theirs, atol=1e-6)


def test_the_same_call_gives_the_same_bytes_and_another_seed_others(diptych, corpus, run, tmp_path):
    for name, seed in (("again", 0), ("other", 1)):
        diptych("train", "crop", "--corpus", corpus, "--out", tmp_path / name, "--seed", seed, *SMALL)
    assert weights(tmp_path / "again") == weights(run)
    assert weights(tmp_path / "other") != weights(run)


def test_a_run_toml_repeats_its_run(diptych, run, tmp_path):
    code, _, err = diptych("train", run / "run.toml", "--out", tmp_path / "again")
    assert code == 0, err
    assert weights(tmp_path / "again") == weights(run)


def test_json_is_one_line_on_stdout(diptych, corpus, tmp_path):
    code, out, _ = diptych("train", "dropout", "--corpus", corpus, "--out", tmp_path / "d", "--json", *SMALL)
    assert code == 0
    assert out.count("\n") == 1
    told = json.loads(out)
    assert told["run"] == str(tmp_path / "d")
    assert 0 <= told["scores"]["model"]["knn"] <= 1


def test_several_seeds_are_a_run_each(diptych, corpus, tmp_path):
    code, out, err = diptych(
        "train", "crop", "--corpus", corpus, "--out", tmp_path / "s", "--seeds", "0,2", "--json", *SMALL
    )
    assert code == 0, err
    assert [r["run"][-6:] for r in json.loads(out)["runs"]] == ["seed-0", "seed-2"]
    assert tomllib.loads((tmp_path / "s" / "seed-2" / "run.toml").read_text())["arguments"]["seed"] == 2
    code, out, err = diptych("compare", tmp_path / "s", "--out", tmp_path / "c.html")
    assert code == 0, err
    assert (tmp_path / "c.html").stat().st_size > 1000


def test_a_finished_run_is_kept_unless_forced(diptych, corpus, run):
    before = weights(run)
    call = ("train", "crop", "--corpus", corpus, "--out", run, "--seed", 5, *SMALL)
    code, _, err = diptych(*call)
    assert code == 2
    assert "--force" in err
    assert weights(run) == before
    assert diptych(*call, "--force")[0] == 0
    assert weights(run) != before


@pytest.mark.parametrize(
    "wrong", [("--lr", -1), ("--epochs", 1), ("--encoder", "no/such/place"), ("--device", "cuda:7")]
)
def test_force_with_a_call_that_is_wrong_leaves_the_earlier_run(diptych, corpus, run, wrong):
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    code, _, err = diptych("train", "crop", "--corpus", corpus, "--out", run, *SMALL, "--force", *wrong)
    assert code == 2, err
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_the_run_that_is_replaced_stays_until_the_new_one_has_a_model(diptych, corpus, run, monkeypatch):
    before = weights(run)

    def stop(metrics):
        if metrics["step"] == 5:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("diptych.cli.train.Live", lambda name, samples: stop)
    code, _, err = diptych("train", "crop", "--corpus", corpus, "--out", run, "--seed", 5, *SMALL, "--force")
    assert code == 130
    assert f"`diptych train --resume {run}` goes on" in err
    assert f"kept in {run / 'replaced'}" in err
    assert weights(run / "replaced") == before
    monkeypatch.undo()
    assert diptych("train", "--resume", run)[0] == 0
    assert weights(run) != before
    assert not (run / "replaced").exists()


def test_files_have_the_mode_that_the_umask_gives(diptych, corpus, tmp_path):
    before = os.umask(0o027)
    try:
        diptych("train", "crop", "--corpus", corpus, "--out", tmp_path / "run", *SMALL)
    finally:
        os.umask(before)
    modes = {path.suffix: oct(path.stat().st_mode & 0o777) for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert ".safetensors" in modes
    assert set(modes.values()) == {"0o640"}


def test_what_is_understood_of_a_corpus_is_said_before_the_long_work(diptych, corpus, tmp_path, monkeypatch, capsys):
    def slow(*args, **kwargs):
        seen.append(capsys.readouterr().err)
        raise KeyboardInterrupt

    seen = []
    monkeypatch.setattr("diptych.data.vocabulary.train", slow)
    code, _, err = diptych("train", "crop", "--corpus", corpus, "--out", tmp_path / "run", *SMALL)
    assert code == 130
    assert "48 documents from docs.jsonl: text in column 'text', labels in 'label'" in seen[0]
    assert "--resume" not in err
    monkeypatch.undo()
    _, _, err = diptych("train", "crop", "--corpus", corpus, "--out", tmp_path / "run", *SMALL)
    assert err.count("48 documents") == 1


def test_force_removes_nothing_that_is_no_run(diptych, corpus, tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    code, _, err = diptych("train", "crop", "--corpus", corpus, "--out", tmp_path / "mine", "--force", *SMALL)
    assert code == 2
    assert "nothing in it is touched" in err
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"


def test_init_starts_from_the_weights_of_a_model(diptych, corpus, run, tmp_path):
    code, _, err = diptych(
        "train", "crop", "--corpus", corpus, "--init", run, "--steps", 1, "--lr", 1e-9, "--out", tmp_path / "more"
    )
    assert code == 0, err
    from diptych import load

    np.testing.assert_allclose(load(tmp_path / "more").encode(["tide"]), load(run).encode(["tide"]), atol=1e-5)


def test_resuming_a_finished_run_does_nothing(diptych, run):
    before = weights(run)
    code, _, err = diptych("train", "--resume", run)
    assert code == 0
    assert "finished" in err
    assert weights(run) == before


def test_a_run_whose_data_changed_is_not_resumed(diptych, corpus, run):
    (run / "report.html").unlink()
    corpus.write_text(corpus.read_text() + '\n{"text": "One more document. It has two sentences.", "label": "x"}')
    code, _, err = diptych("train", "--resume", run)
    assert code == 2
    assert "have changed" in err


@pytest.mark.parametrize(("recipe", "papers"), [("crop", ["2508.03453"]), ("dropout", ["2104.08821", "2508.03453"])])
def test_a_run_names_the_papers_of_its_recipe_and_of_its_objective(diptych, corpus, tmp_path, recipe, papers):
    code, _, err = diptych("train", recipe, "--corpus", corpus, "--out", tmp_path / "run", *SMALL)
    assert code == 0, err
    for name in ("run.toml", "report.html", "model/README.md"):
        told = (tmp_path / "run" / name).read_text()
        assert all(f"arXiv:{paper}" in told for paper in [*papers, "1807.03748"])


def test_a_recipe_of_ones_own_is_an_import_path(diptych, corpus, tmp_path):
    (tmp_path / "lab.py").write_text(
        "from diptych import recipes\n"
        "def short(corpus: str, *, sentences: int = 1):\n"
        '    """One sentence per crop."""\n'
        "    return recipes.crop(corpus, sentences=sentences, dim=8, vocabulary=100, steps=3, batch=8)\n"
    )
    code, _, err = diptych("train", "lab:short", "--corpus", corpus, "--out", tmp_path / "own")
    assert code == 0, err
    assert tomllib.loads((tmp_path / "own" / "run.toml").read_text())["arguments"]["sentences"] == 1


def test_tiny_trains_and_loads(diptych, corpus, tmp_path):
    small = ("--encoder", "tiny", "--dim", 32, "--vocabulary", 200, "--steps", 3, "--batch", 8)
    for recipe in ("crop", "dropout"):
        code, _, err = diptych("train", recipe, "--corpus", corpus, "--out", tmp_path / recipe, *small)
        assert code == 0, err
    from sentence_transformers import SentenceTransformer

    assert SentenceTransformer(str(tmp_path / "crop" / "model"), device="cpu").encode(["tide"]).shape == (1, 32)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--steps", 3, "--epochs", 1), "one of them"),
        (("--train-last", 1), "is for transformers"),
        (("--embeddings", "frozen"), "nothing would learn"),
        (("--encoder", "nowhere/at-all/x"), "nowhere"),
        (("--device", "cuda:7"), "not there"),
        (("--seeds", "a,b"), "0,1,2 or 0..4"),
        (("--temperature", 0), "above 0"),
        (("--sentences", 0), "at least one"),
        (("--text-column", "body"), "text, label"),
        (("--lrr", 1), "--lr"),
        (("--lr", -1), "above 0"),
        (("--seed", -1), "0 to 2**63"),
        (("--epochs", 0), "above 0"),
        (("--epochs", "inf"), "above 0"),
        (("--dim", 0), "from 1 to"),
        (("--batch", 1), "at least two"),
        (("--temperature", "nan"), "above 0"),
        (("--seeds", "3..1"), "0,1,2 or 0..4"),
        (("--seeds", "1,1"), "different numbers"),
        (("--workers", -1), "0 or more"),
    ],
)
def test_a_call_that_cannot_be_meant_is_refused_with_the_reason(diptych, corpus, tmp_path, arguments, words):
    code, out, err = diptych("train", "crop", "--corpus", corpus, "--out", tmp_path / "no", *arguments)
    assert code == 2
    assert words in err.replace("'", "")
    assert "\nerror: " in f"\n{err}"
    assert not out
    assert not (tmp_path / "no").exists()


def test_an_unknown_recipe_is_answered_with_those_there_are(diptych):
    code, _, err = diptych("train", "crpo", "--corpus", "x")
    assert code == 2
    assert "crop" in err


def test_an_encoder_without_dropout_cannot_be_trained_by_dropout(diptych, corpus, tmp_path):
    from transformers import BertConfig, BertModel

    from diptych.data import vocabulary
    from diptych.data.documents import read
    from diptych.encoders.tiny import tiny

    encoder = tiny(vocabulary.train(read(corpus).texts, 100), width=16, heads=2, layers=1, dropout=0.0)
    encoder.save(tmp_path / "still")
    assert isinstance(encoder.network, BertModel)
    assert isinstance(encoder.network.config, BertConfig)
    code, _, err = diptych("train", "dropout", "--corpus", corpus, "--encoder", tmp_path / "still", "--steps", 2)
    assert code == 2
    assert "diptych train crop" in err


def test_a_run_toml_calls_nothing_but_recipes(diptych, tmp_path):
    (tmp_path / "run.toml").write_text('recipe = "os:system"\n[arguments]\ncommand = "touch pwned"\n')
    code, _, err = diptych("train", tmp_path / "run.toml", "--out", tmp_path / "x")
    assert code == 2
    assert "no recipe" in err
    assert not (tmp_path / "pwned").exists()


def test_a_run_toml_with_an_unknown_argument_is_refused(diptych, run, tmp_path):
    text = (run / "run.toml").read_text().replace("[arguments]", "[arguments]\nrul = 3")
    (run / "run.toml").write_text(text)
    code, _, err = diptych("train", run / "run.toml", "--out", tmp_path / "x")
    assert code == 2
    assert "rul" in err
