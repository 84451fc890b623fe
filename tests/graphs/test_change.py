import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from drawings import graph, pairs, random, ring, rows

from diptych.core import Change, Graph
from diptych.graphs.batch import tensors

KINDS = ["drop nodes", "drop edges", "add edges", "move edges", "mask", "noise"]


def changed(one, *changes):
    return replace(one, changes=tuple(changes))


def many(kind, rate=0.3, n=20, size=12):
    """Graphs that differ, each with a key of its own."""
    return [changed(random(i, size), Change(kind, rate, 1000 + i)) for i in range(n)]


def test_a_graph_without_changes_is_as_it_was():
    one = random(0)
    batch = tensors([one, one], 5)
    for i in (0, 1):
        assert pairs(batch, i) == {(a, b) for a, b in one.edges.T.tolist() if a <= b}
        assert np.array_equal(rows(batch, i).argmax(1), one.nodes)


@pytest.mark.parametrize(("n", "rate", "left"), [(10, 0.1, 9), (19, 0.1, 18), (9, 0.1, 9), (10, 0.3, 7), (1, 0.9, 1)])
def test_as_many_nodes_are_dropped_as_are_asked_rounded_down(n, rate, left):
    batch = tensors([changed(ring(n), Change("drop nodes", rate, 5))], 1)
    assert len(rows(batch, 0)) == left


def test_what_is_left_of_a_graph_is_what_lies_between_the_nodes_that_are_left():
    names = np.eye(12, dtype=np.float32)
    for seed in range(10):
        one = replace(random(seed), nodes=names)
        batch = tensors([changed(one, Change("drop nodes", 0.4, seed))], 12)
        kept = rows(batch, 0).argmax(1)
        assert len(kept) == 8
        there = {(a, b) for a, b in one.edges.T.tolist() if a <= b}
        assert {(kept[a], kept[b]) for a, b in pairs(batch, 0)} == {(a, b) for a, b in there if a in kept and b in kept}


def test_as_many_edges_are_dropped_as_are_asked_both_directions_of_each():
    for i, one in enumerate(many("drop edges")):
        before = {(a, b) for a, b in one.edges.T.tolist() if a <= b}
        after = pairs(tensors([one], 5), 0)
        assert after < before, i
        assert len(before) - len(after) == int(0.3 * len(before))


def test_a_loop_counts_as_one_edge():
    one = graph(3, [(0, 0), (1, 1), (2, 2), (0, 1)])
    assert len(pairs(tensors([changed(one, Change("drop edges", 0.5, 3))], 1), 0)) == 2


def test_edges_that_are_added_are_new_and_no_loops_and_as_many_as_are_asked():
    for one in many("add edges", size=20):
        before = {(a, b) for a, b in one.edges.T.tolist() if a <= b}
        after = pairs(tensors([one], 5), 0)
        assert after > before
        assert len(after) == len(before) + int(0.3 * len(before))
        assert all(a != b for a, b in after)


def test_as_many_edges_are_added_as_go_and_none_of_those_that_go():
    for one in many("move edges", size=20):
        before = {(a, b) for a, b in one.edges.T.tolist() if a <= b}
        after = pairs(tensors([one], 5), 0)
        assert len(before - after) == len(after - before) == int(0.3 * len(before))
        assert all(a != b for a, b in after - before)


def test_a_complete_graph_gets_no_edge_more():
    one = graph(5, [(i, j) for i in range(5) for j in range(i)])
    assert len(pairs(tensors([changed(one, Change("add edges", 0.9, 0))], 1), 0)) == 10


def test_as_many_nodes_lose_their_features_as_are_asked():
    for one in many("mask", 0.25):
        x = rows(tensors([one], 5), 0)
        assert (x.sum(1) == 0).sum() == 3
        told = x.sum(1) > 0
        assert np.array_equal(x[told].argmax(1), one.nodes[told])


def test_noise_in_the_place_of_features_has_a_mean_and_a_deviation_of_a_half():
    one = Graph(np.zeros(4000, np.int32), np.zeros((2, 0), np.int32), (Change("noise", 0.5, 7),))
    x = rows(tensors([one], 3), 0)
    touched = x[~(x == [1, 0, 0]).all(1)]
    assert len(touched) == 2000
    assert touched.mean() == pytest.approx(0.5, abs=0.02)
    assert touched.std() == pytest.approx(0.5, abs=0.02)
    assert np.abs(np.corrcoef(touched.T) - np.eye(3)).max() < 0.06


