import json
from pathlib import Path

import numpy as np
import pytest

from diptych.core import DataError
from diptych.data.graphs.corpus import from_graphs, graphs
from diptych.data.graphs.families import Families
from diptych.data.tally import Tally
from diptych.graphs.geometric import library

MADE = ["random", "blocks", "motifs"]


def pairs(found, i):
    edges = found.graph(i).edges
    assert edges.dtype == np.int32
    assert np.array_equal(edges[:, np.lexsort(edges[::-1])], edges)
    assert {(b, a) for a, b in edges.T.tolist()} == {(a, b) for a, b in edges.T.tolist()}
    return {(a, b) for a, b in edges.T.tolist() if a <= b}


def lines(tmp_path, *told):
    (tmp_path / "g.jsonl").write_text("\n".join(json.dumps(x) if isinstance(x, dict) else x for x in told))
    return tmp_path / "g.jsonl"


def arrays(tmp_path, **changed):
    """A triangle with a tail of class a, and an edge of class b; nodes count over the file."""
    found = {
        "edge_index": np.array([[0, 1, 2, 2, 4], [1, 2, 0, 3, 5]]),
        "node_ptr": np.array([0, 4, 6]),
        "edge_ptr": np.array([0, 4, 5]),
        "y": np.array([-1, 3]),
        "node_tag": np.array([7, 7, 2, 11, 2, 7]),
    }
    np.savez(tmp_path / "g.npz", **{k: x for k, x in (found | changed).items() if x is not None})
    return tmp_path / "g.npz"


def tu(folder, **files):
    """The graphs of `arrays` in TU's format."""
    found = {
        "A": "1, 2\n2, 1\n2, 3\n3, 2\n3, 1\n1, 3\n3, 4\n4, 3\n5, 6\n6, 5\n",
        "graph_indicator": "1\n1\n1\n1\n2\n2\n",
        "graph_labels": "-1\n3\n",
        "node_labels": "7\n7\n2\n11\n2\n7\n",
    } | files
    folder.mkdir(exist_ok=True)
    for name, text in found.items():
        if text is not None:
            (folder / f"TOY_{name}.txt").write_text(text)
    return folder


# ---------------------------------------------------------------- the same graphs, whatever they come in


def edge_list(tmp_path):
    return lines(
        tmp_path,
        {"edges": [[0, 1], [1, 2], [2, 0], [2, 3]], "node_labels": [7, 7, 2, 11], "label": -1},
        {"edge_index": [[0], [1]], "num_nodes": 2, "node_labels": [2, 7], "y": [3]},
    )


def node_link(tmp_path):
    names = "abcd"
    one = {
        "nodes": [{"id": name, "label": label} for name, label in zip(names, (7, 7, 2, 11), strict=True)],
        "links": [{"source": names[a], "target": names[b]} for a, b in ((0, 1), (1, 2), (2, 0), (2, 3))],
        "graph": {"label": -1},
    }
    other = {"nodes": [{"id": 0, "label": 2}, {"id": 5, "label": 7}], "edges": [{"source": 5, "target": 0}], "y": 3}
    return lines(tmp_path, one, other)


@pytest.mark.parametrize(
    "write", [arrays, lambda path: tu(path / "toy"), edge_list, node_link], ids=["npz", "tu", "edges", "node-link"]
)
def test_every_format_holds_the_same_graphs(write, tmp_path):
    found = graphs(write(tmp_path))
    assert len(found) == 2
    assert [pairs(found, i) for i in (0, 1)] == [{(0, 1), (0, 2), (1, 2), (2, 3)}, {(0, 1)}]
    assert found.labels == ["-1", "3"]
    assert found.features.kind == "labels"
    assert found.features.labels == ("2", "7", "11")
    assert [found.graph(i).nodes.tolist() for i in (0, 1)] == [[1, 1, 0, 2], [0, 1]]
    assert found.size(0) == (4, 4)


def test_a_folder_of_pytorch_geometric_is_read_where_it_holds_raw_files(tmp_path):
    (tmp_path / "TOY").mkdir()
    tu(tmp_path / "TOY" / "raw")
    (tmp_path / "TOY" / "processed").mkdir()
    (tmp_path / "TOY" / "processed" / "data.pt").write_bytes(b"pickle")
    assert len(graphs(tmp_path / "TOY")) == 2


def saved(path, *data):
    library()
    from torch_geometric.data import InMemoryDataset

    path.parent.mkdir(parents=True, exist_ok=True)
    InMemoryDataset.save([*data], str(path))
    return path


def of_pyg(**told):
    import torch

    return library().data.Data(edge_index=torch.tensor([[0, 1], [1, 2]]), **told)


def test_what_pytorch_geometric_saves_is_read(tmp_path):
    import torch

    x = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    told = [of_pyg(x=x * k, y=torch.tensor([k]), edge_attr=torch.ones(2, 1)) for k in (1, 2)]
    saved(tmp_path / "Mine" / "processed" / "data.pt", *told)
    torch.save("T", tmp_path / "Mine" / "processed" / "pre_filter.pt")
    for place in (tmp_path / "Mine", tmp_path / "Mine" / "processed" / "data.pt"):
        found = graphs(place)
        assert found.labels == ["1", "2"]
        assert pairs(found, 1) == {(0, 1), (1, 2)}
        assert np.array_equal(found.graph(1).nodes, 2 * x)
        assert "1 part of graphs not used: edge_attr" in found.notes


