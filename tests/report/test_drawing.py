import re

import numpy as np

from diptych.report.drawing import Drawn, places, svg


def test_a_graph_is_drawn_with_all_its_nodes_and_edges():
    told = svg(Drawn(3, [(0, 1), (1, 2), (2, 2)], [1, 2, 99]))
    assert len(re.findall("<circle", told)) == 3
    assert len(re.findall(r"M[\d.]+ [\d.]+L", told)) == 2
    assert [re.findall(r"--c(\d+)", told)] == [["1", "2", "0"]]


def test_what_is_too_large_or_not_there_is_not_drawn():
    assert svg(None) == ""
    assert svg(Drawn(151, [])) == ""
    assert svg(Drawn(1, [])).count("<circle") == 1


def test_the_same_graph_is_drawn_the_same_and_within_its_square():
    ring = [(i, (i + 1) % 9) for i in range(9)]
    x = places(9, ring)
    assert np.array_equal(x, places(9, ring))
    assert x.min() >= -1e-9
    assert x.max() <= 1 + 1e-9


def test_neighbours_are_nearer_than_others():
    path = [(i, i + 1) for i in range(9)]
    x = places(10, path)
    distance = np.linalg.norm(x[:, None] - x[None], axis=2)
    near = np.array([[abs(i - j) == 1 for j in range(10)] for i in range(10)])
    far = np.array([[abs(i - j) > 3 for j in range(10)] for i in range(10)])
    assert distance[near].max() < distance[far].mean()
    assert distance[~np.eye(10, dtype=bool)].min() > 0.03


def test_parts_of_a_graph_that_are_apart_are_drawn_apart():
    x = places(6, [(0, 1), (1, 2), (3, 4), (4, 5)])
    assert np.linalg.norm(x[:3].mean(0) - x[3:].mean(0)) > 0.2
