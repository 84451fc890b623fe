"""Suites by the name of a data set: the real `datasets`, against a hub on this machine."""

import json
import os
import subprocess
import sys

import pytest
from hub_server import COMMIT, serving

from diptych.core import DataError
from diptych.data.vocabulary import train
from diptych.encoders.static import fresh
from diptych.evaluate import hub
from diptych.evaluate.suites import tasks

pytest.importorskip("datasets")
PROGRAM = """
import contextlib, io, json, sys
from diptych import cli
from diptych.evaluate import hub

def answer(suite, data):
    if suite == "cli":
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.redirect_stderr(io.StringIO()) as err:
            code = cli.run(data)
        return {"code": code, "out": out.getvalue(), "err": err.getvalue()}
    try:
        found = hub.given(suite, data)
    except Exception as error:
        return {"error": type(error).__name__, "said": str(error)}
    return {"folder": str(found.folder), "name": found.name, "notes": found.notes}

print(json.dumps([answer(*call) for call in json.loads(sys.argv[1])]))
"""
SCORES = [{"sentence1": f"one {i}", "sentence2": f"another {i * 7 % 5}", "score": float(i % 6)} for i in range(12)]
SETS = [name for name in hub.STS if name != "sts17"]


def rows(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


def card(place, *configs, more=""):
    """A README that says which files are which split of which config."""
    files = []
    for config in dict.fromkeys(config for config, _, _ in configs):
        files += [f"- config_name: {config}", "  data_files:"]
        files += [f"  - split: {split}\n    path: {path}" for name, split, path in configs if name == config]
    place.mkdir(parents=True, exist_ok=True)
    (place / "README.md").write_text("\n".join(["---", "configs:", *files, more, "---", ""]))


CLASSES = """dataset_info:
- config_name: default
  features:
  - name: text
    dtype: string
  - name: label
    dtype:
      class_label:
        names:
          '0': bad
          '1': good
  - name: label_text
    dtype: string"""


def fill(place):
    """The nine sets of STS, and one set for each other kind of suite."""
    for name in SETS:
        rows(place / hub.STS[name].repository / "test.jsonl", SCORES)
    rows(place / "mteb/stsbenchmark-sts/validation.jsonl", SCORES[::-1])
    two = place / "mteb/sts17-crosslingual-sts"
    card(two, ("en-en", "test", "en.jsonl"), ("ar-ar", "test", "ar.jsonl"))
    rows(two / "en.jsonl", SCORES)
    rows(two / "ar.jsonl", [])
    lists = {"sent1": ["a", "b", "c"], "sent2": ["d", "e", "f"], "labels": [1, 0, 1]}
    rows(place / "some/pairs.v2/test.jsonl", [lists])
    clusters = {"sentences": ["a", "b", "c"], "labels": ["x", "y", "y"]}
    rows(place / "some/clusters/test.jsonl", [clusters, clusters])
    rows(place / "some/clusters/validation.jsonl", [clusters])
    known = place / "some/CR"
    card(known, ("default", "train", "train.jsonl"), ("default", "test", "test.jsonl"), more=CLASSES)
    for split, labels in (("train", [0, 1, 1]), ("test", [1, -1])):
        lines = [{"text": f"{split} {i}", "label": label, "label_text": "?"} for i, label in enumerate(labels)]
        rows(known / f"{split}.jsonl", lines)
    beir = place / "some/beir"
    parts = {"corpus": "corpus", "queries": "queries", "default": "qrels"}
    card(beir, *((config, "test" if file == "qrels" else file, f"{file}.jsonl") for config, file in parts.items()))
    rows(beir / "corpus.jsonl", [{"_id": "d1", "title": "A", "text": "b"}, {"_id": "d2", "title": "", "text": 'c "d"'}])
    rows(beir / "queries.jsonl", [{"_id": "q1", "text": "b?"}])
    rows(beir / "qrels.jsonl", [{"query-id": "q1", "corpus-id": "d1", "score": 1}])


def ask(calls, tmp, endpoint, **more):
    env = os.environ | {"HF_ENDPOINT": endpoint, "HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp / "hf")}
    env |= {"DIPTYCH_CACHE": str(tmp / "cache"), "HF_HUB_DISABLE_TELEMETRY": "1", **more}
    done = subprocess.run([sys.executable, "-c", PROGRAM, json.dumps(calls)], env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


CALLS = {
    "one": ("sts", "mteb/stsbenchmark-sts"),
    "revision": ("sts", f"mteb/stsbenchmark-sts@{COMMIT}"),
    "part": ("sts", "mteb/sts17-crosslingual-sts:en-en"),
    "pairs": ("pairs", "some/pairs.v2"),
    "clustering": ("clustering", "some/clusters"),
    "transfer": ("transfer", "some/CR"),
    "knn": ("knn", "some/CR"),
    "retrieval": ("retrieval", "some/beir"),
    "wrong columns": ("probing", "mteb/sts12-sts"),
    "no parts": ("retrieval", "mteb/sts12-sts"),
    "nowhere": ("pairs", "some/gone"),
    "no such part": ("pairs", "mteb/sts17-crosslingual-sts:de-de"),
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    tmp = tmp_path_factory.mktemp("hub")
    model = str(tmp / "model")
    fresh(train([line["sentence1"] for line in SCORES], 100), 8).save(tmp / "model")
    whole = ("cli", ["evaluate", model, "--suite", "sts", "--data", "hub", "--json"])
    fill(tmp / "served")
    with serving(tmp / "served") as server:
        found = dict(zip([*CALLS, "cli"], ask([*CALLS.values(), whole], tmp, server.url), strict=True))
        found["asked"] = server.asked
    calls = [CALLS["one"], whole, ("knn", "some/never")]
    *found["later"], found["never"] = ask(calls, tmp, server.url, HF_HUB_OFFLINE="1")
    return found


def table(answer, name):
    with open(os.path.join(answer["folder"], name)) as file:
        return [json.loads(line) for line in file]


def test_a_set_is_a_table_with_its_splits(answers):
    found = table(answers["one"], "stsb.jsonl")
    assert [row for row in found if row.pop("split") == "test"] == SCORES
    assert len(found) == 24
    assert answers["one"]["name"] == "mteb/stsbenchmark-sts"
    assert answers["one"]["notes"] == [f"stsb is {hub.STS['stsb']}, of the hub"]
    assert answers["revision"]["notes"] == [f"stsb is mteb/stsbenchmark-sts@{COMMIT}, of the hub"]
    assert len(table(answers["part"], "sts17.jsonl")) == 12


def test_the_nine_sets_are_asked_at_the_revisions_of_mteb_and_scored(answers):
    assert answers["cli"]["code"] == 0, answers["cli"]["err"]
    told = json.loads(answers["cli"]["out"])
    values = {line["task"]: line["value"] for line in told["models"][0]["results"]}
    assert {*values} == {*hub.STS, "stsb/dev", "sickr/all", "mean of 7", "mean of 9"}
    assert values["sts12"] == pytest.approx(values["sts17"])
    assert told["data"] == told["models"][0]["data"] == "hub"
    assert f"sts12 is {hub.STS['sts12']}, of the hub" in told["notes"]
    assert all(any(known.revision in path for path in answers["asked"]) for known in hub.STS.values())


@pytest.mark.slow  # mteb takes its time to be imported
def test_revisions_are_those_of_the_mteb_that_is_installed():
    mteb = pytest.importorskip("mteb")
    names = {"sts12": "STS12", "sts13": "STS13", "sts14": "STS14", "sts15": "STS15", "sts16": "STS16"}
    names |= {"stsb": "STSBenchmark", "sickr": "SICK-R", "sts17": "STS17", "biosses": "BIOSSES"}
    theirs = {name: mteb.get_task(names[name]).metadata.dataset for name in hub.STS}
    assert {x: (known.repository, known.revision) for x, known in hub.STS.items()} == {
        x: (known["path"], known["revision"]) for x, known in theirs.items()
    }


def test_what_was_fetched_is_there_without_a_network(answers):
    one, whole = answers["later"]
    assert one["folder"] == answers["one"]["folder"]
    assert whole["code"] == 0, whole["err"]
    assert json.loads(whole["out"])["data_fingerprint"] == json.loads(answers["cli"]["out"])["data_fingerprint"]


def test_rows_of_lists_are_rows(answers):
    found = table(answers["pairs"], "pairs-v2.jsonl")
    assert [tuple(row.values()) for row in found] == [
        ("a", "d", 1, "test"),
        ("b", "e", 0, "test"),
        ("c", "f", 1, "test"),
    ]
    [task] = tasks("pairs", answers["pairs"]["folder"])
    assert (task.name, task.pairs.gold.tolist()) == ("pairs-v2", [1, 0, 1])


def test_each_set_of_clusters_is_a_task_and_the_test_is_enough(answers):
    made = tasks("clustering", answers["clustering"]["folder"])
    assert [(task.name, task.texts) for task in made] == [(f"clusters-{i}", ["a", "b", "c"]) for i in (1, 2)]


def test_labels_that_are_hidden_are_none(answers):
    for suite, name in (("transfer", "cr"), ("knn", "CR")):
        found = table(answers[suite], f"{name}.jsonl")
        assert [row["label"] for row in found] == [0, 1, 1, 1, None]
        assert [row["split"] for row in found] == ["train"] * 3 + ["test"] * 2


def test_a_set_in_parts_is_a_folder_of_beir(answers):
    [task] = tasks("retrieval", answers["retrieval"]["folder"])
    assert (task.name, task.queries, task.documents) == ("beir", ["b?"], ["A b", 'c "d"'])
    assert task.relevant == [{0: 1.0}]


@pytest.mark.parametrize(
    ("call", "kind", "said"),
    [
        ("wrong columns", "DataError", "mteb/sts12-sts has no column 'text', 'label'; there are 'sentence1', 'sent"),
        ("no parts", "DataError", "mteb/sts12-sts has no part 'corpus', 'queries', as a set of retrieval has"),
        ("nowhere", "ConnectionError", "no file or folder some/gone here, and the Hugging Face hub did not give that"),
        ("nowhere", "ConnectionError", "nothing was fetched. --data also takes a folder of files: tables with sent"),
        ("no such part", "ValueError", "Available: ['en-en', 'ar-ar']"),
        ("never", "ConnectionError", "and the Hugging Face hub did not give that data set ("),
        (
            "never",
            "ConnectionError",
            "nothing was fetched. --data also takes a folder of files: tables with text, label",
        ),
    ],
)
def test_what_the_hub_does_not_give_is_said(answers, call, kind, said):
    assert answers[call]["error"] == kind
    assert said in answers[call]["said"]


def test_what_came_before_is_said(monkeypatch):
    def fetched(suite, asked):
        if "sts14" in asked.repository:
            raise OSError("gone")
        return {}

    monkeypatch.setattr(hub, "_fetched", fetched)
    with pytest.raises(ConnectionError, match=r"\(OSError: gone\); 'sts12', 'sts13' came before it and stay"):
        hub.given("sts", "hub")


@pytest.mark.parametrize(
    ("suite", "data", "said"),
    [
        ("knn", "hub", "--data hub is for the suite sts; of knn, name a set: --data owner/name"),
        ("sts", "some/sts", r"sets of sts on the hub are mteb/sts12-sts, .*:en-en, mteb/biosses-sts; got some/sts"),
        ("sts", "mteb/sts17-crosslingual-sts:ar-ar", "got mteb/sts17-crosslingual-sts:ar-ar"),
        ("transfer", "some/thing", "transfer knows its sets by name, which are mr, .*; got some/thing, called 'thing'"),
    ],
)
def test_a_set_that_the_suite_has_no_use_for_is_refused_before_the_network_is_asked(suite, data, said, monkeypatch):
    monkeypatch.setattr(hub, "_fetched", lambda *given: pytest.fail("asked the network"))
    with pytest.raises(ValueError, match=said):
        hub.given(suite, data)


def test_what_is_here_is_never_looked_up(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("hub", "mteb/sts12-sts"):
        (tmp_path / name).mkdir(parents=True)
        assert not hub.named(name)
    for name in ("nowhere", "/data/sts", "mteb/sts13-sts", "../x", "a/b/c"):
        assert not hub.named(name)
    assert hub.named("owner/name")
    assert hub.named("owner/name:part@main")


def test_a_set_with_several_splits_and_no_test_is_refused():
    with pytest.raises(DataError, match="corpus has no split 'test'; there are 'a', 'b'"):
        hub._one("corpus", {"a": None, "b": None}, hub.STS["sts12"])
