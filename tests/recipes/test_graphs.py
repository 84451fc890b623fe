import json

import numpy as np
import pytest
import torch

from diptych import encoders, recipes
from diptych.core import Draw, Machine
from diptych.data.graphs.corpus import from_graphs, graphs
from diptych.fitting import fit, resume, verify
from diptych.objectives.decoupled import Decoupled
from diptych.objectives.infonce import InfoNCE
from diptych.train.batches import work
from diptych.train.optim import schedule
from diptych.train.step import backward
from diptych.views.input.graph.change import DropEdges, DropNodes, MaskFeatures, MoveEdges
from diptych.views.input.graph.choice import OneOf
from diptych.views.input.graph.subgraph import RandomWalk

MANY = "families:n=40:nodes=12:degree=2"
SMALL = {"width": 4, "depth": 2, "batch": 8, "steps": 3}
ALL = ["graphcl", "infograph", "graph_deep_augmentation", "graph_barlow_twins", "graph_byol"]


def made(name, corpus=MANY, **options):
    return getattr(recipes, name)(corpus, **{**SMALL, **options})


# ---------------------------------------------------------------- from a corpus to scores


def test_a_run_goes_from_a_corpus_to_scores_and_a_report(tmp_path):
    run = fit(made("graphcl"), tmp_path / "run")
    told = run.scores["scores"]
    assert {*told} == {"model", "untrained", "degrees", "Weisfeiler-Lehman"}
    assert told["model"].keys() >= {"families_svm_graphcl", "families_svm_pygcl"}
    page = run.report.read_text()
    assert page.count('<svg class="graph"') > 10
    assert "Map of the corpus" in page
    assert "Each point is a graph" in page
    assert "SentenceTransformer" not in page
    card = (run.model / "README.md").read_text()
    assert "Graphs in, embeddings out; trained without labels" in card
    assert "SentenceTransformer" not in card
    trained, start = encoders.load(run.model), encoders.load(run.start)
    some = graphs(MANY).items[:4]
    assert not np.allclose(trained.encode(some), start.encode(some))
    assert "nodes are described by the number 1 for every node: 1 column" in run.call["notes"]


def test_graphs_given_in_python_have_a_name_that_no_path_has(tmp_path):
    run = fit(made("graphcl", graphs(MANY)), tmp_path / "run", judged=False)
    assert run.call["arguments"]["corpus"] == "<Graphs of Python: families>"
    with pytest.raises(ValueError, match="the run was made in Python, of graphs given there"):
        made("graphcl", run.call["arguments"]["corpus"])


def test_graphs_that_python_has_are_learned_from_and_a_list_of_them_is_refused(tmp_path):
    import networkx

    some = [networkx.gnp_random_graph(12, 0.3, seed=i) for i in range(16)]
    run = fit(made("graphcl", from_graphs(some, name="random")), tmp_path / "run", judged=False)
    assert run.call["arguments"]["corpus"] == "<Graphs of Python: random>"
    assert encoders.load(run.model).encode(some).shape == (16, 8)
    with pytest.raises(ValueError, match=r"got a list. Graphs that Python has become one by diptych\.from_graphs"):
        made("graphcl", some)


@pytest.mark.parametrize("name", ALL)
def test_every_recipe_learns_and_ends_with_a_model(name, tmp_path):
    run = fit(made(name), tmp_path / "run", judged=False)
    losses = [line["loss"] for line in run.metrics]
    assert len(losses) == 3
    assert np.isfinite(losses).all()
    assert encoders.load(run.model).embed(graphs(MANY).items[:3]).shape == (
        3,
        4 if name == "graph_deep_augmentation" else 8,
    )


@pytest.mark.parametrize("name", ["graphcl", "graph_byol", "infograph"])
def test_a_run_that_is_stopped_and_resumed_ends_in_the_same_bytes(name, tmp_path, stopped):
    whole = fit(made(name), tmp_path / "whole", judged=False)
    with stopped(2):
        fit(made(name), tmp_path / "part", Machine(checkpoint=0), judged=False)
    part = resume(made(name), tmp_path / "part")
    bytes_of = [(run.model / "model.safetensors").read_bytes() for run in (whole, part)]
    assert bytes_of[0] == bytes_of[1]
    assert verify(made(name), tmp_path / "part") == (3, 3)