def test_nodes_of_pytorch_geometric_without_features_are_counted(tmp_path):
    found = graphs(saved(tmp_path / "data.pt", of_pyg(num_nodes=5), of_pyg(num_nodes=3)))
    assert [len(graph.nodes) for graph in found.items] == [5, 3]
    assert found.kinds == ["degree", "constant"]
    assert not found.names
    with pytest.raises(DataError, match="graph 1: an edge goes to node 2, and its nodes are 0 to 1"):
        graphs(saved(tmp_path / "other.pt", of_pyg(num_nodes=5), of_pyg(num_nodes=2)))


def test_a_file_of_pytorch_geometric_that_names_other_code_is_refused_and_runs_none(tmp_path):
    import torch

    class Evil:
        def __reduce__(self):
            return (Path.touch, (tmp_path / "was-run",))

    torch.save([of_pyg(), Evil()], tmp_path / "evil.pt")
    with pytest.raises(DataError, match=r"evil\.pt is no data set of PyTorch Geometric that can be read without"):
        graphs(tmp_path / "evil.pt")
    assert not (tmp_path / "was-run").exists()


def test_graphs_that_were_saved_as_an_object_of_pytorch_geometric_are_read(tmp_path):
    import torch

    some = [of_pyg(x=torch.ones(3, 1)), of_pyg(x=torch.ones(4, 1))]
    torch.save(library().data.InMemoryDataset.collate(some), tmp_path / "data.pt")
    found = graphs(tmp_path / "data.pt")
    assert len(found) == 2
    assert len(found.graph(1).nodes) == some[1].num_nodes


def test_a_list_of_graphs_of_pytorch_geometric_is_read(tmp_path):
    import torch

    one = of_pyg(x=torch.ones(3, 2), y=torch.tensor([1]), edge_attr=torch.ones(2, 1))
    bare = library().data.Data(num_nodes=2)
    torch.save(
        [one, of_pyg(num_nodes=5, y=torch.tensor(2)), of_pyg(num_nodes=3, y=torch.ones(3)), bare], tmp_path / "a.pt"
    )
    found = graphs(tmp_path / "a.pt")
    assert [found.size(i) for i in range(4)] == [(3, 2), (5, 2), (3, 2), (2, 0)]
    assert found.labels == ["1", "2", None, None]
    assert "1 part of graphs not used: edge_attr" in found.notes
    assert "1 graph without a class: its y is no single number" in found.notes
    torch.save([one, one], tmp_path / "full.pt")
    assert np.array_equal(graphs(tmp_path / "full.pt").graph(1).nodes, one.x)


def test_numbers_of_sixteen_bits_and_parts_that_are_not_used_are_no_reason_to_refuse(tmp_path):
    import torch

    some = [of_pyg(x=torch.ones(3, 2, dtype=torch.bfloat16), meta={"a": 1, "b": 2}) for _ in range(3)]
    found = graphs(saved(tmp_path / "data.pt", *some))
    assert "1 part of graphs not used: meta" in found.notes
    torch.save(some, tmp_path / "list.pt")
    for each in (found, graphs(tmp_path / "list.pt")):
        assert np.array_equal(each.graph(2).nodes, np.ones((3, 2)))


def test_what_is_no_list_of_graphs_is_refused(tmp_path):
    import torch

    for made, said in (
        ({"w": torch.ones(2)}, "nor a list of Data: it is a dict"),
        (
            [of_pyg(num_nodes=3), {"x": 1}],
            r"data\.pt, graph 1: a graph has nodes and edges, or num_nodes and edge_index",
        ),
        ([of_pyg(x=torch.ones(3, 1, dtype=torch.complex64))], "graph 0: an attribute of a node is no number"),
        ([of_pyg(num_nodes=2)], "graph 0: an edge goes to node 2, and its nodes are 0 to 1"),
    ):
        torch.save(made, tmp_path / "data.pt")
        with pytest.raises(DataError, match=said):
            graphs(tmp_path / "data.pt")


def test_one_label_for_all_nodes_is_told_where_a_network_knows_several(tmp_path):
    known = graphs(arrays(tmp_path, node_tag=np.array([7, 7, 11, 7, 11, 7]))).features
    found = graphs(lines(tmp_path, {"edges": [[0, 1]], "node_labels": [7, 7]})).told_by(known)
    assert "all nodes have the label '7', of 2 that the network knows" in found.notes
    assert found.graph(0).nodes.tolist() == [0, 0]


def test_labels_of_nodes_are_words_as_classes_are(tmp_path):
    one = {"edges": [[0, 1]], "node_labels": [1, 1.0]}
    assert graphs(lines(tmp_path, one, {"edges": [[0, 1]], "node_labels": ["1", 2]})).node_names == ["1", "2"]
    for lacking in (float("nan"), " "):
        found = graphs(lines(tmp_path, one, {"edges": [[0, 1]], "node_labels": [1, lacking]}))
        assert found.kinds == ["degree", "constant"]
        assert any("not all nodes have labels; some of" in note for note in found.notes)
    with pytest.raises(DataError, match=r"a label of a node is a word or a number; got \['C'\]"):
        graphs(lines(tmp_path, {"edges": [[0, 1]], "node_labels": [["C"], ["O"]]}))
    tags = graphs(arrays(tmp_path, node_tag=np.array([0.0, 1, 0, 1, 2, 2])))
    assert tags.node_names == ["0", "1", "2"]


