"""Which documents are learned from and which are asked: one split for every task.

Source: arXiv:2508.03453, random 90/10 with random state 42 over labelled documents.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int


def labelled(labels: Sequence[str | None] | None) -> Int[np.ndarray, " n"]:
    """The places of the documents that have a label."""
    return np.fromiter((i for i, label in enumerate(labels or ()) if label is not None), np.int64)


def split(rows: int) -> tuple[Int[np.ndarray, " train"], Int[np.ndarray, " test"]]:
    """The places of training and test rows among `rows` labelled ones. Raises ValueError below 2 rows."""
    from sklearn.model_selection import train_test_split

    if rows < 2:
        raise ValueError(f"a split into two parts needs at least 2 labelled documents; got {rows}")
    train, test = train_test_split(np.arange(rows), test_size=0.1, random_state=42)
    return train, test


def train_only(documents: int, labels: Sequence[str | None] | None) -> Int[np.ndarray, " n"]:
    """The documents that a model may see when none that it is tested on may: all but the test part.

    Of fully labelled documents these are the 90 %; unlabelled ones are never asked, so they stay in.
    """
    places = labelled(labels)
    asked = places[split(len(places))[1]] if len(places) >= 2 else places
    return np.setdiff1d(np.arange(documents), asked)


def thinned(documents: int, labels: Sequence[str | None] | None, most: int, seed: int = 0) -> Int[np.ndarray, " most"]:
    """The places of `most` of more documents: the labelled ones, as far as they fit, and others; drawn at random.

    `split` parts them as it parts all documents. Where labelled ones have to be left out, the order is
    random too, for that reason: test documents come where `split` looks for them.
    """
    rng, places = np.random.default_rng(seed), labelled(labels)
    if len(places) <= most:
        others = np.setdiff1d(np.arange(documents), places)
        return np.sort(np.append(places, rng.choice(others, most - len(places), replace=False)))
    chosen = np.empty(most, np.int64)
    for rows, there in zip(split(most), split(len(places)), strict=True):
        chosen[rows] = places[rng.choice(there, len(rows), replace=False)]
    return chosen
