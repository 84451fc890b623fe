"""Networks for graphs, and encoders of pictures, from inside.

A layer is the mean over a graph's nodes, over a picture's tokens, or over its map.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from diptych.analysis.model import ASKED, States, anatomy, compared
from diptych.core import DataError, Draw, Encoder, Sample
from diptych.data.graphs.store import Graphs
from diptych.data.images.store import Pictures
from diptych.encoders.graph.network import GraphNetwork
from diptych.encoders.hidden import hidden
from diptych.encoders.image.vision import Vision
from diptych.evaluate.split import thinned
from diptych.evaluate.suite import Encode, judge
from diptych.measure.rows import Rows
from diptych.measure.similarity import FEWEST, Kernel
from diptych.plural import counted
from diptych.report.anatomy import Analysis, Anatomy
from diptych.views.input.image.strategy import Augmentation

AUGMENTED = 500  # pictures of which two augmentations are looked at


@dataclass(frozen=True)
class _Numbered:
    """Things that are judged by their number, with their labels, and pairs of numbers."""

    texts: Sequence[int]
    labels: Sequence[str | None] | None


def analyse(
    models: Mapping[str, Encoder],
    corpus: Graphs | Pictures,
    against: Mapping[str, str],
    paths: Mapping[str, str],
    most: int = 1000,
    kernel: Kernel = "linear",
    seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> Analysis:
    """As `texts.analyse`, on at most so many graphs or pictures, labelled ones first, drawn by the seed.

    Alignment and uniformity are of two augmentations of pictures, the same for all models of one side. Raises
    ValueError for an encoder of anything else and where fewer than 4 are asked for, DataError for a corpus of fewer.
    """
    noun = corpus.noun
    if not models:
        raise ValueError("an analysis is of one model or more; got none")
    if most < FEWEST:
        raise ValueError(f"--texts is {FEWEST} or more, for CKA and ranks need as many; got {most}")
    if len(corpus) < FEWEST:
        raise DataError(f"{corpus.name} has {counted(len(corpus), noun)}, and CKA needs {FEWEST} at least")
    chosen = corpus if len(corpus) <= most else corpus.select(thinned(len(corpus), corpus.labels, most, seed))
    n, notes, found, states = len(chosen), list[str](), dict[str, Anatomy](), dict[str, States]()
    numbered = _Numbered(range(n), chosen.labels)
    for name, encoder in models.items():
        say(f"{name}: looking at {counted(n, noun)}")
        samples = _samples(encoder, chosen, paths[name], seed)
        m = (len(samples) - n) // 2
        layers = hidden(encoder, samples)
        rows = {name: encoder.embed(samples), **{f"{name}, layer {i}": x for i, x in enumerate(layers)}}
        pairs = list(range(n, n + m)), list(range(n + m, n + 2 * m))
        judgement = judge({row: _looking(x) for row, x in rows.items()}, numbered, pairs, _asked(m), noun=noun)
        found[name], more = anatomy(
            name, paths[name], encoder, rows, layers, judgement, [{}] * len(rows), n, kernel, noun
        )
        states[name] = [x[:n] for x in layers]
        notes += more
    for name, other in against.items():
        changed, more = compared(name, other, models, states, kernel)
        found[name] = replace(found[name], change=changed)
        notes += more
    notes = list(dict.fromkeys([*judgement.notes, *notes]))
    return Analysis(
        corpus.name, n, len(corpus), judgement.labelled, judgement.pairs, kernel, [*found.values()], notes, noun
    )


def _samples(encoder: Encoder, chosen: Graphs | Pictures, path: str, seed: int) -> list[Sample]:
    """What a model is given: each graph; or each picture, then two augmentations of some."""
    if isinstance(chosen, Graphs) and isinstance(encoder, GraphNetwork):
        return list(chosen.told_by(encoder.features).items)
    if isinstance(chosen, Pictures) and isinstance(encoder, Vision):
        whole = encoder.prepare(list(chosen.items))
        some = np.sort(np.random.default_rng(seed).permutation(len(whole))[:AUGMENTED]).tolist()
        augment = Augmentation(size=encoder.side).transform
        views = [[augment(whole[i], Draw(seed, 0, i, view)) for i in some] for view in (0, 1)]
        return [*whole, *views[0], *views[1]]
    kind = "network for graphs" if isinstance(chosen, Graphs) else "encoder of pictures"
    raise ValueError(f"{path} is no {kind}, and the corpus holds {chosen.noun}s")


def _asked(pairs: int) -> Sequence[str]:
    return [metric for metric in ASKED if metric == "knn" or (pairs and metric != "crop_retrieval")]


def _looking(rows: Rows) -> Encode:
    return lambda asked: rows[np.asarray(asked, np.int64)]