# ---------------------------------------------------------------- graphs that Python has


def test_graphs_that_python_has_are_a_corpus():
    import networkx
    import torch

    path = networkx.path_graph(4)
    path.graph["label"] = "path"
    ring = networkx.cycle_graph(5)
    networkx.set_node_attributes(path, "C", "label")
    networkx.set_node_attributes(ring, {i: "CO"[i % 2] for i in range(5)}, "label")
    data = library().data.Data(edge_index=torch.tensor([[0], [1]]), label=["O", "O"], y=torch.tensor([3.0]))
    found = from_graphs([path, ring, data, networkx.Graph()])
    assert [found.size(i) for i in range(3)] == [(4, 3), (5, 5), (2, 1)]
    assert found.labels == ["path", None, "3"]
    assert found.node_names == ["C", "O"]
    assert found.graph(1).nodes.tolist() == [0, 1, 0, 1, 0]
    assert "1 graph skipped: it has no node" in found.notes
    classed = library().data.Data(edge_index=torch.tensor([[0], [1]]), label=1.0, num_nodes=2)
    assert from_graphs([classed, classed]).labels == ["1", "1"]
    named = from_graphs([path, ring], labels=[True, 2.0], features="degree")
    assert named.labels == ["True", "2"]
    assert named.features.kind == "degree"
    assert from_graphs([path, ring]).fingerprint == from_graphs([path, ring]).fingerprint
    assert from_graphs([path, ring]).fingerprint != from_graphs([ring, path]).fingerprint


def of_nodes(labels, name="label"):
    import networkx

    made = networkx.path_graph(len(labels))
    networkx.set_node_attributes(made, dict(enumerate(labels)), name)
    return made


def test_labels_are_one_to_the_corpus_and_to_the_network(tmp_path):
    import torch

    from diptych.encoders.graph.network import GraphNetwork

    for labels in ([1.0, "C"], [np.float32(1), np.float32(2)], [torch.tensor(1), 2], [True, 0.5]):
        found = from_graphs([of_nodes(labels)])
        (again,) = GraphNetwork(found.features, width=4, depth=1).prepare([of_nodes(labels)])
        assert np.array_equal(again.nodes, found.graph(0).nodes)
    found = from_graphs([of_nodes(["C", float("nan"), "O"]), of_nodes(["C", "O"])])
    assert found.kinds == ["degree", "constant"]
    assert any("some of graph 0 have none" in note for note in found.notes)
    for several in ([(0, 1), (1, 1)], [[1], [2]], list(torch.eye(2)), [{"a": 1}, 2]):
        with pytest.raises(DataError, match="graph 0: a label of a node is a word or a number"):
            from_graphs([of_nodes(several)])


def test_classes_may_be_tensors_and_a_label_that_is_none_of_nodes_is_one():
    import torch

    two = [of_pyg(num_nodes=3), of_pyg(num_nodes=3)]
    for labels in (torch.tensor([0, 1]), np.array([0, 1], np.float32), [np.array([0]), "1"], iter("01")):
        assert from_graphs(two, labels=labels).labels == ["0", "1"]
    told = [of_pyg(num_nodes=4, label=torch.tensor([1])), of_pyg(num_nodes=4, y=torch.tensor([[2.0]]))]
    assert from_graphs(told).labels == ["1", "2"]
    named = of_pyg(num_nodes=3, label=torch.tensor([1, 0, 1]), y=torch.tensor([1, 2]))
    assert from_graphs([named]).graph(0).nodes.tolist() == [1, 0, 1]
    assert any("its y is no single number" in note for note in from_graphs([named]).notes)
    assert not any("its y" in note for note in from_graphs([of_pyg(num_nodes=3, label=torch.tensor([1, 0, 1]))]).notes)


def test_data_sets_are_lists_and_batches_are_not():
    import torch

    library()
    from torch_geometric.data import Batch, InMemoryDataset

    class Some(InMemoryDataset):
        def __init__(self):
            super().__init__()
            self.data, self.slices = self.collate([of_pyg(num_nodes=3), of_pyg(num_nodes=4), of_pyg(num_nodes=5)])

    assert [from_graphs(Some()).size(i)[0] for i in range(3)] == [3, 4, 5]
    assert len(from_graphs(Some()[:2])) == 2
    batch = Batch.from_data_list(list(Some()))
    for given in (batch, [batch]):
        with pytest.raises(ValueError, match=r"to_data_list\(\)"):
            from_graphs(given)
    bare = library().data.Data(adj_t=torch.eye(3).to_sparse(), num_nodes=3)
    with pytest.raises(DataError, match="graph 0: it has adj_t in the place of edge_index"):
        from_graphs([bare])


def test_attributes_may_be_sparse_and_want_gradients_and_are_of_32_bits():
    import torch

    x = torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]])
    for given in (x, x.clone().requires_grad_(), x.to_sparse(), x.bfloat16(), x.double()):
        assert np.array_equal(from_graphs([of_pyg(x=given)]).graph(0).nodes, x)
    with pytest.raises(DataError, match="graph 0: an attribute of a node is no number"):
        from_graphs([of_pyg(x=torch.full((3, 1), 1e300, dtype=torch.float64))])
    ends = library().data.Data(edge_index=np.array([[0], [4]]))
    assert from_graphs([ends]).size(0) == (5, 1)


