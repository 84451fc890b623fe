"""Networks for graphs, judged by the published protocols, beside their start and what needs no network."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from diptych.core import Encoder, Recipe
from diptych.data.graphs.store import Graphs
from diptych.embedding import write_npy
from diptych.encoders.graph.network import GraphNetwork
from diptych.evaluate.graphs import task as of_graphs
from diptych.evaluate.graphs.svm import Protocol
from diptych.plural import counted
from diptych.report.drawing import MOST as DRAWN

SHOWN = 3_000  # graphs that the report shows


def judged(recipe: Recipe, encoder: Encoder, start: Encoder, beside: Mapping[str, Encoder]) -> dict[str, Any]:
    """Scores of a run on graphs."""
    return examine(encoder, start, recipe.documents, beside)


def examine(
    encoder: Encoder,
    start: Encoder | None,
    graphs: Graphs,
    beside: Mapping[str, Encoder] | None = None,
    protocols: Sequence[Protocol] | None = None,
    seed: int = 0,
    scaled: bool = False,
) -> dict[str, Any]:
    """Scores of a network for graphs, of what it started from, and of graphs without a network, on the same folds."""
    if not isinstance(encoder, GraphNetwork):
        raise ValueError(f"{type(encoder).__name__} is no network for graphs, and the corpus holds graphs")
    asked, notes = of_graphs.tasks(graphs.told_by(encoder.features), protocols, seed, scaled)
    named = {"model": encoder, **(beside or {}), "untrained": start}
    looks = of_graphs.rows({name: each.embed if each else None for name, each in named.items()})
    told = of_graphs.table(asked, looks) if asked else {"scores": {}, "results": {}, "paired": {}}
    return {**told, "errors": {}, "notes": notes, "documents": len(graphs)}


def gather(folder: Path, recipe: Recipe, encoder: Encoder, start: Encoder) -> None:
    """Some graphs, drawn at random, where they lie before and after, and what is needed to draw the small ones."""
    whole: Graphs = recipe.documents
    chosen = np.sort(np.random.default_rng(0).permutation(len(whole))[:SHOWN])
    graphs = whole.select(chosen)
    folder.mkdir()
    for name, each in (("after.npy", encoder), ("before.npy", start)):
        vectors = each.encode(graphs.items)
        write_npy(folder / name, vectors.shape, [vectors])
    labels = graphs.labels or [None] * len(graphs)
    with (folder / "documents.jsonl").open("w") as file:
        for i, (origin, label) in enumerate(zip(graphs.origins, labels, strict=True)):
            graph = graphs.graph(i)
            edges = graph.edges[:, graph.edges[0] <= graph.edges[1]]
            about = f"{origin}: {counted(len(graph.nodes), 'node')}, {edges.shape[1]} edges"
            told: dict[str, Any] = {"text": about, "label": label}
            if len(graph.nodes) <= DRAWN:
                colours = (graph.nodes + 1).tolist() if graph.nodes.ndim == 1 and _labelled(encoder) else []
                told["graph"] = {"nodes": len(graph.nodes), "edges": edges.T.tolist(), "colours": colours}
            file.write(json.dumps(told) + "\n")


def _labelled(encoder: Encoder) -> bool:
    """Whether nodes have labels that an encoder knows."""
    return isinstance(encoder, GraphNetwork) and encoder.features.kind == "labels"
