"""Which checkpoint of which run? Proxies that need no labels, and how far each of them agrees with labels here.

    crop_retrieval   how often the other crop of a document is the nearest             higher
    alignment        squared distance of two crops of a document (arXiv:2005.10242)    lower
    uniformity       how evenly directions are spread (arXiv:2005.10242)               lower
    both             alignment + uniformity                                            lower
    effective_rank   exp of the entropy of squared singular values                     higher
    rank_phase       1 - the part of the run between this step and that of the run's highest effective rank
    stability        overlap of 10 nearest neighbours with those of the checkpoint before

None of them is known to be right: where there are labels, Spearman's correlations say how each did, beside the number
of steps, which any good proxy should beat.

Shapes: n documents, c checkpoints, k neighbours, d width of an embedding.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import groupby
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from diptych import encoders
from diptych.data.documents import Documents
from diptych.data.pairs import crop_pairs
from diptych.evaluate import asked
from diptych.evaluate.crops import Pairs, alignment, crop_retrieval, uniformity
from diptych.evaluate.knn import knn
from diptych.evaluate.split import labelled, split, thinned
from diptych.evaluate.suite import FEWEST, Encode, encoded
from diptych.evaluate.task import Task
from diptych.measure.correlation import spearman
from diptych.measure.neighbours import neighbours
from diptych.measure.rank import effective_rank
from diptych.plural import counted
from diptych.runs import Run

HIGHER = {
    "crop_retrieval": True,
    "alignment": False,
    "uniformity": False,
    "both": False,
    "effective_rank": True,
    "rank_phase": True,
    "stability": True,
}
JUDGED = (*HIGHER, "step")  # what is compared with labels: the proxies, and the plain rule to train on
LABELS = ("knn", "sts")
K = 10  # neighbours
LEAST = 3  # checkpoints of a correlation
Near = Int[np.ndarray, "n k"]


@dataclass
class Checkpoint:
    """An encoder on disk, after so many steps of a run; `scores` has its proxies, and what labels say of it."""

    run: str
    step: int
    folder: Path
    scores: dict[str, float] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return f"{self.run} {self.step}"


@dataclass(frozen=True)
class Correlation:
    """Spearman's, of a proxy (turned so that higher is better) with labelled scores.

    `within` is its mean over `runs` that have three checkpoints or more and a proxy that is not constant there,
    `spread` the standard deviation over them; `overall` is over all `n` checkpoints. None where there is none.
    """

    within: float | None
    spread: float | None
    runs: int
    overall: float | None
    n: int


@dataclass(frozen=True)
class Questions:
    """What every checkpoint is asked: documents, those of them that the proxies see, crops, labels and tasks."""

    documents: Documents
    seen: Int[np.ndarray, " m"]
    pairs: Pairs
    tasks: Sequence[Task] = ()
    notes: Sequence[str] = ()

    @property
    def labels(self) -> bool:
        """Whether there are enough labels for k-NN."""
        names = [x for x in self.documents.labels or () if x is not None]
        return len(names) >= FEWEST and len({*names}) > 1


def checkpoints(run: Run) -> list[Checkpoint]:
    """The snapshots of a run in the order of their steps, and its model where no snapshot is of the last step."""
    there = run.snapshots.glob("[0-9]*") if run.snapshots.is_dir() else ()
    found = [Checkpoint(run.name, int(path.name), path) for path in sorted(there)]
    last = int(run.call.get("steps", 0))
    if run.learned and last not in [each.step for each in found]:
        found.append(Checkpoint(run.name, last, run.model))
    return found


def questions(
    documents: Documents, held_out: bool, most: int = 5000, tasks: Sequence[Task] = (), seed: int = 0
) -> Questions:
    """What checkpoints are asked of `most` documents, labelled ones first.

    `held_out` says that the runs have learned nothing from the tenth that k-NN tests on (--train-only): the proxies
    then see that tenth alone. Raises ValueError for fewer than two documents that can be cropped.
    """
    notes = []
    if len(documents) > most:
        notes.append(f"{most:,} of {counted(len(documents), 'document')}, drawn at random")
        documents = documents.select(thinned(len(documents), documents.labels, most, seed))
    seen, places = np.arange(len(documents)), labelled(documents.labels)
    if held_out and len(places) >= FEWEST:
        seen = places[split(len(places))[1]]
        notes.append(f"proxies are of {counted(len(seen), 'document')} that the runs did not learn from")
    else:
        notes.append("the runs may have learned from these documents; --train-only, or another --corpus, keeps some")
    pairs = crop_pairs([documents.texts[int(i)] for i in seen], seed=seed)
    if len(pairs[0]) <= K:
        raise ValueError(
            f"{counted(len(pairs[0]), 'document')} can be cropped; {K + 1} are needed to rank checkpoints by"
        )
    return Questions(documents, seen, pairs, tasks, notes)


def measure(
    run: Run,
    found: Sequence[Checkpoint],
    asking: Questions,
    watch: Callable[[Checkpoint], None] = lambda checkpoint: None,
) -> None:
    """Fills in the scores of a run's checkpoints. The first is compared with what the run started from."""
    before: Near | None = None
    if run.start.is_dir():
        start = encoders.load(run.start).encode
        before = _near(_encoded(str(run.start), start, asking.documents.texts)[asking.seen])
    for each in found:
        encode = partial(_encoded, str(each.folder), encoders.load(each.folder).encode)
        rows = encode(asking.documents.texts)
        near = _near(rows[asking.seen])
        each.scores |= {"step": each.step, **_proxies(encode, rows[asking.seen], asking)}
        if before is not None:
            each.scores["stability"] = overlap(before, near)
        each.scores |= _of_labels(encode, rows, asking)
        before = near
        watch(each)
    _add_phase(found)