def test_what_is_no_list_of_graphs_of_python_is_refused():
    import networkx

    path = networkx.path_graph(4)
    with pytest.raises(ValueError, match=r"graphs come in a list, and this is one \(Graph\): give \[graph\]"):
        from_graphs(path)
    with pytest.raises(ValueError, match="each graph has a label; got 2 graphs and 1 label"):
        from_graphs([path, path], labels=["a"])
    with pytest.raises(DataError, match="graph 1: a graph has nodes and edges, or num_nodes and edge_index; got str"):
        from_graphs([path, "C1CC1"])


E = np.array([[0, 1], [1, 2]])


@pytest.mark.parametrize(
    ("data", "slices", "said"),
    [
        ({"x": 1}, {}, r"it has no edge_index"),
        ({"edge_index": E[0]}, {"edge_index": [0, 2]}, r"it has no edge_index \[2, edges\]"),
        ({"edge_index": E}, None, "it is one graph"),
        ({"edge_index": E, "x": np.ones((3, 1))}, {"edge_index": [0, 1, 2], "x": [0, 3]}, "slices of x do not go"),
        ({"edge_index": E}, {"edge_index": [0, 1]}, "slices of edge_index do not go from 0 to 2 in 1 graph"),
        ({"edge_index": E, "_num_nodes": [3, 3]}, {"edge_index": [0, 2]}, "1 graph and 2 numbers of nodes"),
        ({"edge_index": E, "x": np.ones((3, 1), complex)}, {"edge_index": [0, 2], "x": [0, 3]}, "x is of complex"),
        ({"edge_index": E.astype(float) / 2}, {"edge_index": [0, 2]}, "whole numbers are due"),
    ],
)
def test_parts_of_a_saved_data_set_that_do_not_go_together_are_refused(data, slices, said, tmp_path):
    import torch

    told = {k: torch.tensor(x) if isinstance(x, np.ndarray) else x for k, x in data.items()}
    torch.save((told, slices and {k: torch.tensor(x) for k, x in slices.items()}, dict), tmp_path / "data.pt")
    with pytest.raises(DataError, match=said):
        graphs(tmp_path / "data.pt")


def test_networkx_writes_what_is_read(tmp_path):
    import networkx

    made = networkx.path_graph(5)
    made.graph["label"] = "path"
    told = networkx.node_link_data(made, edges="links")
    found = graphs(lines(tmp_path, told, told))
    assert pairs(found, 1) == {(0, 1), (1, 2), (2, 3), (3, 4)}
    assert found.labels == ["path", "path"]


def test_a_corpus_is_read_once_and_kept(tmp_path):
    one, again = (graphs(arrays(tmp_path)) for _ in range(2))
    assert one.fingerprint == again.fingerprint
    assert np.array_equal(one.graph(0).edges, again.graph(0).edges)
    other = graphs(arrays(tmp_path, y=np.array([1, 1])))
    assert other.fingerprint != one.fingerprint


def test_some_graphs_of_a_corpus_are_chosen_in_the_order_that_is_given(tmp_path):
    found = graphs(arrays(tmp_path)).select([1, 0, 1])
    assert [len(graph.nodes) for graph in found.items] == [2, 4, 2]
    assert found.labels == ["3", "-1", "3"]
    assert [len(graph.nodes) for graph in found.items[1:]] == [4, 2]
    with pytest.raises(IndexError, match="there are 2 graphs"):
        graphs(arrays(tmp_path)).select([2])


# ---------------------------------------------------------------- features


def test_nodes_are_described_as_is_asked(tmp_path):
    x = np.arange(12, dtype=np.float32).reshape(6, 2)
    path = arrays(tmp_path, node_attr=x)
    assert graphs(path).kinds == ["labels", "attributes", "both", "degree", "constant"]
    assert np.array_equal(graphs(path, "attributes").graph(1).nodes, x[4:])
    both = graphs(path, "both").graph(1).nodes
    assert np.array_equal(both, [[1, 0, 0, 8, 9], [0, 1, 0, 10, 11]])
    degree = graphs(path, "degree")
    assert degree.graph(0).nodes.tolist() == [2, 2, 3, 1]
    assert degree.features.width == 4
    assert graphs(path, "constant").graph(0).nodes.tolist() == [0] * 4
    assert len({graphs(path, kind).fingerprint for kind in graphs(path).kinds}) == 5


def test_one_label_for_all_nodes_is_none(tmp_path):
    found = graphs(arrays(tmp_path, node_tag=np.zeros(6, int)))
    assert found.features.kind == "constant"
    assert graphs(arrays(tmp_path, node_tag=None)).kinds == ["degree", "constant"]
    with pytest.raises(ValueError, match=r"nodes of g.npz can be described by degree, constant; got 'labels'"):
        graphs(arrays(tmp_path, node_tag=None), "labels")


def test_a_network_is_told_what_it_knows_or_the_corpus_is_refused(tmp_path):
    found = graphs(arrays(tmp_path))
    other = graphs(arrays(tmp_path, node_tag=np.array([7, 7, 2, 12, 2, 7])))
    assert found.told_by(graphs(arrays(tmp_path), "degree").features).features.kind == "degree"
    with pytest.raises(ValueError, match=r"knows the node labels 2, 7, 11, and g.npz has also 12: there is no"):
        other.told_by(found.features)
    fewer = graphs(arrays(tmp_path, node_tag=np.array([7, 7, 11, 7, 11, 7]))).told_by(found.features)
    assert fewer.graph(0).nodes.tolist() == [1, 1, 2, 1]
    assert fewer.node_names == ("2", "7", "11")
    plain = graphs(arrays(tmp_path, node_tag=None))
    with pytest.raises(ValueError, match=r"the network is told labels of nodes, and g.npz has only degree, constant"):
        plain.told_by(found.features)


