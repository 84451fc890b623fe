import json
import math

import numpy as np
import pytest

from diptych.core import DataError
from diptych.evaluate.suites import retrieval

CORPUS = [
    {"_id": "a", "title": "1", "text": "0"},  # title and text are one document: the row [1, 0]
    {"_id": "b", "title": "", "text": "1 0.1"},
    {"_id": "c", "text": "0 1"},
    {"_id": "d", "title": None, "text": "0 2"},  # the direction of c
]
QUERIES = [
    {"_id": 1, "text": "3 0"},
    {"_id": "2", "text": "0 5"},
    {"_id": "3", "text": "1 1"},
    {"_id": "4", "text": "9 9"},
]
QRELS = [("1", "b", 1), ("1", "d", 2), ("2", "d", 1), ("2", "a", 0), ("3", "c", 0)]


@pytest.fixture
def folder(tmp_path):
    def write(corpus=CORPUS, queries=QUERIES, qrels=QRELS, name="tiny"):
        place = tmp_path / name
        (place / "qrels").mkdir(parents=True, exist_ok=True)
        for file, rows in (("corpus.jsonl", corpus), ("queries.jsonl", queries)):
            (place / file).write_text("".join(json.dumps(row) + "\n" for row in rows))
        lines = ["query-id\tcorpus-id\tscore", *("\t".join(map(str, row)) for row in qrels)]
        (place / "qrels" / "test.tsv").write_text("\n".join(lines) + "\n")
        return place

    return write


def scores(task, look):
    return {line.metric: line for line in task.score(look)}


def test_scores_by_hand(folder, told):
    """Query 1 finds a, b (gain 1), then c and d (gain 2), which tie; query 2 finds c, then d: they tie."""
    [task] = retrieval.tasks(folder())
    assert task.queries == ["3 0", "0 5"]
    assert task.documents == ["1 0", "1 0.1", "0 1", "0 2"]
    found = scores(task, told)
    one = (1 / math.log2(3) + 2 / math.log2(5)) / (2 + 1 / math.log2(3))
    two = 1 / math.log2(3)
    assert found["ndcg@10"].value == pytest.approx(100 * (one + two) / 2)
    assert found["mrr@10"].value == pytest.approx(50)
    assert found["recall@10"].value == found["recall@100"].value == 100
    assert [line.main for line in found.values()] == [True, False, False, False]
    assert found["ndcg@10"].n == 2
    assert found["ndcg@10"].low == pytest.approx(100 * min(one, two))
    assert task.notes == ["tiny: 1 query has no relevant document, and no part in this"]


def test_places_are_those_of_all_cosines_and_recall_has_a_depth(folder, told):
    rng = np.random.default_rng(0)
    d, q = rng.standard_normal((400, 3)).round(3), rng.standard_normal((20, 3)).round(3)
    corpus = [{"_id": f"d{i}", "text": " ".join(map(str, row))} for i, row in enumerate(d.tolist())]
    queries = [{"_id": f"q{i}", "text": " ".join(map(str, row))} for i, row in enumerate(q.tolist())]
    relevant = [rng.choice(400, 5, replace=False) for _ in range(20)]
    qrels = [(f"q{i}", f"d{j}", 1) for i, places in enumerate(relevant) for j in places]
    [task] = retrieval.tasks(folder(corpus, queries, qrels))
    cosine = (q @ d.T) / np.linalg.norm(q, axis=1)[:, None] / np.linalg.norm(d, axis=1)
    rank = (-cosine).argsort(1).argsort(1)
    for metric, depth in {"recall@10": 10, "recall@100": 100}.items():
        mine = np.mean([(rank[i, places] < depth).mean() for i, places in enumerate(relevant)])
        assert scores(task, told)[metric].value == pytest.approx(100 * mine)


def test_a_document_that_is_the_query_is_not_counted(folder, told):
    """The query c is the document c; the document a has the id of a query but another text, and counts."""
    queries = [{"_id": "c", "text": "0 1"}, {"_id": "a", "text": "0.9 0"}]
    found = scores(retrieval.tasks(folder(queries=queries, qrels=[("c", "d", 1), ("a", "a", 1)]))[0], told)
    assert found["mrr@10"].value == 100


def test_a_folder_of_folders_has_a_task_each(folder, tmp_path):
    folder(name="two")
    folder(name="one")
    (tmp_path / "other").mkdir()
    assert [task.name for task in retrieval.tasks(tmp_path)] == ["one", "two"]


