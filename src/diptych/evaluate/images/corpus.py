"""A corpus of pictures as tasks."""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import numpy as np
from jaxtyping import Int

from diptych.core import DataError, Transform
from diptych.data.images.item import Part
from diptych.data.images.store import DEPTH, MASK, Pictures
from diptych.data.stored import UNKNOWN
from diptych.evaluate.images import arrays, depth, segmentation
from diptych.evaluate.images.classes import Classes
from diptych.evaluate.images.invariance import Invariance
from diptych.evaluate.images.task import PictureTask
from diptych.evaluate.split import labelled, split, thinned, train_only
from diptych.plural import counted

MOST = 30_000  # pictures that are judged
FEWEST = 20  # labelled pictures, below which a tenth of them says nothing
AUGMENTED = 500  # pictures that are augmented
MAPPED = 200  # pictures of a part whose masks and depths are asked
OF_MAPS = {MASK: "segmentation", DEPTH: "depth"}


def tasks(
    corpus: Pictures, augment: Transform, seed: int = 0, grid: bool = False
) -> tuple[list[PictureTask], list[str]]:
    """What a corpus can ask, and what a person should know of that; with `grid`, classes by a grid of heads too.

    Asked are the classes of its test part (of a random tenth of its labelled pictures, where it has no parts), masks
    and depths of that part where it has such, and how little augmentations are minded.
    """
    name, notes = arrays.named(corpus), []
    if len(corpus) > MOST:
        how = "evenly taken" if _too_few(corpus) else "drawn at random"
        notes.append(f"Judged on {MOST:,} of {counted(len(corpus), 'picture')}, {how}.")
        corpus = corpus.select(_some(corpus, seed))
    found: list[PictureTask] = []
    parted = corpus
    if reason := _too_few(corpus):
        notes.append(reason)
    elif _in_parts(corpus):
        found.append(Classes(arrays.labels(corpus), grid, seed=seed))
    else:
        rows = labelled(corpus.labels)
        learned, asked = (rows[part] for part in split(len(rows)))
        if len(corpus.part("test")):
            notes.append("No class of the training part is in the test part, so the parts are not asked.")
        notes.append(f"The test pictures are a random tenth of the labelled ones, {len(asked):,}.")
        found.append(replace(_classes(corpus, learned, asked, seed), grid=grid))
        parted = corpus if len(corpus.part("train")) and len(corpus.part("test")) else _parted(corpus, learned, asked)
    found += _maps(parted, seed, notes)
    some = np.sort(np.random.default_rng(seed).permutation(len(corpus))[:AUGMENTED]).tolist()
    if len(some) > 1:
        found.append(Invariance(name, [corpus.picture(i) for i in some], augment, seed=seed))
    return found, notes


def _some(corpus: Pictures, seed: int) -> Int[np.ndarray, " n"]:
    """Where the MOST that are judged lie: a test picture is one of all, and what is parted by order stays in order."""
    if _too_few(corpus):
        return np.arange(MOST) * len(corpus) // MOST
    return thinned(len(corpus), corpus.labels, MOST, seed)


def never_asked(corpus: Pictures) -> Int[np.ndarray, " n"]:
    """The places of the pictures that no task asks for their class, mask or depth."""
    n, test = len(corpus), corpus.part("test")
    kept = np.arange(n)
    if not _too_few(corpus) and not _in_parts(corpus):
        kept = train_only(n, corpus.labels)
    elif corpus.flat and not (len(test) and len(corpus.part("train"))):
        kept = kept[: math.floor(arrays.BY_ORDER["test"][0] * n)]
    return np.setdiff1d(kept, test)


def _too_few(corpus: Pictures) -> str | None:
    labels = [label for label in corpus.labels or () if label is not None]
    if not labels:
        return "No labels, so no classes are asked."
    if len({*labels}) < 2:
        return "One class only, so nothing can be told apart."
    if len(labels) < FEWEST:
        return f"{counted(len(labels), 'labelled picture')}, fewer than {FEWEST}: a tenth of them says nothing."
    return None


def _in_parts(corpus: Pictures) -> bool:
    """Whether classes can be asked by the parts of a corpus."""
    labels = np.array([label or "" for label in corpus.labels or ()])
    train, test = ({*labels[corpus.part(part)]} - {""} for part in ("train", "test"))
    return len(train) > 1 and bool(train & test)


def _classes(corpus: Pictures, learned: Int[np.ndarray, " n"], asked: Int[np.ndarray, " m"], seed: int) -> Classes:
    """By the random tenth that all tasks share."""
    labels = np.array([label or "" for label in corpus.labels or ()])
    places = {"train": learned, "test": asked}
    pictures = {part: [corpus.picture(i) for i in there.tolist()] for part, there in places.items()}
    truth = {part: labels[there] for part, there in places.items()}
    return Classes(arrays.Known(arrays.named(corpus), pictures, truth), seed=seed)


def _parted(corpus: Pictures, learned: Int[np.ndarray, " n"], asked: Int[np.ndarray, " m"]) -> Pictures:
    """The same corpus, with these pictures as its parts."""
    rows = np.arange(len(corpus)) if corpus.rows is None else corpus.rows
    parts = np.full_like(corpus.index.parts, UNKNOWN)
    parts[rows[learned]], parts[rows[asked]] = (get_args(Part).index(part) for part in ("train", "test"))
    return replace(corpus, index=replace(corpus.index, parts=parts))


def _maps(corpus: Pictures, seed: int, notes: list[str]) -> Sequence[PictureTask]:
    """Segmentation and depth, as far as there is something to learn and to ask; else why not."""
    found: list[PictureTask] = []
    for kind, task in ((MASK, segmentation.task), (DEPTH, depth.task)):
        if kind not in corpus.flat:
            continue
        try:
            found.append(replace(task(corpus, most=MAPPED), seed=seed))
        except DataError as error:
            notes.append(f"No {OF_MAPS[kind]}: {error}.")
    return found
