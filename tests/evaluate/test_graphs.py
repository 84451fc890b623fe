import numpy as np
import pytest
from scipy import sparse

from diptych.core import DataError, Graph
from diptych.data.graphs.corpus import graphs
from diptych.evaluate.graphs import svm, task
from diptych.evaluate.graphs.baselines import Degrees, WeisfeilerLehman


def graph(n, pairs, nodes=None):
    edges = sorted({(a, b) for a, b in pairs} | {(b, a) for a, b in pairs})
    nodes = np.zeros(n, np.int32) if nodes is None else np.array(nodes)
    return Graph(nodes, np.array(edges, np.int32).reshape(-1, 2).T)


def ring(n):
    return graph(n, [(i, (i + 1) % n) for i in range(n)])


def rings(n, each):
    return graph(n, [(i, i - i % each + (i + 1) % each) for i in range(n)])


def blobs(n=60, apart=4.0, seed=0):
    rng = np.random.default_rng(seed)
    classes = np.arange(n) % 2
    return rng.normal(size=(n, 3)) + apart * classes[:, None], classes


# ---------------------------------------------------------------- protocols


def test_graphcl_asks_every_graph_once_in_stratified_folds():
    rows, classes = blobs()
    found = svm.judge("graphcl", rows, classes)
    assert found.asked.tolist() == list(range(60))
    assert len(found.folds) == len(found.c) == 10
    assert found.accuracy == pytest.approx(found.right.mean())  # folds of six each
    assert found.accuracy > 0.95
    assert {*found.c} <= {*svm.GRID}


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("kind", [np.float32, sparse.csr_matrix])
def test_graphcl_is_the_search_of_scikit_learn(scaled, kind):
    from sklearn.model_selection import GridSearchCV, StratifiedKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    rows, classes = blobs(90, 0.9, seed=4)
    rows = np.column_stack([np.exp(rows), np.arange(90) % 7])
    right, chosen = np.empty(90, bool), []
    for train, test in StratifiedKFold(10, shuffle=True, random_state=3).split(rows, classes):
        machine = make_pipeline(StandardScaler(with_mean=False) if scaled else "passthrough", SVC())
        search = GridSearchCV(machine, {"svc__C": svm.GRID}, cv=5).fit(rows[train], classes[train])
        right[test] = search.predict(rows[test]) == classes[test]
        chosen.append(search.best_params_["svc__C"])
    given = sparse.csr_matrix(rows) if kind is sparse.csr_matrix else rows.astype(kind)
    found = svm.judge("graphcl", given, classes, 3, scaled)
    assert found.c == chosen
    assert np.array_equal(found.right, right)
    assert len({*chosen}) > 1
    assert 0.5 < right.mean() < 1


def test_pygcl_asks_a_random_tenth():
    rows, classes = blobs(200)
    one, same, other = (svm.judge("pygcl", rows, classes, seed) for seed in (0, 0, 1))
    assert len(one.asked) == len(one.right) == 20
    assert np.array_equal(one.asked, same.asked)
    assert not np.array_equal(one.asked, other.asked)
    assert one.accuracy > 0.9


def test_macro_f1_is_that_of_scikit_learn_and_accuracy_is_a_mean_of_folds():
    from sklearn.metrics import f1_score
    from sklearn.model_selection import StratifiedKFold

    rows, _ = blobs(63)
    classes = (np.arange(63) % 3 == 0).astype(int)
    rows = rows[:, :2] + 1.5 * classes[:, None]
    found = svm.judge("pygcl", np.tile(rows, (4, 1)), np.tile(classes, 4) ^ (np.arange(252) % 7 == 0))
    said = (np.tile(classes, 4) ^ (np.arange(252) % 7 == 0))[found.asked]
    guesses = np.where(found.right, said, 1 - said)
    assert found.macro_f1 == pytest.approx(f1_score(said, guesses, average="macro"))
    assert found.macro_f1 != pytest.approx(found.accuracy, abs=0.01)
    found = svm.judge("graphcl", rows, classes, 5)
    folds = [test for _, test in StratifiedKFold(10, shuffle=True, random_state=5).split(classes, classes)]
    assert found.accuracy == pytest.approx(np.mean([found.right[test].mean() for test in folds]))
    assert found.accuracy != pytest.approx(found.right.mean(), abs=1e-4)


def test_pygcl_takes_the_penalty_that_is_best_on_its_validation_tenth_and_learns_from_both():
    from sklearn.svm import LinearSVC

    rows, classes = blobs(100, 0.5, seed=3)
    chosen = set()
    for seed in range(5):
        order = np.random.default_rng(seed).permutation(100)
        train, validation, test = order[:80], order[80:90], order[90:]
        told = [LinearSVC(C=c, dual=False).fit(rows[train], classes[train]).predict(rows[validation]) for c in svm.GRID]
        best = svm.GRID[int(np.argmax([np.mean(guesses == classes[validation]) for guesses in told]))]
        both = LinearSVC(C=best, dual=False).fit(rows[order[:90]], classes[order[:90]])
        found = svm.judge("pygcl", rows, classes, seed)
        assert found.c == [best]
        assert found.asked.tolist() == test.tolist()
        assert found.right.tolist() == (both.predict(rows[test]) == classes[test]).tolist()
        chosen.add(best)
    assert len(chosen) > 1


