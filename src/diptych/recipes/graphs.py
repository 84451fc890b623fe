"""What the recipes for graphs share: a corpus, a network, a change of graphs, and the settings that go with them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from diptych.recipes.also import Also, also
from diptych.recipes.settings import Training
from diptych.recipes.usual import Defaults, batch_of, check_name, options, steps_of

if TYPE_CHECKING:
    from diptych.core import Model, Objective, Optimiser, Recipe, Teacher, Transform, View
    from diptych.data.graphs.store import Graphs
    from diptych.encoders.graph.network import GraphNetwork

Augmentation = Literal[
    "drop-nodes", "drop-edges", "edges", "mask", "noise", "subgraph", "random2", "random3", "random4", "none"
]


class Settings(Training, Also, TypedDict, total=False):
    """Options of every recipe for graphs. What is left out gets the recipe's default."""

    init: str | None
    """Start from the weights of this model; it brings its network and its features."""
    features: Literal["labels", "attributes", "both", "degree", "constant"] | None
    """What a node is described by (its label where there are two or more, else attributes, else the constant 1)."""
    conv: str
    """Convolution: GIN, or the import path of one of PyTorch Geometric and its options, as torch_geometric.nn:SAGEConv
    or torch_geometric.nn:GATConv:heads=4:concat=false."""
    width: int | None
    """Width of every block (32)."""
    depth: int | None
    """Blocks (3)."""
    pooling: Literal["sum", "mean"] | None
    """How nodes become one vector (sum)."""
    readout: Literal["concat", "last"] | None
    """Whether nodes of all blocks are pooled, side by side, or those of the last alone."""
    norm: Literal["batch", "layer", "none"] | None
    """What stands behind a block's ReLU (batch normalisation, which sees all graphs of a step)."""
    augmentation: Augmentation | None
    """What happens to a graph: drop-nodes, drop-edges, edges (some dropped and as many added), mask (features become
    0), noise (they become normal noise), subgraph (a random walk), or for each graph one of several: random2
    (drop-nodes, subgraph), random3 (edges too), random4 (noise too); none."""
    ratio: float
    """Part of nodes or edges that it happens to (0.1)."""
    partial_stop: bool
    """Let --perturb-gradient stop or reverse at a layer though --readout concat reads earlier blocks beside it."""


KIND = Defaults(lr=0.01, batch=128, epochs=20, least=40)
OF_NETWORK = ("conv", "width", "depth", "pooling", "readout", "norm", "partial_stop")


@dataclass(frozen=True)
class Method:
    """What a recipe makes of a network and a change of graphs: its views, heads, and what they are trained for.

    `augmentation` is what happens to graphs unless something else is asked; `network` are options in place of the
    network's own defaults.
    """

    views: "Callable[[GraphNetwork, Transform], Sequence[View]]"
    objective: "Callable[[GraphNetwork], Objective]"
    model: "Callable[[GraphNetwork], Model]"
    augmentation: Augmentation = "random4"
    network: Mapping[str, Any] | None = None
    teacher: "Teacher | None" = None
    kind: Defaults = KIND


def build(corpus: "str | Graphs", method: Method, settings: Mapping[str, Any]) -> "Recipe":
    """A recipe for graphs of a corpus. Raises ValueError where settings contradict one another."""
    from diptych.core import Recipe
    from diptych.data.graphs.store import Graphs

    given = options(settings, Settings.__annotations__)
    found = corpus if isinstance(corpus, Graphs) else read(corpus, given)
    network = network_of(found, given, method)
    found = found.told_by(network.features)
    notes = [*found.notes, f"nodes are described by {network.features}"]
    if network.partial_stop and network.readout == "concat":
        notes.append("a stop is partial: blocks below it still learn from the read-out of their own nodes")
    batch = batch_of(given, method.kind, len(found), "graphs", notes)
    steps = steps_of(given, method.kind, len(found), batch)
    made = Recipe(
        model=method.model(network),
        views=method.views(network, transform_of(given, method.augmentation)),
        objective=method.objective(network),
        data=found,
        optimiser=_optimiser(given, method.kind),
        batch=batch,
        steps=steps,
        seed=given.get("seed", 0),
        teacher=method.teacher,
        documents=found,
        notes=notes,
    )
    return also(made, given)


def read(corpus: str, given: Mapping[str, Any]) -> "Graphs":
    from diptych.data.graphs import corpus as of_graphs

    if not isinstance(corpus, str | Path):
        raise ValueError(
            f"a corpus of graphs is a path or families:...; got a {type(corpus).__name__}. Graphs that Python has "
            "become one by diptych.from_graphs([graph, ...])"
        )
    check_name(Path(corpus))
    return of_graphs.graphs(corpus, given.get("features"))


def network_of(graphs: "Graphs", given: Mapping[str, Any], method: Method) -> "GraphNetwork":
    """The network that is asked for, before training. Raises ValueError for contradictions."""
    from diptych import encoders
    from diptych.encoders.graph.network import GraphNetwork

    made = {k: given[k] for k in OF_NETWORK if k in given}
    if "init" not in given:
        network = GraphNetwork(graphs.features, **{**(method.network or {}), **made}, seed=given.get("seed", 0))
    else:
        if others := sorted((made.keys() - {"partial_stop"}) | ({"features"} & given.keys())):
            raise ValueError(f"--init {given['init']} brings its own network; leave --{others[0]} out")
        loaded = encoders.load(given["init"])
        if not isinstance(loaded, GraphNetwork):
            raise ValueError(f"{given['init']} is no network for graphs")
        network = loaded
        network.partial_stop = made.get("partial_stop", network.partial_stop)
    network.freeze(given.get("train_last"))
    return network


def transform_of(given: Mapping[str, Any], usual: Augmentation) -> "Transform":
    """What happens to a graph. Raises ValueError for a ratio that nothing is changed by."""
    from diptych.core import unchanged
    from diptych.views.input.graph import change
    from diptych.views.input.graph.choice import OneOf
    from diptych.views.input.graph.subgraph import RandomWalk

    name, ratio = given.get("augmentation", usual), given.get("ratio", 0.1)
    if name == "none" and "ratio" in given:
        raise ValueError(f"--ratio {ratio} is a part that is changed, and with --augmentation none nothing is")
    nodes, walk, noise = change.DropNodes(ratio), RandomWalk(ratio), change.MaskFeatures(ratio, "noise")
    edges = change.MoveEdges(ratio)
    known: dict[str, Transform] = {
        "drop-nodes": nodes,
        "drop-edges": change.DropEdges(ratio),
        "edges": edges,
        "mask": change.MaskFeatures(ratio),
        "noise": noise,
        "subgraph": walk,
        "random2": OneOf((nodes, walk)),
        "random3": OneOf((nodes, walk, edges)),
        "random4": OneOf((nodes, walk, edges, noise)),
        "none": unchanged,
    }
    if name not in known:
        raise ValueError(f"an augmentation of graphs is one of {', '.join(known)}; got {name!r}")
    return known[name]


def _optimiser(given: Mapping[str, Any], kind: Defaults) -> "Optimiser":
    """Adam with a constant rate, unless a schedule is asked for."""
    from diptych.core import Optimiser

    rate = given.get("lr", kind.lr)
    named: dict[str, Any] = {"warmup": 0.0} if "schedule" in given else {"warmup": 0.0, "lr_end": rate}
    named |= {k: given[k] for k in ("warmup", "schedule", "weight_decay", "clip") if k in given}
    return Optimiser(rate, **named)