@pytest.mark.parametrize("kind", ["attributes", "both"])
def test_a_network_of_attributes_is_told_as_many(kind, tmp_path):
    wide = graphs(arrays(tmp_path, node_attr=np.ones((6, 4), np.float32)), kind)
    narrow = graphs(arrays(tmp_path, node_attr=np.ones((6, 2), np.float32)), kind)
    with pytest.raises(ValueError, match=r"told 4 attributes of a node; g.npz has 2"):
        narrow.told_by(wide.features)


# ---------------------------------------------------------------- families


@pytest.mark.parametrize("kind", MADE)
def test_graphs_of_families_are_decided_by_the_seed_and_their_number(kind):
    few, more, other = (graphs(f"families:n={n}:kind={kind}:seed={seed}") for n, seed in ((6, 0), (9, 0), (9, 1)))
    assert all(pairs(few, i) == pairs(more, i) for i in range(6))
    assert few.labels == more.labels[:6]
    assert any(pairs(more, i) != pairs(other, i) for i in range(6))


@pytest.mark.parametrize(("kind", "degree"), [("random", 4), ("random", 6), ("blocks", 3)])
def test_size_and_degree_do_not_tell_families_apart(kind, degree):
    found = graphs(f"families:n=400:nodes=40:kind={kind}:degree={degree}")
    sizes = np.array([found.size(i) for i in range(400)])
    assert np.array_equal(sizes[:, 1], sizes[:, 0] * degree // 2)
    for label in found.names:
        mine = np.array([x == label for x in found.labels])
        assert 60 < mine.sum() < 140
        assert sizes[mine, 0].mean() == pytest.approx(40, abs=2)


@pytest.mark.parametrize("nodes", [10, 30, 60])
def test_nothing_but_its_shape_tells_a_motif(nodes):
    found = graphs(f"families:n=200:nodes={nodes}:degree=2:kind=motifs")
    edges, classes = {}, {}
    for i, label in enumerate(found.labels):
        n, e = found.size(i)
        edges.setdefault(n, set()).add(e)
        classes.setdefault(label, []).append(n)
    assert all(len(there) == 1 for there in edges.values())
    assert np.ptp([np.mean(n) for n in classes.values()]) < nodes / 8


def test_families_are_what_they_are_called():
    made = Families(n=300, nodes=60, degree=4)
    _, items = made.items(Tally())
    highest = {}
    for item in items:
        degree = np.bincount(item.edges.ravel(), minlength=item.n)
        highest.setdefault(item.label, []).append(degree.max())
    means = {label: np.mean(x) for label, x in highest.items()}
    assert means["barabasi-albert"] > means["erdos-renyi"] > means["watts-strogatz"]


def test_a_motif_is_in_its_graph_once_for_every_twelve_nodes():
    import networkx

    motifs = {"ring": networkx.cycle_graph(6), "star": networkx.star_graph(5), "clique": networkx.complete_graph(4)}
    motifs["house"] = networkx.house_graph()
    for item in Families(n=40, nodes=40, kind="motifs").items(Tally())[1]:
        made = networkx.Graph(item.edges.T.tolist())
        assert networkx.is_connected(made)
        assert made.number_of_nodes() == item.n
        bridges = [edge for edge in networkx.bridges(made) if item.label != "star"]
        made.remove_edges_from(bridges)
        parts = [made.subgraph(part) for part in networkx.connected_components(made)]
        alike = sum(networkx.is_isomorphic(part, motifs[item.label]) for part in parts)
        assert item.label == "star" or alike >= item.n // 12


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("families:n=1", "n of families is from 2"),
        ("families:kind=trees", "families are of kind random, blocks, motifs; got 'trees'"),
        ("families:size=9", "'size=9' is none of n=NUMBER"),
        ("families:degree=3", "has degree / 2 edges; got degree=3, choose an even one"),
        ("families:nodes=12:degree=8", "graphs of 12 nodes have up to 4 neighbours"),
    ],
)
def test_families_that_cannot_be_are_refused(name, said):
    with pytest.raises(ValueError, match=said):
        graphs(name)


# ---------------------------------------------------------------- bad input


def test_what_is_odd_is_kept_and_counted(tmp_path):
    odd = {"edges": [[0, 1], [0, 1], [1, 0], [2, 2], [3, 1]], "num_nodes": 6}
    found = graphs(lines(tmp_path, odd, {"edges": [], "num_nodes": 1}, {"edges": []}, {"edges": [], "num_nodes": 0}))
    assert len(found) == 2
    assert pairs(found, 0) == {(0, 1), (2, 2), (1, 3)}
    assert found.notes[1:] == [
        "1 edge given more than once in one direction, taken once",
        "1 edge given in one direction, taken in both",
        "1 loop of a node with itself, kept",
        "3 nodes without an edge, kept",
        "2 graphs skipped: it has no node",
    ]
    assert found.graph(1).edges.shape == (2, 0)


