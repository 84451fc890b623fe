"""What the commands do where a model is a network for graphs."""

import json as jsonlib
from collections.abc import Sequence
from pathlib import Path

from diptych import encoders, runs
from diptych.cli.progress import note
from diptych.core import Encoder
from diptych.data.graphs.corpus import graphs
from diptych.data.graphs.store import Graphs
from diptych.encoders.folder import config, locate
from diptych.encoders.graph.network import KIND, GraphNetwork
from diptych.evaluate.graphs.svm import Protocol
from diptych.fitting import examine_graphs
from diptych.report.table import turned


def is_network(model: str) -> bool:
    """Whether a folder holds a network for graphs."""
    return Path(model).expanduser().is_dir() and config(locate(model)).get("model_type") == KIND


def corpus_for(encoder: Encoder, corpus: str, text: bool, column: str | None) -> Graphs | None:
    """The graphs of a corpus as a network is told of them; None for another encoder. Raises ValueError for --text."""
    if not isinstance(encoder, GraphNetwork):
        return None
    if text or column:
        raise ValueError("the model is a network for graphs, which have no text; leave --text and --text-column out")
    return graphs(corpus).told_by(encoder.features)


def evaluate(
    model: str, corpus: str, protocols: Sequence[Protocol] | None, seed: int, scaled: bool, json: bool
) -> None:
    """Judges a network on a corpus of graphs, beside its start and what needs no network."""
    if not 0 <= seed < 2**32:
        raise ValueError(f"--seed is from 0 to 2**32 - 1; got {seed}")
    encoder, found = encoders.load(model), graphs(corpus)
    note(*found.notes)
    start = runs.started_from(Path(model))
    untrained = encoders.load(start) if start else None
    told = examine_graphs(encoder, untrained, found, protocols=protocols, seed=seed, scaled=scaled)
    note(*told["notes"])
    if json:
        print(jsonlib.dumps({"model": model, "corpus": corpus, **told}, allow_nan=False))
    else:
        print(turned(told["scores"]))