def _encoded(name: str, encode: Encode, texts: Sequence[str]) -> Float[np.ndarray, "n d"]:
    return np.asarray(encoded(name, encode, texts))


def _proxies(encode: Encode, rows: Float[np.ndarray, "n d"], asking: Questions) -> dict[str, float]:
    one, other = asking.pairs
    crops = encode([*one, *other])
    a, b = crops[: len(one)], crops[len(one) :]
    scores = {"crop_retrieval": crop_retrieval(a, b), "alignment": alignment(a, b), "uniformity": uniformity(a, b)}
    told = {name: score.value for name, score in scores.items()}
    told["both"] = told["alignment"] + told["uniformity"]
    return told | {"effective_rank": float(effective_rank(rows, centred=False, unit=True))}


def _of_labels(encode: Encode, rows: Float[np.ndarray, "n d"], asking: Questions) -> dict[str, float]:
    told: dict[str, float] = {}
    if asking.labels:
        places = labelled(asking.documents.labels)
        names = [(asking.documents.labels or ())[int(i)] for i in places]
        score = knn(rows[places], np.unique(np.array(names, str), return_inverse=True)[1], *split(len(places)))
        told = {"knn": score.value, "knn_error": score.error or 0.0}
    if asking.tasks:
        lines = asked.run(asking.tasks, encode).results
        told["sts"] = float(np.mean([line.value for line in lines if line.main]))
    return told


def _near(rows: Float[np.ndarray, "n d"]) -> Near:
    """The K nearest other rows of each, by cosine."""
    found, own = neighbours(rows, rows, K + 1, cosine=True)[0], np.arange(len(rows))[:, None]
    itself = found == own
    itself[~itself.any(1), K] = True  # among equal rows its own may be further down
    return found[~itself].reshape(len(rows), K)


def overlap(a: Near, b: Near) -> float:
    """The mean part of each row's neighbours that are in both."""
    return float((a[:, :, None] == b[:, None, :]).any(2).mean())


