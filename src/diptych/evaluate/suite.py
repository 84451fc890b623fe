"""Every task on every row: one table, with what a person should know of it."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any, Protocol

import numpy as np
from jaxtyping import Int
from scipy import sparse

from diptych.evaluate.clustering import v_measure
from diptych.evaluate.crops import Pairs, alignment, crop_retrieval, sampled, uniformity
from diptych.evaluate.knn import K, knn
from diptych.evaluate.linear import linear
from diptych.evaluate.score import Paired, Score, paired
from diptych.evaluate.split import labelled, split
from diptych.evaluate.tfidf import TfIdf
from diptych.measure.rows import Rows
from diptych.plural import counted

Encode = Callable[[Sequence[str]], Rows]

WITH_LABELS = ("knn", "knn_cosine", "linear", "v_measure")
WITHOUT = ("crop_retrieval", "alignment", "uniformity")
METRICS = (*WITH_LABELS, *WITHOUT)
FEWEST = 20  # labelled documents below which a tenth of them says nothing


class Labelled(Protocol):
    """Documents to judge on, or numbers of other things."""

    @property
    def texts(self) -> Sequence[Any]: ...

    @property
    def labels(self) -> Sequence[str | None] | None: ...


@dataclass(frozen=True)
class Questions:
    """What every row is asked: labelled documents, their split, and pairs of crops."""

    texts: Sequence[str]
    classes: Int[np.ndarray, " n"]
    train: Int[np.ndarray, " train"]
    test: Int[np.ndarray, " test"]
    pairs: Pairs
    metrics: Sequence[str]  # those that can be asked


@dataclass
class Judgement:
    """`scores[row][metric]`, standard errors and seconds likewise; null where there is none.

    `paired[metric][row]` is the first row less that one, on the same items. `documents`, `labelled`,
    `classes` and `test` are counts; `pairs` is that of crops; `notes` are sentences for a person.
    """

    documents: int
    labelled: int
    classes: int
    test: int
    pairs: int
    scores: dict[str, dict[str, float | None] | None] = field(default_factory=dict)
    errors: dict[str, dict[str, float | None] | None] = field(default_factory=dict)
    seconds: dict[str, dict[str, float] | None] = field(default_factory=dict)
    paired: dict[str, dict[str, Paired]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def judge(
    rows: Mapping[str, Encode | None],
    documents: Labelled,
    pairs: Pairs = ([], []),
    only: Sequence[str] | None = None,
    seed: int = 0,
    noun: str = "document",
) -> Judgement:
    """Scores each row, a way to turn texts into numbers, on documents and on two crops of each.

    A row encodes the documents once. A row that is None stays None. Without labels, the metrics that
    need them are None. `only` names the metrics wanted, of METRICS; the others are None. `noun` is what a document is
    called in notes.
    Raises ValueError for an unknown metric, and for embeddings that are not numbers or not one per text.
    """
    questions, judgement = _questions(documents, pairs, _wanted(only), seed, noun)
    scores: dict[str, dict[str, Score]] = {}
    for name, encode in rows.items():
        if isinstance(encode, TfIdf):
            encode = _fitted(encode, documents, judgement.notes)
        judgement.scores[name] = judgement.errors[name] = judgement.seconds[name] = None
        if encode is None:
            continue
        scores[name], judgement.seconds[name] = _scores(name, encode, questions, seed)
        judgement.scores[name] = {m: s.value if (s := scores[name].get(m)) else None for m in METRICS}
        judgement.errors[name] = {m: s.error if (s := scores[name].get(m)) else None for m in METRICS}
    judgement.paired = _paired(scores, seed)
    return judgement


def _wanted(only: Sequence[str] | None) -> tuple[str, ...]:
    for name in only or ():
        if name not in METRICS:
            near = get_close_matches(name, METRICS, 1, 0)
            raise ValueError(f"there is no metric {name!r}; the nearest is {near[0]!r}, all are {', '.join(METRICS)}")
    return tuple(m for m in METRICS if only is None or m in only)


def _questions(
    documents: Labelled, pairs: Pairs, wanted: Sequence[str], seed: int, noun: str
) -> tuple[Questions, Judgement]:
    texts, labels = documents.texts, documents.labels or ()
    places = labelled(labels)
    names, classes = np.unique([str(labels[i]) for i in places], return_inverse=True)
    pairs, notes = sampled(pairs, seed), []
    train = test = np.empty(0, np.int64)
    if set(WITH_LABELS) & set(wanted):
        reason = _too_few(len(places), len(names), noun, [m for m in wanted if m in WITHOUT])
        if not reason:
            train, test = split(len(places))
        notes += [reason] if reason else _of_the_split(names, classes, train, test, noun)
    if set(WITHOUT) & set(wanted) and len(pairs[0]) < 2:
        notes.append(f"{counted(len(pairs[0]), 'pair')} of crops: {_and(WITHOUT)} need at least 2.")
    asked = {*(WITH_LABELS if len(test) else ()), *(WITHOUT if len(pairs[0]) > 1 else ())}
    about = texts if len(places) == len(texts) else [texts[i] for i in places]
    questions = Questions(about, classes, train, test, pairs, [m for m in wanted if m in asked])
    return questions, Judgement(len(texts), len(places), len(names), len(test), len(pairs[0]), notes=notes)


def _too_few(labelled: int, classes: int, noun: str, rest: Sequence[str]) -> str | None:
    """Why nothing is asked that needs labels, and what then is; None where there are enough of them."""
    only = f"only {_and(rest)}" if rest else "nothing is asked that needs them"
    if labelled == 0:
        return f"No labels: {only}."
    if labelled < FEWEST:
        why = f"{counted(labelled, f'labelled {noun}')}, fewer than {FEWEST}: a tenth of them says nothing"
        return f"{why}, so {only}."
    if classes == 1:
        return f"One class only, so nothing can be told apart: {only}."
    return None


def _of_the_split(
    names: np.ndarray,
    classes: Int[np.ndarray, " n"],
    train: Int[np.ndarray, " train"],
    test: Int[np.ndarray, " test"],
    noun: str,
) -> list[str]:
    alone = int((np.bincount(classes, minlength=len(names)) == 1).sum())
    unseen = int((~np.isin(classes[test], classes[train])).sum())
    notes = []
    if alone:
        notes.append(f"{counted(alone, 'class')} of one {noun} cannot be in both parts.")
    if unseen:
        notes.append(f"{counted(unseen, f'test {noun}')} of a class with no training {noun}: none can be right.")
    if len(train) < K:
        notes.append(f"{counted(len(train), f'training {noun}')}, fewer than k = {K}: all of them vote.")
    return notes


def _and(names: Sequence[str]) -> str:
    return " and ".join(part for part in (", ".join(names[:-1]), names[-1]) if part)


def _fitted(row: TfIdf, documents: Labelled, notes: list[str]) -> TfIdf | None:
    try:
        return row if row.fitted else row.fit(documents.texts)
    except ValueError as error:
        notes.append(f"{error}.")
        return None


def _scores(name: str, encode: Encode, questions: Questions, seed: int) -> tuple[dict[str, Score], dict[str, float]]:
    """Every metric that can be asked, and its seconds; those of encoding are "encode"."""
    scores, seconds, clock = {}, {}, time.perf_counter()

    def lap(what: str) -> None:
        nonlocal clock
        now = time.perf_counter()
        seconds[what], clock = now - clock, now

    rows: Rows = np.empty((0, 0))
    a = b = rows
    if set(WITH_LABELS) & set(questions.metrics):
        rows = encoded(name, encode, questions.texts)
    if set(WITHOUT) & set(questions.metrics):
        one, other = questions.pairs
        crops = encoded(name, encode, [*one, *other])
        a, b = crops[: len(one)], crops[len(one) :]
    lap("encode")
    parts = questions.classes, questions.train, questions.test
    tasks: dict[str, Callable[[], Score]] = {
        "knn": lambda: knn(rows, *parts),
        "knn_cosine": lambda: knn(rows, *parts, cosine=True),
        "linear": lambda: linear(rows, *parts, seed=seed),
        "v_measure": lambda: v_measure(rows, questions.classes, seed),
        "crop_retrieval": lambda: crop_retrieval(a, b),
        "alignment": lambda: alignment(a, b),
        "uniformity": lambda: uniformity(a, b),
    }
    for metric in questions.metrics:
        scores[metric] = tasks[metric]()
        lap(metric)
    return scores, seconds


def encoded(name: str, encode: Encode, texts: Sequence[str]) -> Rows:
    """Finite rows, one per text, as an array or a sparse matrix. Raises ValueError if they are not that."""
    rows: Rows = given.tocsr() if sparse.issparse(given := encode(texts)) else np.asarray(given)
    if rows.ndim != 2 or rows.shape[0] != len(texts):
        raise ValueError(
            f"{name} gave embeddings of shape {rows.shape} for {counted(len(texts), 'text')}; one row each is due"
        )
    if sparse.issparse(rows):
        bad = len(np.unique(rows.tocoo().row[~np.isfinite(rows.data)]))
    else:
        bad = int((~np.isfinite(rows)).any(1).sum())
    if bad:
        raise ValueError(
            f"{name} gave NaN or infinite embeddings for {bad} of {counted(len(texts), 'text')}: "
            "the model diverged; train it with a lower learning rate"
        )
    return rows


def _paired(scores: Mapping[str, Mapping[str, Score]], seed: int) -> dict[str, dict[str, Paired]]:
    """The first row against each other one, where both say what was right."""
    first, *others = scores or [""]
    return {
        metric: {
            other: paired(score.right, right, seed)
            for other in others
            if (right := scores[other][metric].right) is not None
        }
        for metric, score in scores.get(first, {}).items()
        if score.right is not None
    }
