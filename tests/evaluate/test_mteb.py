"""Encoders of ours under mteb as it is, on tasks built from local files; and our numbers beside mteb's."""

import json
import warnings

import numpy as np
import pytest

import diptych
from diptych.evaluate.clustering import v_measure_once, v_measures
from diptych.evaluate.mteb import ForMteb, benchmark
from diptych.evaluate.suites import retrieval
from diptych.measure.correlation import spearman
from diptych.measure.geometry import cosines

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    mteb = pytest.importorskip("mteb")
    from mteb.abstasks import AbsTaskClustering, AbsTaskRetrieval, AbsTaskSTS
    from mteb.abstasks.clustering_legacy import AbsTaskClusteringLegacy
    from mteb.abstasks.task_metadata import TaskMetadata

from datasets import Dataset, DatasetDict

pytestmark = pytest.mark.filterwarnings("ignore")  # mteb's own and those of its packages


def about(name, kind, main):
    return TaskMetadata(
        name=name,
        dataset={"path": "a/local", "revision": "1"},
        description="Local files.",
        reference=None,
        type=kind,
        category="t2t",
        modalities=["text"],
        eval_splits=["test"],
        eval_langs=["eng-Latn"],
        main_score=main,
        date=("2020-01-01", "2020-12-31"),
        domains=["Written"],
        task_subtypes=[],
        license="not specified",
        annotations_creators="derived",
        dialect=[],
        sample_creation="found",
        bibtex_citation="",
    )


class Local:
    """A task whose data are a local file, given as columns."""

    def load_data(self, **_):
        self.dataset, self.data_loaded = DatasetDict({"test": Dataset.from_dict(self.columns)}), True


def sts(columns):
    class Pairs(Local, AbsTaskSTS):
        metadata = about("LocalPairs", "STS", "cosine_spearman")

    Pairs.columns = columns
    return Pairs()


def clusters(columns, base=AbsTaskClustering, name="LocalClusters"):
    class Clusters(Local, base):
        metadata = about(name, "Clustering", "v_measure")
        max_fraction_of_documents_to_embed = None

    Clusters.columns = columns
    return Clusters()


def clouds(n=300, k=5, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(0, k, n)
    x = (rng.standard_normal((k, 6))[y] + 0.8 * rng.standard_normal((n, 6))).round(4)
    return [" ".join(map(str, row)) for row in x.tolist()], y


def test_spearman_is_that_of_mteb_with_ties_in_the_gold(told):
    texts, _ = clouds(200)
    gold = np.random.default_rng(0).integers(0, 6, 100).astype(float)
    one, other = texts[:100], texts[100:]
    [line] = benchmark(told, "a/model", [sts({"sentence1": one, "sentence2": other, "score": gold.tolist()})])
    assert (line.task, line.metric, line.n) == ("LocalPairs", "cosine_spearman", 100)
    assert line.value == pytest.approx(100 * spearman(cosines(told(one), told(other)).numpy(), gold), abs=1e-4)


def test_v_measure_is_that_of_mteb(told):
    texts, y = clouds()
    new = clusters({"sentences": texts, "labels": y.tolist()})
    old = clusters({"sentences": [texts], "labels": [y.tolist()]}, AbsTaskClusteringLegacy, "LocalClustersOnce")
    mean, once = benchmark(told, "m", [new, old])
    assert mean.value == pytest.approx(100 * v_measures(told(texts), y).mean(), abs=1e-9)
    assert once.value == pytest.approx(100 * v_measure_once(told(texts), y), abs=1e-9)
    assert 5 < mean.value < 95


def test_retrieval_is_that_of_mteb(told, tmp_path):
    texts, _ = clouds(260)
    documents, queries = texts[:200], texts[200:]
    rng = np.random.default_rng(0)
    judged = {f"q{i}": {f"d{j}": 1 for j in rng.choice(200, 3, replace=False)} for i in range(60)}

    class Ranked(AbsTaskRetrieval):
        metadata = about("LocalRetrieval", "Retrieval", "ndcg_at_10")

        def load_data(self, **_):
            parts = {
                "corpus": Dataset.from_dict({"id": [f"d{i}" for i in range(200)], "text": documents}),
                "queries": Dataset.from_dict({"id": [f"q{i}" for i in range(60)], "text": queries}),
                "relevant_docs": judged,
                "top_ranked": None,
            }
            self.dataset = {"default": {"test": parts}}
            self.data_loaded = True

    [line] = benchmark(told, "m", [Ranked()])
    (tmp_path / "qrels").mkdir()
    for file, letter, given in (("corpus", "d", documents), ("queries", "q", queries)):
        rows = [json.dumps({"_id": f"{letter}{i}", "text": text}) for i, text in enumerate(given)]
        (tmp_path / f"{file}.jsonl").write_text("\n".join(rows))
    pairs = [f"{q}\t{d}\t{x}" for q, found in judged.items() for d, x in found.items()]
    (tmp_path / "qrels" / "test.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *pairs]))
    mine = retrieval.tasks(tmp_path)[0].score(told)[0]
    assert (line.n, mine.n) == (60, 60)
    assert line.value == pytest.approx(mine.value, abs=1e-2)  # mteb rounds to five places


def test_an_encoder_of_ours_is_one_of_mteb(told):
    from mteb.models import EncoderProtocol

    model = ForMteb(told, "runs/docs")
    assert isinstance(model, EncoderProtocol)
    loader = [{"text": ["1 0", "0 2"]}, {"text": ["3 4"]}]
    rows = model.encode(loader, task_metadata=None, hf_split="test", hf_subset="default", batch_size=32)
    assert rows.tolist() == [[1, 0], [0, 2], [3, 4]]
    np.testing.assert_allclose(model.similarity(rows, rows[:1]).ravel(), [1, 0, 0.6], atol=1e-6)
    np.testing.assert_allclose(model.similarity_pairwise(rows, rows[::-1].copy()), [0.6, 1, 0.6], atol=1e-6)


def test_data_that_cannot_be_fetched_are_told(told, tmp_path, monkeypatch):
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path)
    with pytest.raises(ConnectionError, match=r"STSBenchmark: its data, mteb/stsbenchmark-sts, could not be fetched"):
        benchmark(told, "m", ["STSBenchmark"])


def test_a_task_that_mteb_does_not_know(told):
    with pytest.raises(ValueError, match=r"mteb has no task 'STSBenchmrk': .*STSBenchmark"):
        benchmark(told, "m", ["STSBenchmrk"])


def test_a_saved_model_loads_as_a_sentence_transformer_under_mteb(tmp_path):
    from sentence_transformers import SentenceTransformer

    words = ["red", "green", "blue", "ship", "sail", "sea"]
    documents = [". ".join(" ".join(words[(i + j) % 6 : (i + j) % 6 + 3]) for j in range(4)) + "." for i in range(40)]
    (tmp_path / "docs.txt").write_text("\n".join(documents))
    run = diptych.fit(diptych.recipes.crop(str(tmp_path / "docs.txt"), steps=2), tmp_path / "run")
    texts = ["red green", "green blue", "blue red", "red red", "green", "blue blue blue"] * 4
    task = {"sentence1": texts[:12], "sentence2": texts[1:13], "score": [float(i % 5) for i in range(12)]}
    ours = benchmark(diptych.load(run.model).encode, "m", [sts(task)])[0]
    theirs = mteb.evaluate(SentenceTransformer(str(run.model)), sts(task), cache=None, co2_tracker=False)
    assert ours.value == pytest.approx(100 * theirs.task_results[0].get_score(), abs=1e-3)