def test_a_graph_of_tu_without_a_node_is_skipped_and_its_class_with_it(tmp_path):
    found = graphs(tu(tmp_path / "toy", graph_indicator="1\n1\n1\n1\n3\n3\n", graph_labels="-1\n9\n3\n"))
    assert found.labels == ["-1", "3"]
    assert "1 graph skipped: it has no node" in found.notes


def test_what_is_not_used_is_told(tmp_path):
    found = graphs(tu(tmp_path / "toy", edge_labels="1\n" * 10))
    assert "1 file not used: edge labels" in found.notes


def test_nodes_with_labels_in_some_graphs_only_are_described_by_nothing(tmp_path):
    path = lines(tmp_path, {"edges": [[0, 1]], "node_labels": ["C", "O"], "x": [[1], [2]]}, {"edges": [[0, 1]]})
    found = graphs(path)
    assert found.kinds == ["degree", "constant"]
    assert "1 node description left out: not all nodes have labels; g.jsonl, line 2 has none" in found.notes


def test_what_the_first_graph_alone_lacks_is_told_too(tmp_path):
    whole = {"edges": [[0, 1]], "node_labels": ["C", "O"], "x": [[1], [2]]}
    found = graphs(
        lines(tmp_path, whole | {"node_labels": ["C", None], "x": None}, whole, whole | {"x": [[1, 2], [3, 4]]})
    )
    assert found.kinds == ["degree", "constant"]
    assert found.notes[-2:] == [
        "1 node description left out: not all nodes have labels; some of g.jsonl, line 1 have none",
        "1 node description left out: not all nodes have attributes; g.jsonl, line 1 has none",
    ]


def test_what_only_some_nodes_have_in_every_graph_is_told(tmp_path):
    nodes = [{"id": 0, "label": "C", "x": [1.0]}, {"id": 1}]
    linked = {"nodes": nodes, "links": [{"source": 0, "target": 1, "weight": 2}], "graph": {"label": 1, "name": "a"}}
    found = graphs(lines(tmp_path, linked, linked))
    assert found.kinds == ["degree", "constant"]
    assert found.labels == ["1", "1"]
    told = " ".join(found.notes)
    assert "left out: not all nodes have labels; some of g.jsonl, line 1 have none" in told
    assert "left out: not all nodes have attributes; some of g.jsonl, line 1 have none" in told
    assert "1 part of graphs not used: name of the graph" in told
    assert "1 part of graphs not used: weight of edges" in told


def test_what_a_line_has_twice_or_is_not_used_is_told(tmp_path):
    line = {"edges": [[0, 1]], "edge_index": [[0], [1]], "x": [[1], [2]], "features": [[3], [4]], "y": [0, 1]}
    found = graphs(lines(tmp_path, line, line))
    assert found.labels in (None, [None, None])
    for name in ("edge_index", "features", "y"):
        assert f"1 part of graphs not used: {name}" in found.notes


def test_a_class_is_the_first_that_is_one_and_names_that_are_not_used_are_few_and_plain(tmp_path):
    line = {"edges": [[0, 1]], "labels": ["C", "N"], "y": 1, "\x1b[31m": 2} | {f"id{i:02}": i for i in range(40)}
    linked = {"nodes": [{"id": 0}, {"id": 1}], "links": [], "graph": {"label": 7}, "label": None}
    found = graphs(lines(tmp_path, line, line, linked))
    assert found.labels == ["1", "1", "7"]
    told = [note for note in found.notes if "not used" in note]
    assert "1 part of graphs not used: ?[31m" in told
    assert len(told) == 21
    assert told[-1] == "22 parts of graphs not used: and others"
    with pytest.raises(DataError, match=r"line 1 is no graph: x is a list with an entry for each node; got 0"):
        graphs(lines(tmp_path, {"edges": [[0, 1]], "x": 0}))


def test_graphs_without_a_class_among_others_are_counted(tmp_path):
    edge = {"edges": [[0, 1]]}
    found = graphs(lines(tmp_path, edge | {"label": 0}, edge, edge | {"label": None}, edge | {"label": 1}))
    assert found.labels == ["0", None, None, "1"]
    assert found.notes[0].endswith("lines of JSON (2 classes; 2 graphs without one)")
    assert "class" not in graphs(lines(tmp_path, edge, edge)).notes[0]


def test_an_edge_beyond_the_rows_of_a_graph_is_named(tmp_path):
    import torch

    beyond = library().data.Data(edge_index=torch.tensor([[0], [5]]), x=torch.ones(2, 3))
    with pytest.raises(DataError, match=r"6 nodes \(an edge names node 5\) and attributes \[2, 3\]; each"):
        graphs(saved(tmp_path / "data.pt", beyond, beyond))


def test_an_edge_of_a_graph_without_a_node_is_refused(tmp_path):
    with pytest.raises(DataError, match="line 1: an edge goes to node 5, and it has no node"):
        graphs(lines(tmp_path, {"edges": [[0, 1], [4, 5]], "num_nodes": 0}, {"edges": [[0, 1]]}))


def test_attributes_of_two_widths_are_left_out_and_where_is_told(tmp_path):
    found = graphs(lines(tmp_path, *({"edges": [[0, 1]], "x": x} for x in ([[1], [2]], [[1], [2]], [[1, 2], [3, 4]]))))
    assert found.kinds == ["degree", "constant"]
    assert "as many attributes; g.jsonl, line 3 has 2, those before 1" in found.notes[-1]


