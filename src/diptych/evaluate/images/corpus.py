"""A corpus of pictures as tasks."""

import numpy as np

from diptych.core import Transform
from diptych.data.images.store import Pictures
from diptych.evaluate.images import arrays
from diptych.evaluate.images.classes import Classes
from diptych.evaluate.images.invariance import Invariance
from diptych.evaluate.images.task import PictureTask
from diptych.evaluate.split import labelled, split
from diptych.plural import counted

MOST = 30_000  # pictures that are judged
FEWEST = 20  # labelled pictures, below which a tenth of them says nothing
AUGMENTED = 500  # pictures that are augmented


def tasks(corpus: Pictures, augment: Transform, seed: int = 0) -> tuple[list[PictureTask], list[str]]:
    """What a corpus can ask, and what a person should know of that: the classes of its test part (of a random tenth of
    its labelled pictures, where it has no parts), and how little augmentations are minded."""
    name, notes = arrays.named(corpus), []
    if len(corpus) > MOST:
        notes.append(f"Judged on {MOST:,} of {counted(len(corpus), 'picture')}, drawn at random.")
        corpus = corpus.select(np.sort(np.random.default_rng(seed).permutation(len(corpus))[:MOST]))
    found: list[PictureTask] = []
    if reason := _too_few(corpus):
        notes.append(reason)
    else:
        found.append(_classes(corpus, seed, notes))
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
        return f"{counted(len(labels), 'labelled picture')}, fewer than {FEWEST}: a tenth of them says nothing."
    return None


def _classes(corpus: Pictures, seed: int, notes: list[str]) -> Classes:
    """By the parts of a corpus, where they can be asked; else by the random tenth that all tasks share."""
    labels = np.array([label or "" for label in corpus.labels or ()])
    train, test = ({*labels[corpus.part(part)]} - {""} for part in ("train", "test"))
    if len(train) > 1 and train & test:
        return Classes(arrays.labels(corpus), seed=seed)
    rows = labelled(corpus.labels)
    places = dict(zip(("train", "test"), (rows[part] for part in split(len(rows))), strict=True))
    notes.append(f"The test pictures are a random tenth of the labelled ones, {len(places['test']):,}.")
    pictures = {part: [corpus.picture(i) for i in there.tolist()] for part, there in places.items()}
    truth = {part: labels[there] for part, there in places.items()}
    return Classes(arrays.Known(arrays.named(corpus), pictures, truth), seed=seed)