def gradients(recipe, machine):
    recipe.model.train()
    objective = recipe.objective
    backward(recipe.model, objective, recipe.views, work(recipe, 1, machine), graph=machine.graph)
    return [p.grad.clone() for p in [*recipe.model.parameters(), *objective.parameters()] if p.grad is not None]


@pytest.mark.parametrize("name", ["graphcl", "infograph", "graph_deep_augmentation"])
@pytest.mark.parametrize("graph", [0, 10**6])
def test_the_gradient_does_not_depend_on_micro_batches(name, graph):
    whole, parts = (gradients(made(name, norm="layer"), Machine(tokens=tokens, graph=graph)) for tokens in (10**6, 30))
    assert len(work(made(name, norm="layer"), 1, Machine(tokens=30)).model) > 2
    assert len(whole) == len(parts) > 4
    scale = max(float(x.abs().max()) for x in whole)
    assert all(torch.allclose(x, y, atol=1e-5 * scale) for x, y in zip(whole, parts, strict=True))


def test_batch_normalisation_sees_a_step_in_one_pass():
    assert len(work(made("graphcl"), 0, Machine(tokens=30)).model) == 1


def test_workers_and_order_change_no_view():
    recipe = made("graphcl", norm="layer")
    (whole,) = work(recipe, 1, Machine(tokens=10**6)).model
    parts = work(recipe, 1, Machine(tokens=30)).model
    seen = {}
    for micro in (whole, *parts):
        ends = micro.batch["edges"].tolist()
        for i, place in enumerate(micro.place.tolist()):
            nodes = micro.batch["x"][ends[i] : ends[i + 1]].numpy().tobytes()
            degrees = micro.batch["starts"].diff()[ends[i] : ends[i + 1]].numpy().tobytes()
            seen.setdefault(place, set()).add((nodes, degrees))
    assert len(seen) == 16
    assert all(len(each) == 1 for each in seen.values())


def test_the_first_view_is_the_graph_as_it_is_unless_both_are_to_be_changed():
    graph = graphs(MANY).graph(0)

    def changes(**options):
        return [
            view.transform(graph, Draw(0, 0, 0, v)).changes for v, view in enumerate(made("graphcl", **options).views)
        ]

    first, second = changes()
    assert (len(first), len(second) > 0) == (0, True)
    assert all(changes(changed="both"))


def test_a_corpus_in_memory_is_one_too():
    assert len(recipes.graphcl(graphs(MANY, "degree"), **SMALL).data) == 40


def test_it_learns_to_find_the_other_view_of_a_graph(tmp_path):
    recipe = recipes.graphcl("families:n=128:nodes=20", width=16, batch=64, steps=40, augmentation="drop-edges")
    run = fit(recipe, tmp_path / "run", judged=False)
    losses = [json.loads(line)["loss"] for line in (run.folder / "metrics.jsonl").read_text().splitlines()]
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.3


# ---------------------------------------------------------------- options


def test_an_augmentation_is_what_it_is_called():
    nodes, walk, edges, noise = DropNodes(0.3), RandomWalk(0.3), MoveEdges(0.3), MaskFeatures(0.3, "noise")
    due = {"drop-nodes": nodes, "drop-edges": DropEdges(0.3), "edges": edges, "mask": MaskFeatures(0.3)}
    due |= {"noise": noise, "subgraph": walk, "random2": OneOf((nodes, walk)), "random3": OneOf((nodes, walk, edges))}
    due |= {"random4": OneOf((nodes, walk, edges, noise))}
    for name, transform in due.items():
        assert made("graphcl", augmentation=name, ratio=0.3).views[1].transform == transform
    assert made("graphcl").views[1].transform == OneOf(
        (DropNodes(0.1), RandomWalk(0.1), MoveEdges(0.1), MaskFeatures(0.1, "noise"))
    )


