"""What a model is like inside, on a probe of texts: its spectrum, its layers, and how far both are from another model.

Every layer is a way to turn texts into vectors, and is judged as a model is. Layers are pooled by the mean over
tokens, whatever the model does with its last one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float

from diptych.core import DataError, Encoder
from diptych.data.documents import Documents
from diptych.data.graphs.store import Graphs
from diptych.data.pairs import crop_pairs
from diptych.encoders.graph.network import GraphNetwork
from diptych.encoders.hidden import hidden
from diptych.evaluate.asked import looking
from diptych.evaluate.crops import Pairs
from diptych.evaluate.split import thinned
from diptych.evaluate.suite import Judgement, judge
from diptych.evaluate.suites.sts import Sts
from diptych.measure import rank, similarity, weights
from diptych.measure.geometry import mean_cosine
from diptych.measure.isotropy import isotropy
from diptych.measure.similarity import FEWEST, Kernel
from diptych.plural import counted
from diptych.report.anatomy import Analysis, Anatomy, Change, Layer, Numbers, Rank

ASKED = ("knn", "crop_retrieval", "alignment", "uniformity")
ENERGIES = [(threshold, power) for power in (2, 1) for threshold in (0.9, 0.95, 0.99)]
States = list[Float[np.ndarray, "n d_l"]]


@dataclass(frozen=True)
class Probe:
    """What every model is asked: documents, two crops of each, and sets of sentence pairs."""

    documents: Documents
    pairs: Pairs
    sets: Sequence[Sts]
    kernel: Kernel
    of: int  # documents of the corpus

    @property
    def texts(self) -> list[str]:
        """Each once, the documents first."""
        return list(dict.fromkeys([*self.documents.texts, *self.pairs[0], *self.pairs[1]]))


def probe(
    documents: Documents, texts: int = 1000, sets: Sequence[Sts] = (), kernel: Kernel = "linear", seed: int = 0
) -> Probe:
    """At most `texts` documents, labelled ones first, drawn by the seed, each once; and their crops.

    Raises ValueError for fewer than 4 texts, and DataError for a corpus that has fewer.
    """
    if texts < FEWEST:
        raise ValueError(f"--texts is {FEWEST} or more, for CKA and ranks need as many; got {texts}")
    chosen = documents
    if len(chosen) > texts:
        chosen = chosen.select(thinned(len(chosen), chosen.labels, texts, seed))
    chosen = chosen.unique()
    if len(chosen) < FEWEST:
        raise DataError(
            f"{documents.name} has {counted(len(chosen), 'different document')}, and CKA needs {FEWEST} at least"
        )
    return Probe(chosen, crop_pairs(chosen.texts, seed=seed), sets, kernel, len(documents))


def analyse(
    models: Mapping[str, Encoder],
    asked: Probe,
    against: Mapping[str, str],
    paths: Mapping[str, str],
    say: Callable[[str], None] = lambda line: None,
) -> Analysis:
    """Every model on the same probe, and the change of those that `against` names another one of `models` for.

    `paths` are what the models are called in full; `say` is told what is done. Raises ValueError for embeddings that
    are no numbers, and if there is no model.
    """
    if not models:
        raise ValueError("an analysis is of one model or more; got none")
    notes, found, states = list[str](), dict[str, Anatomy](), dict[str, States]()
    for name, encoder in models.items():
        say(f"{name}: looking at {counted(len(asked.texts), 'text')}")
        found[name], states[name], judgement, told = _anatomy(name, paths[name], encoder, asked, say)
        notes += told
    for name, other in against.items():
        change, told = _change(name, other, models, states, asked.kernel)
        found[name] = replace(found[name], change=change)
        notes += told
    notes = list(dict.fromkeys([*judgement.notes, *notes]))
    counts = len(asked.documents), asked.of, judgement.labelled, judgement.pairs
    return Analysis(asked.documents.name, *counts, asked.kernel, [*found.values()], notes)


def _anatomy(
    name: str, path: str, encoder: Encoder, asked: Probe, say: Callable[[str], None]
) -> tuple[Anatomy, States, Judgement, list[str]]:
    texts, n = asked.texts, len(asked.documents)
    samples = encoder.prepare(texts)
    layers = hidden(encoder, samples) if _seen(encoder) else []
    shown = layers if len(layers) > 1 else []
    rows = {name: encoder.embed(samples), **{f"{name}, layer {i}": x for i, x in enumerate(shown)}}
    judgement = judge({row: looking(texts, x) for row, x in rows.items()}, asked.documents, asked.pairs, ASKED)
    sts = _sts(name, encoder, asked.sets, len(shown), say)
    told, notes = _told(name, path, encoder, rows, layers, judgement, sts, n, asked.kernel)
    return told, [x[:n] for x in layers], judgement, notes


def _told(
    name: str,
    path: str,
    encoder: Encoder,
    rows: Mapping[str, Float[np.ndarray, "n d"]],
    layers: States,
    judgement: Judgement,
    sts: Sequence[Mapping[str, float | None]],
    n: int,
    kernel: Kernel,
) -> tuple[Anatomy, list[str]]:
    """What there is to say of rows, those of the model and of each of its layers, of which the first n are shown."""
    shown = len(rows) > 1
    judged = [
        Layer(x.shape[1], {**_kept(judgement.scores[row]), **_shape(x[:n]), **more}, _kept(judgement.errors[row]))
        for (row, x), more in zip(rows.items(), sts, strict=True)
    ]
    states = [x[:n] for x in layers]
    alike, notes = _similar(f"{name}, layers beside layers", states, states, kernel) if shown else (None, [])
    spectra, ranks = _ranks(rows[name][:n])
    found = Anatomy(
        name=name,
        model=path,
        n=n,
        dim=encoder.dim,
        pooling=getattr(encoder, "pooling", None) or ("mean" if layers else ""),
        scores=judged[0].scores,
        errors=judged[0].errors,
        ranks=ranks,
        spectra=spectra,
        layers=judged[1:],
        alike=alike,
        off_diagonal=similarity.mean_off_diagonal(np.array(alike)) if alike else None,
    )
    return found, [*_about(found, len(layers)), *notes]


@dataclass(frozen=True)
class _Numbered:
    """Things that are judged by their number, with their labels."""

    texts: Any
    labels: Sequence[str | None] | None


def analyse_graphs(
    models: Mapping[str, Encoder],
    graphs: Graphs,
    against: Mapping[str, str],
    paths: Mapping[str, str],
    most: int = 1000,
    kernel: Kernel = "linear",
    seed: int = 0,
    say: Callable[[str], None] = lambda line: None,
) -> Analysis:
    """As `analyse`, of networks for graphs, on at most so many graphs, labelled ones first.

    A layer is the mean over a graph's nodes. Raises ValueError for another encoder, DataError for fewer than 4 graphs.
    """
    if len(graphs) < FEWEST or most < FEWEST:
        raise DataError(f"CKA and ranks need {FEWEST} graphs at least; got {min(len(graphs), most)}")
    chosen = graphs if len(graphs) <= most else graphs.select(thinned(len(graphs), graphs.labels, most, seed))
    n, notes, found, states = len(chosen), list[str](), dict[str, Anatomy](), dict[str, States]()
    for name, encoder in models.items():
        say(f"{name}: looking at {n:,} graphs")
        if not isinstance(encoder, GraphNetwork):
            raise ValueError(f"{paths[name]} is no network for graphs, and the others are")
        samples = list(chosen.told_by(encoder.features).items)
        states[name] = hidden(encoder, samples)
        rows = {name: encoder.embed(samples), **{f"{name}, layer {i}": x for i, x in enumerate(states[name])}}
        looks: dict[str, Any] = {row: (lambda asked, x=x: x[np.asarray(asked)]) for row, x in rows.items()}
        judgement = judge(looks, _Numbered(range(n), chosen.labels), only=("knn",))
        nothing: list[dict[str, float | None]] = [{} for _ in rows]
        found[name], told = _told(name, paths[name], encoder, rows, states[name], judgement, nothing, n, kernel)
        notes += [line.replace("documents", "graphs").replace("tokens", "nodes") for line in told]
    for name, other in against.items():
        change, told = _change(name, other, models, states, kernel)
        found[name] = replace(found[name], change=change)
        notes += told
    notes = list(dict.fromkeys([*(line.replace("document", "graph") for line in judgement.notes), *notes]))
    return Analysis(graphs.name, n, len(graphs), judgement.labelled, 0, kernel, [*found.values()], notes)


def _seen(encoder: Encoder) -> bool:
    """Whether an encoder shows its layers."""
    try:
        return bool(encoder.layers)
    except ValueError:
        return False


def _about(found: Anatomy, layers: int) -> list[str]:
    """What a person should know of a model before its numbers."""
    notes = []
    if layers < 2:
        why = "has one layer" if layers else "shows no layers, for it is run by sentence-transformers"
        notes.append(f"{found.name} {why}: what is said layer by layer is left out of it.")
    elif found.pooling != "mean":
        notes.append(f"{found.name} pools by {found.pooling}; its layers are pooled by the mean over tokens.")
    if found.n < found.dim:
        notes.append(
            f"{found.name}: {counted(found.n, 'document')} in {counted(found.dim, 'dimension')}; no rank "
            f"can be above {found.bound:,}."
        )
    return notes


def _kept(scores: Mapping[str, float | None] | None) -> dict[str, float | None]:
    return {metric: (scores or {}).get(metric) for metric in ASKED}


def _shape(x: Float[np.ndarray, "n d"]) -> dict[str, float | None]:
    """What a cloud of vectors is like, whatever they mean."""
    found = {
        "effective_rank": rank.effective_rank(x),
        "mean_cosine": mean_cosine(x.astype(np.float64)),
        "isotropy": isotropy(x),
    }
    return {metric: float(value) for metric, value in found.items()}


def _ranks(x: Float[np.ndarray, "n d"]) -> tuple[dict[str, list[float]], list[Rank]]:
    """Singular values of unit rows, as they are and centred, and the ranks that they have."""
    plain, centred = (rank.spectrum(x, centred) for centred in (False, True))
    effective = Rank("effective rank", *(float(rank.effective_of(sigma)) for sigma in (plain, centred)))
    energies = [
        Rank(
            f"energy rank, {100 * threshold:g} % of {'σ²' if power == 2 else 'σ'}",
            *(rank.energy_of(sigma, threshold, power) for sigma in (plain, centred)),
        )
        for threshold, power in ENERGIES
    ]
    return {"plain": plain.tolist(), "centred": centred.tolist()}, [effective, *energies]


def _sts(
    name: str, encoder: Encoder, sets: Sequence[Sts], layers: int, say: Callable[[str], None]
) -> list[dict[str, float | None]]:
    """Of the model and of each layer: the score of each set, and the mean of the sets that are there."""
    found: list[dict[str, float | None]] = [{} for _ in range(1 + layers)]
    for each in sets:
        say(f"{name}: looking at {counted(len(each.texts), 'text')} of {each.name}")
        texts = list(dict.fromkeys(each.texts))
        samples = encoder.prepare(texts)
        rows = [encoder.embed(samples), *(hidden(encoder, samples) if layers else [])]
        for scores, x in zip(found, rows, strict=True):
            lines = {line.task: line.value for line in each.score(looking(texts, x))}
            scores[f"sts/{each.name}"] = lines[each.name]
    for scores in found if sets else ():
        scores["sts"] = float(np.mean([x for x in scores.values() if x is not None]))
    return found


def _change(
    name: str, other: str, models: Mapping[str, Encoder], states: Mapping[str, States], kernel: Kernel
) -> tuple[Change, list[str]]:
    mine, theirs = states[name], states[other]
    if not mine or not theirs:
        return Change(other), []  # it was said that one of them shows no layers
    across, notes = _similar(f"{name} beside {other}", mine, theirs, kernel)
    if len(mine) != len(theirs):
        notes.append(
            f"{name} has {counted(len(mine), 'layer')} and {other} {len(theirs)}: no layer is the same as "
            "one of the other, so "
            "the change of each layer is left out."
        )
        return Change(other, across=across), notes
    moved, told = _moved(f"{name} beside {other}", models[name], models[other])
    return Change(other, moved, np.diag(np.array(across)).tolist() if across else None, across), [*notes, *told]


def _moved(what: str, mine: Encoder, theirs: Encoder) -> tuple[list[float | None] | None, list[str]]:
    """The relative change of each layer's weights; or why there is none. None is a layer that was all zeros."""
    try:
        moved = weights.changes(mine.layers, theirs.layers)
    except ValueError as error:
        return None, [f"{what}: how far weights moved is left out, for {error}."]
    return [x if np.isfinite(x) else None for x in moved], []


def _similar(what: str, mine: States, theirs: States, kernel: Kernel) -> tuple[Numbers | None, list[str]]:
    """CKA of layers with layers, debiased; or why there is none, as where the vectors of a layer are all the same."""
    try:
        return similarity.table(mine, None if mine is theirs else theirs, kernel).tolist(), []
    except ValueError as error:
        return None, [f"{what}: left out, for {error}."]