@pytest.mark.parametrize("protocol", ["graphcl", "pygcl"])
def test_labels_that_mean_nothing_are_guessed_by_chance(protocol):
    rows, _ = blobs(120, 0)
    classes = np.random.default_rng(5).integers(0, 2, 120)
    assert 0.2 < svm.judge(protocol, rows, classes).accuracy < 0.75


def test_what_is_asked_decides_nothing_that_is_chosen():
    rows, classes = blobs(100, 1.0)
    found = svm.judge("pygcl", rows, classes)
    turned = classes.copy()
    turned[found.asked] = 1 - turned[found.asked]
    again = svm.judge("pygcl", rows, turned)
    assert again.c == found.c
    assert np.array_equal(again.right, ~found.right)


def test_an_rbf_kernel_tells_what_a_linear_one_cannot():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(200, 2))
    x[:100] *= 4 / np.linalg.norm(x[:100], axis=1, keepdims=True)
    x[100:] *= 1 / np.linalg.norm(x[100:], axis=1, keepdims=True)
    classes = np.arange(200) // 100
    assert svm.judge("graphcl", x, classes).accuracy > 0.98
    assert svm.judge("pygcl", x, classes).accuracy < 0.8


def test_columns_are_scaled_only_if_that_is_asked():
    rows, classes = blobs(80, 2.0)
    rows = np.column_stack([rows, 1e4 * np.random.default_rng(1).normal(size=80)])
    plain, scaled = (svm.judge("graphcl", rows, classes, scaled=x).accuracy for x in (False, True))
    assert plain < 0.7 < 0.9 < scaled


def test_sparse_rows_are_judged_as_dense_ones():
    rows, classes = blobs(60, 1.0)
    for protocol in ("graphcl", "pygcl"):
        dense, thin = (svm.judge(protocol, x, classes) for x in (rows, sparse.csr_matrix(rows)))
        assert np.array_equal(dense.right, thin.right)


