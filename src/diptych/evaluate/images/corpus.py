"""A corpus of pictures as tasks."""

from pathlib import PurePath

import numpy as np

from diptych.core import Transform
from diptych.data.images.store import Pictures
from diptych.evaluate.images.arrays import Known
from diptych.evaluate.images.classes import Classes
from diptych.evaluate.images.invariance import Invariance
from diptych.evaluate.images.task import PictureTask
from diptych.evaluate.split import labelled, split

MOST = 30_000  # pictures that are judged
FEWEST = 20  # labelled pictures, below which a tenth of them says nothing
AUGMENTED = 500  # pictures that are augmented


def tasks(corpus: Pictures, augment: Transform, seed: int = 0) -> tuple[list[PictureTask], list[str]]:
    """What a corpus can ask, and what a person should know of that: the classes of its test part (of a random tenth of
    its labelled pictures, where it has no parts), and how little augmentations are minded."""
    name, notes = PurePath(corpus.name).name.partition(".")[0] or "pictures", []
    if len(corpus) > MOST:
        notes.append(f"Judged on {MOST:,} of {len(corpus):,} pictures, drawn at random.")
        corpus = corpus.select(np.sort(np.random.default_rng(seed).permutation(len(corpus))[:MOST]))
    found: list[PictureTask] = []
    if reason := _too_few(corpus):
        notes.append(reason)
    else:
        found.append(_classes(name, corpus, seed, notes))
    some = np.sort(np.random.default_rng(seed).permutation(len(corpus))[:AUGMENTED]).tolist()
    if len(some) > 1:
        found.append(Invariance(name, [corpus.picture(i) for i in some], augment, seed=seed))
    return found, notes


def _too_few(corpus: Pictures) -> str | None:
    labels = [label for label in corpus.labels or () if label is not None]
    if not labels:
        return "No labels: only how little augmentations are minded."
    if len({*labels}) < 2:
        return "One class only, so nothing can be told apart."
    if len(labels) < FEWEST:
        return f"{len(labels)} labelled pictures, fewer than {FEWEST}: a tenth of them says nothing."
    return None


def _classes(name: str, corpus: Pictures, seed: int, notes: list[str]) -> Classes:
    labels = np.array([label or "" for label in corpus.labels or ()])
    places = {"train": corpus.part("train"), "val": corpus.part("val"), "test": corpus.part("test")}
    places = {part: rows[labels[rows] != ""] for part, rows in places.items()}
    given = len(places["train"]) and np.isin(labels[places["test"]], labels[places["train"]]).any()
    if not given or len(np.unique(labels[places["train"]])) < 2:
        rows = labelled(corpus.labels)
        train, test = split(len(rows))
        places = {"train": rows[train], "test": rows[test]}
        notes.append(f"The test pictures are a random tenth of the labelled ones, {len(test):,}.")
    places = {part: rows for part, rows in places.items() if len(rows)}
    pictures = {part: [corpus.picture(i) for i in rows.tolist()] for part, rows in places.items()}
    return Classes(Known(name, pictures, {part: labels[rows] for part, rows in places.items()}), seed=seed)
