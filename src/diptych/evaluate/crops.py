"""Scores without labels, from two crops of each document: are they found by each other?

Source: alignment and uniformity, arXiv:2005.10242.
"""

from typing import Any

import numpy as np

from diptych.evaluate.score import Score, accuracy
from diptych.measure.geometry import distances, potentials
from diptych.measure.neighbours import found_at_once
from diptych.measure.rows import Rows

MOST = 2000

Pairs = tuple[list[Any], list[Any]]  # of texts, or of numbers of what is looked at


def sampled(pairs: Pairs, seed: int = 0, most: int = MOST) -> Pairs:
    """At most `most` of the pairs, drawn by the seed, in their order."""
    a, b = pairs
    if len(a) != len(b):
        raise ValueError(f"pairs are two lists of the same length; got {len(a)} and {len(b)}")
    if len(a) <= most:
        return list(a), list(b)
    chosen = np.sort(np.random.default_rng(seed).choice(len(a), most, replace=False))
    return [a[i] for i in chosen], [b[i] for i in chosen]


def crop_retrieval(a: Rows, b: Rows) -> Score:
    """How often the crop nearest to a_i by cosine, among all b, is the one of the same document."""
    return accuracy(found_at_once(a, b))


def alignment(a: Rows, b: Rows) -> Score:
    """E ||a_i - b_i||^2 of unit vectors, in [0, 4], lower is better; with the error of a mean."""
    square = distances(a, b).double().square().numpy()
    return Score(float(square.mean()), float(square.std(ddof=1) / np.sqrt(len(square))))


def uniformity(a: Rows, b: Rows) -> Score:
    """log E exp(-2 ||x_i - x_j||^2) over crops of different documents, the mean of both sides.

    In [-8, 0], lower is more uniform. The error is that of a U-statistic of order two, through the logarithm.
    """
    sides = [potentials(x).numpy() for x in (a, b)]
    share = sum(p / p.mean() for p in sides) / 2
    value = float(np.mean([np.log(p.mean()) for p in sides]))
    return Score(value, float(2 * share.std(ddof=1) / np.sqrt(len(share))))
