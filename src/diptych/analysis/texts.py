"""Models of texts from inside, on a probe of documents.

Layers are pooled by the mean over tokens, whatever the model does with its last one.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from diptych.analysis.model import ASKED, States, anatomy, compared
from diptych.core import DataError, Encoder
from diptych.data.documents import Documents
from diptych.data.pairs import crop_pairs
from diptych.encoders.hidden import hidden
from diptych.evaluate.asked import looking
from diptych.evaluate.crops import Pairs
from diptych.evaluate.split import thinned
from diptych.evaluate.suite import Judgement, judge
from diptych.evaluate.suites.sts import Sts
from diptych.measure.similarity import FEWEST, Kernel
from diptych.plural import counted
from diptych.report.anatomy import Analysis, Anatomy


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
        change, told = compared(name, other, models, states, asked.kernel)
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
    told, notes = anatomy(name, path, encoder, rows, layers, judgement, sts, n, asked.kernel)
    return told, [x[:n] for x in layers], judgement, notes


def _seen(encoder: Encoder) -> bool:
    """Whether an encoder shows its layers."""
    try:
        return bool(encoder.layers)
    except ValueError:
        return False


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