def _add_phase(found: Sequence[Checkpoint]) -> None:
    """How near to the highest effective rank of the run, in steps."""
    peak = max(found, key=lambda each: each.scores["effective_rank"]).step
    length = max(1, found[-1].step - found[0].step)
    for each in found:
        each.scores["rank_phase"] = 1 - abs(each.step - peak) / length


# ---------------------------------------------------------------- what they say


def turned(found: Sequence[Checkpoint], proxy: str) -> Float[np.ndarray, " c"]:
    """A proxy so that higher is better; NaN where it is not there."""
    values = np.array([each.scores.get(proxy, np.nan) for each in found])
    return values if HIGHER.get(proxy, True) else -values


def suggestions(found: Sequence[Checkpoint]) -> dict[str, Checkpoint]:
    """The checkpoint that each proxy is best for; none, where a proxy is the same for all, or missing."""
    told = {}
    for proxy in JUDGED:
        values = turned(found, proxy)
        if np.isfinite(values).any() and np.nanmax(values) > np.nanmin(values):
            told[proxy] = found[int(np.nanargmax(values))]
    return told


def places(found: Sequence[Checkpoint]) -> list[float]:
    """The mean place of each checkpoint over proxies, from 1; all count alike, for none is known to be better."""
    from scipy.stats import rankdata

    each = [rankdata(np.nan_to_num(-turned(found, proxy), nan=np.inf)) for proxy in HIGHER]
    return [float(x) for x in np.mean(each, axis=0)]


def correlations(found: Sequence[Checkpoint], label: str) -> dict[str, Correlation]:
    """How each proxy orders checkpoints as a labelled score does, within runs and over all."""
    return {proxy: _correlation(found, proxy, label) for proxy in JUDGED}


def _correlation(found: Sequence[Checkpoint], proxy: str, label: str) -> Correlation:
    ordered = sorted(found, key=lambda each: each.run)
    of_runs = [_rho([*part], proxy, label) for _, part in groupby(ordered, key=lambda each: each.run)]
    within = [rho for rho in of_runs if rho is not None]
    spread = float(np.std(within, ddof=1)) if len(within) > 1 else None
    mean = float(np.mean(within)) if within else None
    return Correlation(mean, spread, len(within), _rho(found, proxy, label), len(found))


def _rho(found: Sequence[Checkpoint], proxy: str, label: str) -> float | None:
    """None for fewer than three checkpoints, and where one side is constant and so orders nothing."""
    x, y = turned(found, proxy), np.array([each.scores.get(label, np.nan) for each in found])
    there = np.isfinite(x) & np.isfinite(y)
    x, y = x[there], y[there]
    return None if len(x) < LEAST or np.ptp(x) == 0 or np.ptp(y) == 0 else spearman(x, y)


def lost(found: Sequence[Checkpoint], chosen: Checkpoint, label: str) -> float:
    """What a checkpoint has less of a labelled score than the best one."""
    return max(each.scores[label] for each in found) - chosen.scores[label]


def same_corpus(told: Mapping[str, Mapping[str, object]]) -> str | None:
    """The corpus of runs, given their calls by name; None where none names documents. ValueError if they differ."""
    named = {}
    for run, call in told.items():
        arguments = call.get("arguments")
        if isinstance(arguments, Mapping) and call.get("documents_fingerprint", "?"):
            named[run] = (call.get("documents_fingerprint"), arguments.get("corpus"))
    corpora = {corpus if fingerprint is None else fingerprint: corpus for fingerprint, corpus in named.values()}
    if len(corpora) > 1:
        raise ValueError(
            f"the runs are of {counted(len(corpora), 'corpus', 'corpora')} ({', '.join(map(str, corpora.values()))}); "
            "say which one to rank them on: --corpus"
        )
    corpus = next(iter(corpora.values()), None)
    return corpus if isinstance(corpus, str) else None