def test_arrays_that_are_not_used_are_told(tmp_path):
    assert "1 array not used: x" in graphs(arrays(tmp_path, x=np.zeros(3))).notes


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (
            {"edge_index": np.array([[0, 1, 2, 2, 4], [1, 2, 0, 4, 5]])},
            "g.npz, graph 0: an edge goes to node 4, and its",
        ),
        ({"edge_index": np.array([[0, 1, 2, 2, 3], [1, 2, 0, 3, 5]])}, "g.npz, graph 1: an edge goes to node -1"),
        ({"edge_ptr": None}, r"it lacks 'edge_ptr'; there are 'edge_index', 'node_ptr', 'y', 'node_tag'"),
        ({"edge_ptr": np.array([0, 4, 9])}, "'edge_ptr' rises to 9, and there are 5 edges"),
        ({"edge_ptr": np.array([0, 5])}, r"have 'edge_ptr' of \[3\]; got \[2\]"),
        ({"node_ptr": np.array([0, 4.5, 6])}, "'node_ptr': whole numbers are due, got 4.5"),
        ({"node_ptr": np.array([[0, 4, 6]])}, "'node_ptr' is a row of numbers that rises from 0"),
        ({"node_ptr": np.array(6)}, "'node_ptr' is a row of numbers that rises from 0"),
        ({"edge_index": np.array(3)}, r"a row of sources and a row of targets, \[2, edges\]; got \[\]"),
        ({"edge_index": np.array([["a", "b"], ["b", "a"]])}, "edge_index: whole numbers are due, got 'a'"),
        ({"edge_index": np.zeros((5, 2), int)}, r"\[2, edges\]; got \[5, 2\]"),
        ({"edge_index": np.array([[0, 1, 2, 2, 4], [1, 2, 0, np.nan, 5]])}, "whole numbers are due, got nan"),
        ({"y": np.array([1, 2, 3])}, r"2 graphs of 6 nodes have 'y' of \[2\]; got \[3\]"),
        ({"node_tag": np.array([1, 2])}, r"'node_tag' of \[6\]; got \[2\]"),
        ({"node_tag": np.array([1, 2, np.nan, 1, 1, 1])}, "'node_tag' holds something that is no number"),
        ({"node_attr": np.array([[np.nan]] * 6)}, "'node_attr' holds something that is no number"),
        ({"node_attr": np.array([["a"]] * 6)}, "'node_attr' holds something that is no number"),
        ({"node_attr": np.ones((8, 1))}, r"have 'node_attr' of \[6, attributes\]; got \[8, 1\]"),
        ({"node_attr": np.full((6, 1), 1e300)}, "an attribute of a node is no number of 32 bits"),
        ({"y": np.array([{}, {}], object)}, "is not a file of arrays that can be read"),
    ],
)
def test_damaged_arrays_are_refused(changed, said, tmp_path):
    with pytest.raises(DataError, match=said):
        graphs(arrays(tmp_path, **changed))


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"A": None}, "lacks TOY_A.txt, without which there are no graphs"),
        ({"graph_indicator": None}, "lacks TOY_graph_indicator.txt"),
        ({"A": "1, 2\n2, 9\n"}, "an edge goes to node 9, and nodes are 1 to 6"),
        ({"A": "0, 1\n"}, "an edge goes to node 0"),
        ({"A": "1, 2\n4, 5\n"}, "line 2: nodes 4 and 5 are of two graphs"),
        ({"A": "1, two\n"}, "TOY_A.txt: numbers are due; could not convert string 'two'"),
        ({"A": "1\n2\n"}, "TOY_A.txt: a line has 2 numbers; got 1"),
        ({"A": "1, 2, 5\n"}, "TOY_A.txt: a line has 2 numbers; got 3"),
        ({"graph_indicator": "1 1\n1 1\n1 1\n"}, "TOY_graph_indicator.txt: a line has 1 number; got 2"),
        ({"graph_indicator": "1\n1\n1\n1\n2\n5000000000\n"}, "6 nodes are of graphs up to 5,000,000,000"),
        ({"node_labels": "1\n2\nnan\n1\n1\n1\n"}, "TOY_node_labels.txt: a label is no number"),
        ({"node_labels": "1\n2\n"}, "TOY_node_labels.txt has 2 lines, and there are 6 nodes"),
        ({"graph_labels": "1\n"}, "has 1 line, and there are 2 graphs"),
        ({"graph_indicator": "0\n1\n1\n1\n2\n2\n"}, "graphs count from 1; got 0"),
    ],
)
def test_a_damaged_folder_of_tu_is_refused(files, said, tmp_path):
    with pytest.raises(DataError, match=said):
        graphs(tu(tmp_path / "toy", **files))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('{"edges": [[0, 1', "line 1 is no graph"),
        ("[1, 2]", "a JSON object is due"),
        ({"links": []}, "there is no 'edges'"),
        ({"edges": [[0, 7]], "num_nodes": 3}, "an edge goes to node 7, and its nodes are 0 to 2"),
        ({"edges": [[0, 1]], "node_labels": ["C"], "num_nodes": 2}, "2 nodes and 1 node label"),
        (
            {"edges": [[0, 1]], "x": [[1.0]], "num_nodes": 2},
            r"2 nodes \(an edge names node 1\) and attributes \[1, 1\]",
        ),
        ({"edges": [[0, 1, 5], [1, 2, 3]]}, r"an edge is two nodes, \[source, target\]; got \[0, 1, 5\]"),
        ({"edges": [[0, 1, 2, 3], [1, 2, 3, 4]]}, "an edge is two nodes"),
        ({"edges": [0, 1, 1, 2]}, r"an edge is two nodes, \[source, target\]; got 0"),
        ({"edges": [[0.7, 1.9]]}, "edges: whole numbers are due, got 0.7"),
        ({"edges": [[0, 1], [1, "b"]]}, "edges: whole numbers are due, got 'b'"),
        ({"edges": [[0, 1], [0, True]]}, "edges: whole numbers are due, got True"),
        ({"edges": [[0, 2**64]]}, "edges: whole numbers are due, got 18446744073709551616"),
        ({"edges": [[0, 1e300]]}, "edges: whole numbers are due, got 1e"),
        ({"edges": 5}, "edges are a list of pairs"),
        ({"edges": [[0, 1]], "num_nodes": 2**31 - 1}, "of 2,147,483,647 nodes so few as 2 have an edge"),
        ({"edges": [[0, 1]], "x": [[1], [2, 3]]}, "attributes are a row of numbers for each node"),
        ({"edges": [[0, 10**12]]}, "goes to node 1,000,000,000,000, and 2 nodes have an edge; number them from 0"),
        (
            {"edge_index": [[0, 1], [1, 2], [2, 3]]},
            r"a row of sources and a row of targets, \[2, edges\]; got \[3, 2\]",
        ),
        ({"edge_index": [[0, 1], [1]]}, "as many sources as targets"),
        ({"edges": [[0, 1]], "num_nodes": 2.9}, "num_nodes: whole numbers are due, got 2.9"),
        ({"edges": [[0, 1]], "num_nodes": 1e30}, "num_nodes"),
        ({"edges": [[0, 1]], "num_nodes": -1}, "num_nodes is a number from 0"),
        ({"nodes": 3, "links": []}, '"nodes" is a list of objects, each with an "id"'),
        ({"nodes": [{"id": 1}], "links": [{"source": 1, "target": 2}]}, "goes to node 2, which is not among its nodes"),
        ({"nodes": [{"id": 1}, {"id": 1}], "links": []}, "two of its nodes have the same id"),
        ({"nodes": [{"name": 1}], "links": []}, "there is no 'id'"),
    ],
)
def test_a_damaged_line_is_refused_with_its_number(line, said, tmp_path):
    with pytest.raises(DataError, match=said):
        graphs(lines(tmp_path, line))


