from collections import Counter

import numpy as np
import pytest

from diptych.core import Draw, Graph
from diptych.views.input.graph.change import AddEdges, DropEdges, DropNodes, MaskFeatures
from diptych.views.input.graph.choice import OneOf
from diptych.views.input.graph.subgraph import RandomWalk
from diptych.views.input.then import Then


def ring(n):
    edges = sorted({(i, (i + 1) % n) for i in range(n)} | {((i + 1) % n, i) for i in range(n)})
    return Graph(np.zeros(n, np.int32), np.array(edges, np.int32).T)


def draw(sample=0, view=0, step=0):
    return Draw(0, step, sample, view)


@pytest.mark.parametrize("transform", [DropNodes(), DropEdges(), AddEdges(), MaskFeatures(), RandomWalk()], ids=repr)
def test_a_view_follows_from_seed_step_sample_and_view(transform):
    def seen(**where):
        (change,) = transform(ring(40), draw(**where)).changes
        return change.kind, change.rate, change.key, change.nodes.tolist()

    assert seen(sample=3, view=1) == seen(sample=3, view=1)
    assert len({str(seen(**where)) for where in ({}, {"sample": 1}, {"view": 1}, {"step": 1})}) == 4


def test_the_stored_graph_stays_as_it_is():
    one = ring(5)
    assert DropNodes(0.5)(one, draw()) is not one
    assert one.changes == ()


def test_a_walk_sees_a_connected_part_of_the_size_that_is_asked():
    for sample in range(20):
        (change,) = RandomWalk(0.6)(ring(20), draw(sample)).changes
        kept = change.nodes
        assert len(kept) == 8
        gaps = np.diff(np.append(kept, kept[0] + 20))
        assert (gaps == 1).sum() == 7  # an arc of the ring


def test_a_walk_ends_where_it_can_go_nowhere():
    apart = Graph(np.zeros(6, np.int32), np.array([[0, 1], [1, 0]], np.int32))
    sizes = {len(RandomWalk(0.1)(apart, draw(i)).changes[0].nodes) for i in range(30)}
    assert sizes == {1, 2}
    assert RandomWalk(0.9)(Graph(np.zeros(1, np.int32), np.zeros((2, 0), np.int32)), draw()).changes[0].nodes == [0]


def test_a_walk_begins_anywhere():
    starts = Counter(int(RandomWalk(0.9)(ring(10), draw(i)).changes[0].nodes[0]) for i in range(1000))
    assert len(starts) == 10
    assert min(starts.values()) > 60


def test_a_walk_comes_first():
    assert len(Then(RandomWalk(0.5), MaskFeatures(0.5))(ring(8), draw()).changes) == 2
    with pytest.raises(ValueError, match=r"put RandomWalk.* before other changes"):
        Then(MaskFeatures(0.5), RandomWalk(0.5))(ring(8), draw())


def test_every_graph_gets_one_of_several_changes_as_likely_as_the_others():
    one_of = OneOf((DropNodes(0.1), DropEdges(0.2), MaskFeatures(0.3, "noise")))
    kinds = Counter(one_of(ring(8), draw(i)).changes[0].kind for i in range(3000))
    assert {*kinds} == {"drop nodes", "drop edges", "noise"}
    assert min(kinds.values()) > 900


def test_what_is_chosen_is_drawn_apart_from_the_choice():
    one_of = OneOf((DropNodes(),))
    keys = [[one_of(ring(8), draw(i, view)).changes[0].key for i in range(100)] for view in (0, 1)]
    assert len({*keys[0], *keys[1]}) == 200
    assert not {*keys[0]} & {DropNodes()(ring(8), draw(i)).changes[0].key for i in range(100)}


A, B, C = DropNodes(), DropEdges(), MaskFeatures()


@pytest.mark.parametrize(
    "nest",
    [Then(OneOf((A,)), B), Then(Then(A, B), C), Then(A, OneOf((Then(B, C),))), Then(OneOf((Then(A, B),)), OneOf((C,)))],
    ids=["choice first", "pair first", "choice last", "choices"],
)
def test_changes_in_a_nest_are_drawn_apart(nest):
    found = [[change.key for change in nest(ring(8), draw(i)).changes] for i in range(20)]
    assert len(found[0]) >= 2
    assert len({key for keys in found for key in keys}) == 20 * len(found[0])


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: DropNodes(1.0), "a part of a graph is changed, from 0 to below 1; got ratio=1.0"),
        (lambda: RandomWalk(-0.1), "got ratio=-0.1"),
        (lambda: MaskFeatures(0.1, "ones"), "masked features are one of zero, noise; got fill='ones'"),
        (lambda: OneOf(()), "one of several transforms is chosen; got none"),
    ],
)
def test_what_makes_no_sense_is_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()
