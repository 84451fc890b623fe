"""What the commands do where a model is a network for graphs."""

import json as jsonlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from diptych import encoders, runs
from diptych.analysis import analyse_graphs
from diptych.cli.progress import note
from diptych.core import Encoder
from diptych.data.graphs.corpus import graphs
from diptych.data.graphs.store import Graphs
from diptych.encoders.folder import config, locate
from diptych.encoders.graph.network import KIND, GraphNetwork
from diptych.evaluate.graphs.svm import Protocol
from diptych.fitting import examine_graphs
from diptych.measure.similarity import Kernel
from diptych.report.anatomy import Analysis
from diptych.report.board import short
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


def analyse(
    models: Sequence[str], against: Mapping[str, str], corpus: str | None, most: int, kernel: Kernel, seed: int
) -> Analysis:
    """Networks from inside, on the graphs of a corpus, or of the first run among them."""
    if corpus is None:
        runs_there = [place for each in models for place in (Path(each), Path(each).parent) if _is_run(place)]
        if not runs_there:
            raise ValueError("networks are looked at with graphs, and none of these is a run that names any: --corpus")
        corpus = str(runs.Run(runs_there[0]).call["arguments"]["corpus"])
    found = graphs(corpus)
    note(*found.notes)
    every = list(dict.fromkeys([*models, *against.values()]))
    names = dict(zip(every, short(every), strict=True))
    loaded = {names[each]: encoders.load(each) for each in every}
    pairs = {names[one]: names[other] for one, other in against.items()}
    return analyse_graphs(loaded, found, pairs, {names[each]: each for each in every}, most, kernel, seed, note)


def _is_run(place: Path) -> bool:
    return (place / "run.toml").is_file()