def test_what_holds_no_graphs_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="a corpus of graphs is a TU folder"):
        graphs(tmp_path / "nothing")
    with pytest.raises(DataError, match="there is no graph in"):
        graphs(tmp_path)
    (tmp_path / "data.pkl").write_bytes(b"x")
    for path in (tmp_path / "data.pkl", tmp_path):
        with pytest.raises(ValueError, match="is a pickle, which can run any code"):
            graphs(path)
    (tmp_path / "data.pt").write_bytes(b"x")
    for path in (tmp_path / "data.pt", tmp_path):
        with pytest.raises(DataError, match=r"data.pt is no data set of PyTorch Geometric"):
            graphs(path)
    lines(tmp_path / "..", {"edges": [[0, 1]]}).rename(tmp_path / "g.jsonl")
    with pytest.raises(ValueError, match=r"holds several corpora of graphs, g.jsonl, data.pt; name one"):
        graphs(tmp_path)
    (tmp_path / "g.jsonl").unlink()
    (tmp_path / "more.pt").write_bytes(b"x")
    with pytest.raises(ValueError, match=r"holds several corpora of graphs, data.pt, more.pt; name one"):
        graphs(tmp_path)
    (tmp_path / "g.txt").write_text("x")
    with pytest.raises(ValueError, match="is of no known format for graphs"):
        graphs(tmp_path / "g.txt")
    with pytest.raises(DataError, match=r"there is no graph in g.jsonl; 1 graph skipped: it has no node"):
        graphs(lines(tmp_path, {"edges": []}))


def test_a_folder_with_one_file_of_arrays_is_that_file(tmp_path):
    (tmp_path / "one").mkdir()
    arrays(tmp_path / "one")
    assert len(graphs(tmp_path / "one")) == 2


def test_two_data_sets_in_a_folder_are_not_mixed(tmp_path):
    tu(tmp_path / "c")
    lines(tmp_path / "c", {"edges": [[0, 1]]})
    with pytest.raises(ValueError, match=r"holds several corpora of graphs, TOY, g.jsonl; name one"):
        graphs(tmp_path / "c")
    (tmp_path / "d").mkdir()
    for name in "ab":
        tu(tmp_path / "d" / name)
    with pytest.raises(ValueError, match="holds several corpora of graphs"):
        graphs(tmp_path / "d")


# ---------------------------------------------------------------- real data

COUNTS = {  # graphs, nodes, edges in both directions, loops; those of `graphs/SOURCES.md`
    "MUTAG": (188, 3371, 7442),
    "PTC_MR": (344, 4915, 10108),
    "PROTEINS": (1113, 43471, 162088),
}


@pytest.mark.real
@pytest.mark.parametrize("name", COUNTS)
def test_real_sets_have_the_nodes_and_edges_that_they_are_known_for(name, shared_data):
    path = shared_data / "graphs" / f"{name}.npz"
    if not path.exists():
        pytest.skip(f"no {path}")
    found = graphs(path)
    assert (len(found), int(found.index.nodes[-1]), int(found.index.edges[-1])) == COUNTS[name]