def test_noise_of_a_node_depends_on_no_other_node_nor_on_which_are_chosen():
    from diptych.graphs.features import dense

    one = Graph(np.zeros(4, np.int32), np.zeros((2, 0), np.int32))
    many = tensors([changed(one, Change("noise", 0.5, key)) for key in range(8000)], 2)["x"].numpy()
    x = many.reshape(8000, 4, 2)[..., 0] - dense(one.nodes, 2)[:, 0]
    touched = x != 0
    assert (touched.sum(1) == 2).all()
    for i in range(4):
        for j in set(range(4)) - {i}:
            both, alone = touched[:, i] & touched[:, j], touched[:, i] & ~touched[:, j]
            assert x[both, i].mean() == pytest.approx(x[alone, i].mean(), abs=0.07)
            assert x[both, i].std() == pytest.approx(x[alone, i].std(), abs=0.06)
            assert abs(np.corrcoef(x[both, i], x[both, j])[0, 1]) < 0.12


def test_a_mask_of_attributes_is_zero_and_of_those_alone():
    x = np.arange(1, 21, dtype=np.float32).reshape(10, 2)
    found = rows(tensors([changed(replace(ring(10), nodes=x), Change("mask", 0.3, 1))], 2), 0)
    assert ((found == 0).all(1)).sum() == 3
    assert (found == x).all(1).sum() == 7
    assert x.min() == 1


@pytest.mark.parametrize("kind", KINDS)
def test_what_happens_to_a_graph_does_not_depend_on_those_beside_it(kind):
    graphs = many(kind)
    together, back = tensors(graphs, 5), tensors(graphs[::-1], 5)
    for i, one in enumerate(graphs):
        alone = tensors([one], 5)
        for batch, place in ((together, i), (back, len(graphs) - 1 - i)):
            assert pairs(batch, place) == pairs(alone, 0)
            assert np.array_equal(rows(batch, place), rows(alone, 0))


@pytest.mark.parametrize("kind", KINDS)
def test_every_graph_of_a_batch_has_its_own_draw(kind):
    batch = tensors([changed(random(0, 20), Change(kind, 0.5, key)) for key in range(10)], 5)
    seen = {(frozenset(pairs(batch, i)), rows(batch, i).tobytes()) for i in range(10)}
    assert len(seen) == 10


def test_every_node_is_as_likely_to_go():
    names = np.eye(10, dtype=np.float32)
    batch = tensors(
        [changed(replace(ring(10), nodes=names), Change("drop nodes", 0.3, key)) for key in range(4000)], 10
    )
    kept = batch["x"].sum(0).numpy() / 4000
    assert np.abs(kept - 0.7).max() < 0.03


def test_changes_come_one_after_the_other_and_those_of_one_graph_are_no_other_s():
    first = changed(ring(20), Change("drop nodes", 0.5, 1), Change("mask", 0.5, 2))
    second, third = changed(ring(20), Change("mask", 0.1, 3)), ring(20)
    batch = tensors([first, second, third], 1)
    assert [len(rows(batch, i)) for i in range(3)] == [10, 20, 20]
    assert [int(rows(batch, i).sum()) for i in range(3)] == [5, 18, 20]


def test_nodes_that_are_named_are_kept_and_no_others():
    names = np.eye(6, dtype=np.float32)
    one = changed(replace(ring(6), nodes=names), Change("keep nodes", nodes=np.array([1, 2, 5])))
    batch = tensors([ring(6, names), one], 6)
    assert rows(batch, 1).argmax(1).tolist() == [1, 2, 5]
    assert pairs(batch, 1) == {(0, 1)}
    assert len(rows(batch, 0)) == 6


def test_numbers_and_features_of_the_same_width_go_together():
    batch = tensors([ring(3, np.array([0, 2, 1])), ring(3, np.eye(3, dtype=np.float32))], 3)
    assert np.array_equal(rows(batch, 0), np.eye(3)[[0, 2, 1]])


def test_features_of_another_width_are_refused():
    with pytest.raises(ValueError, match="the network is told 3 numbers of a node; got 2"):
        tensors([ring(3, np.ones((3, 2), np.float32))], 3)
    with pytest.raises(ValueError, match="a node is of column 3, and the network knows columns 0 to 2"):
        tensors([ring(3, np.array([0, 3, 1]))], 3)