def test_objectives_are_those_that_are_asked():
    usual, others = made("graphcl").objective, made("graphcl", denominator="others", symmetric=True).objective
    assert (type(usual), usual.temperature, usual.symmetric) == (InfoNCE, 0.2, False)
    assert (type(others), others.symmetric) == (Decoupled, True)
    deep = made("graph_deep_augmentation").objective
    assert (type(deep), deep.symmetric) == (InfoNCE, True)
    info = made("infograph").objective
    assert not torch.equal(*(next(head.parameters()) for head in (info.local, info.whole)))


def test_the_rate_stays_as_it_is_unless_a_schedule_is_asked():
    usual, linear = (made("graphcl", **options).optimiser for options in ({}, {"schedule": "linear"}))
    assert {schedule(usual, step, 100, 10) for step in (0, 1, 50, 99)} == {1.0}
    assert schedule(linear, 50, 100, 10) < 0.6


def test_layers_are_perturbed_and_ranks_reduced_as_for_text(tmp_path):
    for layer in (0, 1, 3):
        recipe = made("graphcl", perturb_layer=layer, perturb_rate=0.5, rank_reduction=0.01)
        assert [view.perturb.layer for view in recipe.views] == [layer] * 2
    fit(recipe, tmp_path / "run", judged=False)
    with pytest.raises(ValueError, match=r"layers of this model are 0 .* to 3"):
        made("graphcl", perturb_layer=4)


def test_deep_augmentation_stops_at_a_layer_of_a_network_that_reads_its_last_block(tmp_path):
    recipe = made("graph_deep_augmentation", depth=3)
    (perturb,) = {view.perturb for view in recipe.views}
    assert (perturb.layer, perturb.gradient, perturb.fraction, perturb.noise.rate) == (2, "stop", 0.5, 0.5)
    assert recipe.model.encoder.readout == "last"
    partial = made("graph_deep_augmentation", depth=3, readout="concat", partial_stop=True)
    assert "a stop is partial: blocks below it still learn from the read-out of their own nodes" in partial.notes
    fit(made("graph_deep_augmentation", perturb_noise="pca", perturb_layer=1), tmp_path / "pca", judged=False)
    with pytest.raises(ValueError, match="gradients go round a stop at layer 2"):
        fit(made("graph_deep_augmentation", readout="concat", depth=3), tmp_path / "run", judged=False)


def test_a_trained_network_can_be_the_start_of_another_run(tmp_path):
    run = fit(made("graphcl", features="degree"), tmp_path / "run", judged=False)
    again = recipes.infograph(MANY, init=str(run.folder), batch=8, steps=2, train_last=1)
    assert again.documents.features.kind == "degree"
    some = again.documents.items[:4]
    assert np.array_equal(again.model.encoder.eval().embed(some), encoders.load(run.model).embed(some))
    with pytest.raises(ValueError, match="brings its own network; leave --width out"):
        recipes.graphcl(MANY, init=str(run.folder), width=8)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"augmentation": "shake"}, "an augmentation of graphs is one of drop-nodes"),
        ({"augmentation": "none", "ratio": 0.2}, "--ratio 0.2 is a part that is changed"),
        ({"ratio": 1.0}, "a part of a graph is changed, from 0 to below 1"),
        ({"features": "labels"}, "nodes of families can be described by degree, constant; got 'labels'"),
        ({"pooling": "max"}, "pooling is one of sum, mean"),
        ({"batch": 1}, "a batch has at least two graphs"),
        ({"train_last": 9}, r"train_last is one of 1..2"),
        ({"temperature": 0.0}, "a temperature is above 0"),
        ({"max_tokens": 5}, "no option is called 'max_tokens'"),
        ({"init": "nowhere/at/all"}, r"brings its own network|there is no folder"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, said):
    with pytest.raises((ValueError, FileNotFoundError), match=said):
        made("graphcl", **options)


def test_views_that_nothing_changes_are_refused(tmp_path):
    with pytest.raises(ValueError, match="the two views of every sample are identical"):
        fit(made("graphcl", augmentation="none"), tmp_path / "run", judged=False)