def test_numbers_agree_with_those_of_trec_eval(folder, told):
    trec = pytest.importorskip("pytrec_eval")
    rng = np.random.default_rng(1)
    d, q = rng.standard_normal((300, 4)).round(3), rng.standard_normal((30, 4)).round(3)
    corpus = [{"_id": f"d{i}", "text": " ".join(map(str, row))} for i, row in enumerate(d.tolist())]
    queries = [{"_id": f"q{i}", "text": " ".join(map(str, row))} for i, row in enumerate(q.tolist())]
    gains = {f"q{i}": {f"d{j}": int(rng.integers(1, 4)) for j in rng.choice(300, 12)} for i in range(30)}
    [task] = retrieval.tasks(folder(corpus, queries, [(i, j, g) for i, x in gains.items() for j, g in x.items()]))
    cosine = (q @ d.T) / np.linalg.norm(q, axis=1)[:, None] / np.linalg.norm(d, axis=1)
    run = {f"q{i}": {f"d{j}": float(x) for j, x in enumerate(row)} for i, row in enumerate(cosine)}
    theirs = trec.RelevanceEvaluator(gains, {"ndcg_cut.10", "recall.10,100"}).evaluate(run)
    found = scores(task, told)
    for mine, name in {"ndcg@10": "ndcg_cut_10", "recall@10": "recall_10", "recall@100": "recall_100"}.items():
        assert found[mine].value == pytest.approx(100 * np.mean([x[name] for x in theirs.values()]))


def test_judgements_of_what_is_nowhere_are_left_out_and_counted(folder, told):
    [whole] = retrieval.tasks(folder())
    more = [("1", "z", 3), ("7", "a", 1), ("7", "y", 1), ("4", "x", 1)]
    [task] = retrieval.tasks(folder(qrels=[*QRELS, *more]))
    assert (task.queries, task.relevant) == (whole.queries, whole.relevant)
    assert task.score(told) == whole.score(told)
    assert task.notes[:2] == [
        "tiny/test.tsv: 2 of 9 judgements have a query-id that is not in queries.jsonl and are left out: '7'",
        "tiny/test.tsv: 3 of 9 judgements have a corpus-id that is not in corpus.jsonl and are left out: 'z', 'y', 'x'",
    ]
    many = [("1", f"x{i}", 1) for i in range(1200)]
    [task] = retrieval.tasks(folder(qrels=[*QRELS, *many]))
    assert task.notes[0].endswith("left out: 'x0', 'x1', 'x2', 'x3', 'x4' and 1,195 others")


BAD = {
    "an unknown document": ({"qrels": [("1", "z", 1)]}, r"names no relevant document: test\.tsv: 1 of 1 .* 'z'"),
    "an unknown query": ({"qrels": [("7", "a", 1)]}, r"query-id that is not in queries\.jsonl and are left out: '7'"),
    "no other than the irrelevant": ({"qrels": [("1", "z", 1), ("1", "a", 0)]}, r"no relevant .* 1 of 2 .* 'z'"),
    "nothing relevant": ({"qrels": [("1", "a", 0)]}, "names no relevant document"),
    "no score": ({"qrels": [("1", "a", "x")]}, "line 2: a score is a number; got 'x'"),
    "an id twice": ({"corpus": [*CORPUS, CORPUS[0]]}, r"corpus\.jsonl, row 5: the id 'a' is that of row 1 too"),
    "no id": ({"corpus": [*CORPUS, {"text": "x"}]}, "row 5 has no '_id'"),
    "no text": ({"queries": [{"_id": "1"}]}, r"queries\.jsonl has no column 'text'"),
    "empty": ({"corpus": []}, r"corpus\.jsonl has no rows"),
}


@pytest.mark.parametrize("bad", BAD)
def test_bad_files_are_told(folder, bad):
    given, said = BAD[bad]
    with pytest.raises(DataError, match=said):
        retrieval.tasks(folder(**given))


def test_missing_files_are_named(folder, tmp_path):
    place = folder()
    (place / "qrels" / "test.tsv").write_text("1\ta\t1\n")
    with pytest.raises(DataError, match="no column 'query-id', 'corpus-id', 'score'"):
        retrieval.tasks(place)
    (place / "qrels" / "test.tsv").unlink()
    with pytest.raises(DataError, match=r"has no qrels/test\.tsv"):
        retrieval.tasks(place)
    (tmp_path / "none").mkdir()
    with pytest.raises(DataError, match=r"no corpus\.jsonl in"):
        retrieval.tasks(tmp_path / "none")
    with pytest.raises(FileNotFoundError, match="no folder"):
        retrieval.tasks(tmp_path / "nowhere")
