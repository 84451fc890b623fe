import copy
import json
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from diptych import encoders
from diptych.core import Draw, Graph, Model, Perturb
from diptych.draws import keys
from diptych.encoders.graph.neighbours import edge_index, of_graphs, sums
from diptych.encoders.graph.network import GraphNetwork
from diptych.encoders.heads import relu
from diptych.encoders.hidden import hidden
from diptych.graphs.features import Features
from diptych.views.input.graph.change import DropNodes
from diptych.views.network.dropout import Dropout
from diptych.views.network.pca import RemovePrincipal

LABELS = Features("labels", 3, ("C", "N", "O"))


def random(seed, n=8, p=0.4):
    rng = np.random.default_rng(seed)
    pairs = {(i, j) for i in range(n) for j in range(i) if rng.random() < p}
    edges = sorted(pairs | {(b, a) for a, b in pairs})
    return Graph(rng.integers(0, 3, n).astype(np.int32), np.array(edges, np.int32).reshape(-1, 2).T)


def graphs(n=6):
    return [random(i, 3 + i) for i in range(n)]


def network(**options):
    return GraphNetwork(LABELS, **{"width": 6, "depth": 3, **options})


def keyed(batch, b):
    batch["key"] = torch.from_numpy(keys(0, 0, np.arange(b), 0))
    return batch


# ---------------------------------------------------------------- what it computes


def test_a_block_is_the_convolution_of_pytorch_geometric_then_relu_then_the_norm():
    made = network().train()
    batch = made.collate(graphs())
    index = edge_index(batch["starts"], batch["neighbours"])
    h, states = batch["x"], []
    for block in made.blocks:
        h = block.norm(torch.relu(block.conv.conv(h, index)))
        states.append(h)
    nodes = torch.cat(states, 1)
    ends = batch["edges"].tolist()
    pooled = torch.stack([nodes[a:b].sum(0) for a, b in pairwise(ends)])
    assert torch.allclose(made(batch), pooled, atol=1e-5)
    assert made.dim == 18


def test_a_mean_is_the_sum_over_nodes_by_their_number():
    total, mean = (network(pooling=pooling).eval().embed(graphs()) for pooling in ("sum", "mean"))
    assert np.allclose(mean * [[len(graph.nodes)] for graph in graphs()], total, atol=1e-5)


def test_convolutions_begin_with_uniform_weights_of_xavier_and_no_bias():
    made = network(width=30)
    linears = [part for part in made.modules() if isinstance(part, nn.Linear)]
    assert len(linears) == 6
    for linear in linears:
        bound = (6 / sum(linear.weight.shape)) ** 0.5
        assert 0.9 * bound < float(linear.weight.detach().abs().max()) <= bound
        assert not linear.bias.any()


@pytest.mark.parametrize("pooling", ["sum", "mean"])
@pytest.mark.parametrize("readout", ["concat", "last"])
def test_the_order_of_nodes_and_the_other_graphs_of_a_batch_change_nothing(pooling, readout):
    made = network(pooling=pooling, readout=readout).eval()
    whole = made.embed(graphs())
    alone = np.concatenate([made.embed([graph]) for graph in graphs()])
    assert np.allclose(whole, alone, atol=1e-5)
    for graph, row in zip(graphs(), whole, strict=True):
        order = np.random.default_rng(0).permutation(len(graph.nodes))
        edges = order[graph.edges]
        turned = Graph(graph.nodes[np.argsort(order)], edges[:, np.lexsort(edges[::-1])].astype(np.int32))
        assert np.allclose(made.embed([turned])[0], row, atol=1e-5)


def test_sums_over_neighbours_have_the_gradient_of_the_sum_written_out():
    batch = network().collate(graphs())
    starts, neighbours = batch["starts"], batch["neighbours"]
    index = edge_index(starts, neighbours)
    x = torch.randn(len(starts) - 1, 4, requires_grad=True)
    y = x.detach().clone().requires_grad_()
    weights = torch.randn(len(x), 4)
    (sums(x, starts, neighbours) * weights).sum().backward()
    (torch.zeros_like(y).index_add(0, index[1], y[index[0]]) * weights).sum().backward()
    assert torch.allclose(x.grad, y.grad, atol=1e-5)