def test_rare_classes_have_fewer_folds_and_single_ones_none():
    rows, _ = blobs(20)
    assert len(svm.judge("graphcl", rows, np.arange(20) // 16).folds) == 4
    assert len(svm.judge("graphcl", rows, np.arange(20) // 18).folds) == 2  # of a pair one at most is learned from
    with pytest.raises(DataError, match="a class has a single graph"):
        svm.judge("graphcl", rows, np.arange(20) // 19)
    with pytest.raises(DataError, match="all graphs are of one class"):
        svm.judge("pygcl", rows, np.zeros(20, int))
    with pytest.raises(DataError, match="of 8 graphs a tenth is none"):
        svm.judge("pygcl", rows[:8], np.arange(8) % 2)


# ---------------------------------------------------------------- baselines


def test_degrees_are_counted():
    found = Degrees()([graph(4, [(0, 1), (0, 2)]), ring(3)]).toarray()
    assert found.tolist() == [[1, 2, 1], [0, 0, 3]]


def test_refinement_tells_apart_what_degrees_do_not():
    one = graph(6, [(0, 1), (1, 2), (2, 3), (3, 4), (1, 5)])  # a path with a branch next to its end
    other = graph(6, [(0, 1), (1, 2), (2, 3), (3, 4), (2, 5)])  # one in the middle
    assert np.array_equal(*Degrees()([one, other]).toarray())
    rows = [WeisfeilerLehman(depth)([one, other]).toarray() for depth in (0, 1, 2)]
    assert [np.array_equal(*x) for x in rows] == [True, True, False]


def test_refinement_does_not_tell_apart_regular_graphs_nor_does_a_network():
    from diptych.encoders.graph.network import GraphNetwork
    from diptych.graphs.features import Features

    one, other = ring(6), rings(6, 3)
    assert np.array_equal(*WeisfeilerLehman(4)([one, other]).toarray())
    assert np.allclose(*GraphNetwork(Features("constant", 1)).eval().embed([one, other]))


def test_colours_begin_with_labels_and_do_not_depend_on_the_order_of_nodes():
    one = graph(3, [(0, 1), (1, 2)], [0, 1, 2])
    turned = graph(3, [(2, 0), (0, 1)], [1, 2, 0])
    other = graph(3, [(0, 1), (1, 2)], [1, 0, 2])
    rows = WeisfeilerLehman(2)([one, turned, other]).toarray()
    assert np.array_equal(rows[0], rows[1])
    assert not np.array_equal(rows[0], rows[2])
    assert rows.sum(1).tolist() == [9, 9, 9]


def test_subtrees_are_of_three_turns():
    assert WeisfeilerLehman().depth == 3


def test_attributes_are_first_colours_too():
    x = np.array([[0.5], [0.5], [1.5]], np.float32)
    assert WeisfeilerLehman(0)([graph(3, [(0, 1)], x)]).toarray().tolist() == [[2, 1]]


# ---------------------------------------------------------------- tasks


def test_a_corpus_is_asked_by_both_protocols_on_the_same_folds_for_every_row():
    corpus = graphs("families:n=60:nodes=12:degree=2:kind=random")
    asked, notes = task.tasks(corpus)
    assert [each.protocols for each in asked] == [["graphcl", "pygcl"]]
    assert "The protocol of PyGCL asks a tenth of 60 graphs once: its interval is wide." in notes
    look = lambda some: np.array([[len(x.nodes), x.edges.shape[1]] for x in some], float)  # noqa: E731
    rows = task.rows({"model": look})
    told = task.table(asked, rows)
    assert [*told["scores"]] == ["model", "degrees", "Weisfeiler-Lehman"]
    assert told["scores"]["model"].keys() == {
        "families_svm_graphcl",
        "families_svm_pygcl",
        "families_svm_pygcl_macro_f1",
    }
    gap = told["paired"]["families_svm_graphcl"]["degrees"]
    mine, theirs = (asked[0].judged(each)["graphcl"].right.mean() for each in (look, Degrees()))
    assert gap["difference"] == pytest.approx(100 * (mine - theirs))
    assert mine != theirs
    assert gap["low"] <= gap["difference"] <= gap["high"]
    line = told["results"]["model"][0]
    assert line["how"].startswith("Wilson over 60 graphs; RBF SVM, 10 stratified folds")
    assert line["low"] < line["value"] < line["high"]


def test_a_task_scales_columns_if_that_is_asked():
    corpus = graphs("families:n=60:nodes=12:degree=2:kind=blocks")
    look = lambda some: WeisfeilerLehman()(some).toarray()  # noqa: E731
    found = [task.tasks(corpus, ["graphcl"], scaled=scaled)[0][0] for scaled in (False, True)]
    plain, scaled = (each.judged(look)["graphcl"].right for each in found)
    due = svm.judge("graphcl", look(found[0].graphs), found[0].classes, scaled=True).right
    assert np.array_equal(scaled, due)
    assert not np.array_equal(plain, scaled)


def test_graphs_without_a_class_are_not_asked_and_that_is_said(tmp_path):
    lines = [f'{{"edges": [[0, 1]], "num_nodes": {2 + i % 3}, "label": {i % 2}}}' for i in range(30)]
    (tmp_path / "g.jsonl").write_text("\n".join([*lines, '{"edges": [[0, 1]]}', '{"edges": [[0, 1]], "label": 0}']))
    asked, notes = task.tasks(graphs(tmp_path / "g.jsonl"), ["graphcl"])
    assert len(asked[0].graphs) == 31
    assert "1 graph without a class is not asked." in notes


def test_a_protocol_that_cannot_ask_is_left_out_and_the_other_asks(tmp_path):
    order = np.random.default_rng(0).permutation(40)
    rare = [int(i in order[-2:]) for i in range(40)]
    lines = [f'{{"edges": [[0, 1]], "num_nodes": {2 + i % 3}, "label": {x}}}' for i, x in enumerate(rare)]
    (tmp_path / "g.jsonl").write_text("\n".join(lines))
    asked, notes = task.tasks(graphs(tmp_path / "g.jsonl"))
    assert asked[0].protocols == ["graphcl"]
    assert "are of one class, so the protocol of PyGCL is left out." in " ".join(notes)
    (tmp_path / "one.jsonl").write_text("\n".join([*lines[: order[-1]], *lines[order[-1] + 1 :]]))
    asked, notes = task.tasks(graphs(tmp_path / "one.jsonl"), ["graphcl"])
    assert (asked, notes[0]) == ([], "A class has a single graph: there are no stratified folds, and so no protocol of "
                                     "GraphCL.")  # fmt: skip


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ([None] * 30, "No classes of graphs"),
        ([1] * 30, "One class only"),
        ([0, 1] * 5, "10 graphs have a class, fewer than 20"),
        ([0, 1, 1], "3 graphs have a class, fewer than 20"),
        (
            [i / 7 for i in range(30)],
            "30 graphs have 30 different labels, as 0: that is a quantity or a name and no class",
        ),
    ],
)
def test_a_corpus_that_can_ask_nothing_says_why(labels, said, tmp_path):
    lines = ['{"edges": [[0, 1]]}' if x is None else f'{{"edges": [[0, 1]], "label": {x}}}' for x in labels]
    (tmp_path / "g.jsonl").write_text("\n".join(lines))
    asked, notes = task.tasks(graphs(tmp_path / "g.jsonl"))
    assert asked == []
    assert said in notes[0]


def test_the_slow_protocol_is_left_out_of_large_corpora_unless_it_is_asked_for(monkeypatch):
    monkeypatch.setattr(task, "FOLDED", 20)
    corpus = graphs("families:n=30:nodes=12:degree=2")
    asked, notes = task.tasks(corpus)
    assert asked[0].protocols == ["pygcl"]
    assert "ten folds are left to `diptych evaluate --protocol graphcl`" in " ".join(notes)
    assert task.tasks(corpus, ["graphcl"])[0][0].protocols == ["graphcl"]
