"""diptych evaluate --mteb, without a network; and the suites that read labelled tables."""

import json

import pytest


@pytest.mark.filterwarnings("ignore")  # mteb's own and those of its packages
def test_data_that_cannot_be_fetched_are_told(diptych, run, tmp_path, monkeypatch):
    pytest.importorskip("mteb")
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "none")
    code, out, err = diptych("evaluate", run, "--mteb", "STSBenchmark")
    assert (code, out) == (2, "")
    assert "STSBenchmark: its data, mteb/stsbenchmark-sts, could not be fetched" in err
    code, _, err = diptych("evaluate", run, "--mteb", "STSBenchmark", "NoSuchTask")
    assert code == 2
    assert "mteb has no task 'NoSuchTask'" in err


@pytest.mark.filterwarnings("ignore")
def test_scores_of_mteb_are_a_table_and_a_history(diptych, run, tmp_path, monkeypatch):
    mteb = pytest.importorskip("mteb")
    from datasets import Dataset, DatasetDict

    pairs = {
        "sentence1": ["a sail", "a log", "an oven"],
        "sentence2": ["sails", "dough", "ovens"],
        "score": [5.0, 1, 4],
    }

    def load_data(self, **_):
        self.dataset, self.data_loaded = DatasetDict({"test": Dataset.from_dict(pairs)}), True

    monkeypatch.setattr(type(mteb.get_task("STSBenchmark")), "load_data", load_data)
    code, out, err = diptych("evaluate", run, "--mteb", "STSBenchmark", "--history", tmp_path / "h.jsonl")
    assert code == 0, err
    assert "STSBenchmark" in out
    entry = json.loads((tmp_path / "h.jsonl").read_text())
    assert (entry["suite"], entry["results"][0]["n"]) == ("mteb", 3)
    assert entry["data_fingerprint"] == f"mteb {mteb.__version__}"


@pytest.mark.parametrize("other", [["docs.jsonl"], ["--suite", "sts"], ["--data", "x"], ["--seed", "0"]])
def test_mteb_is_a_way_of_its_own(diptych, run, other):
    code, _, err = diptych("evaluate", run, *other, "--mteb", "STSBenchmark")
    assert code == 2
    assert "this call judges on tasks of mteb" in err


@pytest.mark.parametrize("suite", ["knn", "linear", "clustering", "probing"])
def test_a_labelled_table_is_a_suite(diptych, run, corpus, suite):
    code, out, err = diptych("evaluate", run, "--suite", suite, "--data", corpus, "--json")
    assert code == 0, err
    (model,) = json.loads(out)["models"]
    assert model["results"][0]["task"] == "docs"
    assert 0 <= model["results"][0]["low"] <= model["results"][0]["value"]


@pytest.mark.parametrize("suite", ["knn", "linear", "clustering", "probing", "transfer", "retrieval"])
def test_a_folder_that_a_suite_cannot_use(diptych, run, tmp_path, suite):
    (tmp_path / "empty").mkdir()
    code, _, err = diptych("evaluate", run, "--suite", suite, "--data", tmp_path / "empty")
    assert code == 1
    assert "there is no" in err