def test_sums_over_graphs_have_the_gradient_of_the_sum_written_out():
    x = torch.randn(7, 3, dtype=torch.float64, requires_grad=True)
    edges = torch.tensor([0, 2, 3, 7])
    assert torch.allclose(of_graphs(x, edges), torch.stack([x[:2].sum(0), x[2], x[3:].sum(0)]))
    assert torch.autograd.gradcheck(lambda y: of_graphs(y, edges), x)


def test_a_graph_of_one_node_and_one_without_edges_have_embeddings():
    made = network().eval()
    lonely = [Graph(np.zeros(n, np.int32), np.zeros((2, 0), np.int32)) for n in (1, 4)]
    assert np.isfinite(made.embed(lonely)).all()


@pytest.mark.parametrize(
    "conv", ["SAGEConv", "GCNConv", "GATConv", "GraphConv", "ChebConv:K=3", "GATConv:heads=4:concat=false:dropout=0.1"]
)
def test_any_convolution_of_pytorch_geometric_can_be_named(conv, tmp_path):
    made = network(conv=f"torch_geometric.nn:{conv}").eval()
    found = made.embed(graphs())
    made.save(tmp_path / "model")
    assert np.array_equal(encoders.load(tmp_path / "model").embed(graphs()), found)


def test_a_module_of_one_s_own_is_used_where_it_was_imported_and_never_because_a_folder_names_it(tmp_path):
    made = network(conv=f"{__name__}:Own", norm="none")
    made.save(tmp_path / "model")
    told = json.loads((tmp_path / "model" / "config.json").read_text())
    assert encoders.load(tmp_path / "model").conv == f"{__name__}:Own"
    (tmp_path / "model" / "config.json").write_text(json.dumps(told | {"conv": "antigravity:fly"}))
    with pytest.raises(ValueError, match="a model's folder runs no code that it names"):
        encoders.load(tmp_path / "model")
    for conv, said in (("subprocess:Popen", "no class of a torch module"), ("json:nothing", "no convolution that can")):
        with pytest.raises(ValueError, match=said):
            network(conv=conv)


def test_options_of_a_convolution_reach_it_and_are_numbers_truths_and_words():
    def made(options):
        return network(conv=f"torch_geometric.nn:{options}").blocks[0].conv.conv

    found = made("GATConv:heads=4:concat=False:edge_dim=none:dropout=.5")
    assert (found.heads, found.concat, found.edge_dim, found.dropout) == (4, False, None, 0.5)
    assert made("SAGEConv:aggr=max").aggr == "max"
    for option in (
        "heads",
        "heads=",
        "=4",
        "4=4",
        "heads=[4]",
        "heads='x'",
        "heads=f('os')",
        "a=1:a=1",
        "x=" + "[" * 3000,
    ):
        with pytest.raises(ValueError, match="no option with a number, true, false or a word"):
            made(f"GATConv:{option}")
    with pytest.raises(ValueError, match=r"unexpected keyword argument 'legs'.*option=value"):
        made("GATConv:legs=4")


def test_a_module_of_which_there_is_no_copy_is_not_tried():
    assert np.isfinite(network(conv=f"{__name__}:Normed", norm="none").eval().embed(graphs())).all()


def test_a_module_that_is_no_convolution_is_told_before_it_is_used():
    with pytest.raises(ValueError, match=r"torch\.nn:Linear is not made of two widths, and called with nodes"):
        network(conv="torch.nn:Linear")


class Normed(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.linear = nn.Linear(a, b)
        self.linear.weight = nn.Parameter(torch.ones(b, a))
        self.grown = self.linear.weight * 2  # no leaf, so that there is no copy

    def forward(self, x, index):
        return x @ self.grown.detach().T


class Own(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.linear = nn.Linear(a, b)

    def forward(self, x, index):
        return self.linear(x)


# ---------------------------------------------------------------- layers


def test_layers_are_the_features_then_every_block():
    made = network().eval()
    found = hidden(made, graphs())
    assert [x.shape for x in found] == [(6, 3), (6, 6), (6, 6), (6, 6)]
    assert np.allclose(found[0][0], np.eye(3)[graphs()[0].nodes].mean(0))


@pytest.mark.parametrize("readout", ["concat", "last"])
@pytest.mark.parametrize("layer", range(5))
def test_nothing_at_or_below_a_stopped_layer_learns(layer, readout):
    made = network(readout=readout, norm="none")
    model = Model(made, relu(made.dim, 4, 4))
    perturb = Perturb(layer, Dropout(0.5), fraction=1.0)
    batch = keyed(made.collate(graphs()), 6)
    if readout == "concat" and layer in (2, 3):
        with pytest.raises(ValueError, match=f"gradients go round a stop at layer {layer} .*--readout last"):
            model(batch, perturb)
        return
    model(batch, perturb).projection.sum().backward()
    for i, part in enumerate([*made.blocks, model.head], 1):
        learned = any(p.grad is not None and p.grad.abs().sum() > 0 for p in part.parameters())
        assert learned == (i > layer), (i, layer)


def test_a_partial_stop_leaves_earlier_blocks_what_is_read_of_them():
    made = network(norm="none", partial_stop=True)
    model = Model(made)
    model(keyed(made.collate(graphs()), 6), Perturb(2, Dropout(0.5), fraction=1.0)).embedding.sum().backward()
    grown = [any(p.grad is not None and p.grad.abs().sum() > 0 for p in block.parameters()) for block in made.blocks]
    assert grown == [True, False, True]


def test_the_rows_that_are_perturbed_are_graphs_with_all_their_nodes():
    made = network(norm="none").eval()
    many = [random(i, 6) for i in range(200)]
    batch = keyed(made.collate(many), 200)
    seen = {}
    made.blocks[0].register_forward_hook(lambda _, args, out: seen.update(out=out.detach()))
    Model(made)(batch)
    before = seen["out"]
    perturb = Perturb(1, Doubled(), fraction=0.3)
    after = perturb(before, batch)[0].view(200, 6, -1)
    same = (after == before[0].view(200, 6, -1)).all(2)
    assert ((same.all(1)) | ((~same).any(1))).all()
    untouched = (after == before[0].view(200, 6, -1)).flatten(1).all(1)
    doubled = (after == 2 * before[0].view(200, 6, -1)).flatten(1).all(1)
    assert (untouched | doubled).all()
    assert 0.2 < float(doubled.float().mean()) < 0.4


class Doubled:
    def __call__(self, h, key):
        return 2 * h


def test_noise_of_a_graph_does_not_depend_on_those_beside_it():
    made = network(norm="none").eval()
    model, perturb = Model(made), Perturb(1, Dropout(0.5), fraction=1.0, gradient="pass")
    whole = model(keyed(made.collate(graphs()), 6), perturb).embedding
    for i, graph in enumerate(graphs()):
        batch = made.collate([graph])
        batch["key"] = torch.from_numpy(keys(0, 0, np.array([i]), 0))
        assert torch.allclose(model(batch, perturb).embedding[0], whole[i], atol=1e-5)


def test_principal_directions_are_those_of_nodes():
    made = network(norm="none", partial_stop=True).eval()
    batch = keyed(made.collate(graphs()), 6)
    removal = RemovePrincipal(1).fitted(torch.randn(1, int(batch["edges"][-1]), 6), batch)
    assert removal.directions.shape == (6, 1)
    Model(made)(batch, Perturb(2, RemovePrincipal(1), fraction=1.0))


def test_states_of_nodes_are_given_where_they_are_asked_for_in_rows_of_graphs():
    made = network(norm="none")
    found = Model(made)(keyed(made.collate(graphs()), 6), patches=True)
    assert found.tokens.shape == (6, 8, 18)
    assert torch.allclose(found.tokens.sum(1), found.embedding, atol=1e-4)
    assert (found.labels >= 0).sum(1).tolist() == [3, 4, 5, 6, 7, 8]


# ---------------------------------------------------------------- training, saving


def test_batch_normalisation_wants_a_step_in_one_pass_and_other_norms_do_not():
    assert network().together
    assert not network(norm="layer").together
    assert not network(norm="none").together


def test_frozen_blocks_keep_weights_and_running_means():
    made = network()
    made.freeze(1)
    made.train()
    before = copy.deepcopy(made.state_dict())
    made(made.collate(graphs())).sum().backward()
    assert [any(p.grad is not None for p in block.parameters()) for block in made.blocks] == [False, False, True]
    after = made.state_dict()
    assert torch.equal(before["blocks.0.norm.running_mean"], after["blocks.0.norm.running_mean"])
    assert not torch.equal(before["blocks.2.norm.running_mean"], after["blocks.2.norm.running_mean"])
    with pytest.raises(ValueError, match=r"train_last is one of 1..3"):
        made.freeze(4)


def test_a_seed_decides_the_weights():
    one, same, other = (network(seed=s).state_dict() for s in (0, 0, 1))
    assert all(torch.equal(one[k], same[k]) for k in one)
    assert not torch.equal(one["blocks.0.conv.conv.nn.0.weight"], other["blocks.0.conv.conv.nn.0.weight"])


def test_a_network_is_read_as_it_was_written(tmp_path):
    made = network(readout="last", pooling="mean", norm="layer", depth=2)
    made.save(tmp_path / "model")
    assert {p.name for p in (tmp_path / "model").iterdir()} == {"config.json", "model.safetensors"}
    again = encoders.load(tmp_path / "model")
    assert isinstance(again, GraphNetwork)
    assert again.features == LABELS
    assert np.array_equal(again.embed(graphs()), made.embed(graphs()))
    again.save(tmp_path / "model")


def test_a_folder_with_weights_of_another_shape_is_refused(tmp_path):
    network().save(tmp_path / "model")
    told = json.loads((tmp_path / "model" / "config.json").read_text())
    (tmp_path / "model" / "config.json").write_text(json.dumps(told | {"width": 7}))
    with pytest.raises(ValueError, match="cannot read the network in"):
        encoders.load(tmp_path / "model")


def test_changes_are_carried_out_when_graphs_become_a_batch():
    made = network()
    changed = [DropNodes(0.5)(graph, Draw(0, 0, i, 0)) for i, graph in enumerate(graphs())]
    batch = made.collate(changed)
    assert batch["edges"].diff().tolist() == [2, 2, 3, 3, 4, 4]
    assert [made.size(graph) for graph in changed] == [3, 4, 5, 6, 7, 8]


def test_graphs_of_networkx_and_of_pytorch_geometric_are_read():
    made = GraphNetwork(Features("degree", 4), width=4).eval()
    import networkx
    from torch_geometric.data import Data

    path = networkx.path_graph(4)
    data = Data(edge_index=torch.tensor([[0, 1, 2], [1, 2, 3]]), num_nodes=4)
    one, other = made.prepare([path, data])
    assert np.array_equal(one.nodes, [1, 2, 2, 1])
    assert np.array_equal(one.edges, other.edges)
    assert made.encode([path, one]).shape == (2, 12)
    with pytest.raises(ValueError, match="a graph has nodes and edges, or num_nodes and edge_index; got str"):
        made.encode(["C1CC1"])
    with pytest.raises(ValueError, match="nodes are described by labels, and this graph has no node labels"):
        network().encode([path])


def test_labels_and_attributes_of_networkx_are_read():
    import networkx

    made = networkx.MultiGraph([(0, 1), (0, 1), (1, 2)])
    networkx.set_node_attributes(made, {0: "O", 1: "C", 2: "N"}, "label")
    networkx.set_node_attributes(made, {i: [float(i), 1.0] for i in range(3)}, "x")
    (labelled,) = network().prepare([made])
    assert labelled.nodes.tolist() == [2, 0, 1]
    (both,) = GraphNetwork(Features("both", 5, ("C", "N", "O")), width=4).prepare([made])
    assert both.nodes.tolist() == [[0, 0, 1, 0, 1], [1, 0, 0, 1, 1], [0, 1, 0, 2, 1]]
    made.nodes[2]["label"] = "F"
    with pytest.raises(ValueError, match="the network knows no node label 'F'"):
        network().prepare([made])


def test_labels_of_pytorch_geometric_are_read():
    from torch_geometric.data import Data

    ends = torch.tensor([[0, 1], [1, 0]])
    (one,) = network().prepare([Data(edge_index=ends, label=["O", "C"], num_nodes=2)])
    assert one.nodes.tolist() == [2, 0]
    numbered = GraphNetwork(Features("labels", 2, ("0", "1")), width=4)
    for labels in (torch.tensor([1, 0]), torch.tensor([1.0, 0.0]), ["1", "0"]):
        assert numbered.prepare([Data(edge_index=ends, label=labels, num_nodes=2)])[0].nodes.tolist() == [1, 0]


def test_one_graph_in_the_place_of_several_is_told():
    import networkx
    from torch_geometric.data import Data

    for one in (networkx.path_graph(3), Data(edge_index=torch.tensor([[0], [1]]), num_nodes=2)):
        with pytest.raises(ValueError, match="graphs come in a list, and this is one"):
            GraphNetwork(Features("constant", 1), width=4).encode(one)


def test_what_the_network_is_not_told_is_not_read():
    import networkx

    drawn = networkx.path_graph(3)
    networkx.set_node_attributes(drawn, {0: "left", 1: [1, 2], 2: None}, "x")
    bare = SimpleNamespace(num_nodes=3, edge_index=[[0, 1], [1, 2]])
    one, other = GraphNetwork(Features("degree", 4), width=4).prepare([drawn, bare])
    assert np.array_equal(one.nodes, other.nodes)
    networkx.set_node_attributes(drawn, 0.5, "x")
    (alone,) = GraphNetwork(Features("attributes", 1), width=4).prepare([drawn])
    assert alone.nodes.tolist() == [[0.5]] * 3
    networkx.set_node_attributes(drawn, {0: "left", 1: 1, 2: 2}, "x")
    with pytest.raises(ValueError, match="an attribute of a node is no number"):
        GraphNetwork(Features("attributes", 1), width=4).prepare([drawn])
    with pytest.raises(ValueError, match="a graph has nodes and edges"):
        network().prepare([SimpleNamespace(nodes=[0, 1], edges=[[0, 1]])])


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"edge_index": torch.zeros(3, 2, dtype=torch.long)}, r"a row of sources and a row of targets"),
        ({"edge_index": torch.tensor([[0.0], [0.5]])}, "whole numbers are due, got 0.5"),
        ({"edge_index": torch.tensor([[0], [2]])}, "graph 0: an edge goes to node 2, and its nodes are 0 to 1"),
        ({"edge_index": None, "x": None, "num_nodes": 0}, "graph 0: it has no node"),
        ({"x": torch.ones(5, 3)}, r"attributes of nodes are \[2, 3\]; got \[5, 3\]"),
        ({"x": torch.ones(2, 4)}, r"attributes of nodes are \[2, 3\]; got \[2, 4\]"),
        ({"x": torch.tensor([[1.0, 2.0, 3.0], [1.0, float("nan"), 3.0]])}, "an attribute of a node is no number"),
    ],
)
def test_graphs_of_others_that_do_not_go_together_are_refused(told, said):
    from torch_geometric.data import Data

    good = {"edge_index": torch.tensor([[0], [1]]), "x": torch.ones(2, 3), "num_nodes": 2}
    made = GraphNetwork(Features("attributes", 3), width=4)
    assert made.prepare([Data(**good)])[0].nodes.shape == (2, 3)
    with pytest.raises(ValueError, match=said):
        made.prepare([Data(**{**good, **told})])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pooling": "max"}, "pooling is one of sum, mean; got 'max'"),
        ({"readout": "first"}, "readout is one of concat, last"),
        ({"norm": "graph"}, "norm is one of batch, layer, none"),
        ({"depth": 0}, "a width and a depth of 1 or more"),
        ({"conv": "torch_geometric.nn.SAGEConv"}, "MODULE:CLASS such as torch_geometric.nn:SAGEConv"),
        (
            {"conv": "torch_geometric.nn:ChebConv"},
            "not made of two widths, .*wrap it in a class of your own",
        ),
        ({"conv": "torch_geometric.nn:GINConv"}, r"called with nodes and edges \(TypeError: 'int'.*wrap it"),
        ({"conv": "torch_geometric.nn:GINEConv"}, "wrap it in a class of your own"),
        ({"conv": "torch_geometric.nn:GatedGraphConv"}, "wrap it in a class of your own"),
        ({"conv": "elsewhere:Conv"}, "one of your own, 'elsewhere:Conv', is to be imported before"),
    ],
)
def test_what_makes_no_network_is_refused(options, said):
    with pytest.raises(ValueError, match=said):
        network(**options)
