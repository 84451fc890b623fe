"""Weighted k-NN accuracy: neighbours vote, the nearer the more.

Source: Wu et al., arXiv:1805.01978, with the settings of DINO, arXiv:2104.14294: unit vectors, k = 20, and a
neighbour of cosine s votes with exp(s / 0.07).
"""

import numpy as np
import torch
from jaxtyping import Float, Int

from diptych.evaluate.score import Score, accuracy
from diptych.measure.neighbours import neighbours
from diptych.measure.rows import unit

K, TEMPERATURE = 20, 0.07


def weighted_knn(
    rows: Float[np.ndarray, "n d"],
    classes: Int[np.ndarray, " n"],
    train: Int[np.ndarray, " train"],
    test: Int[np.ndarray, " test"],
    k: int = K,
    temperature: float = TEMPERATURE,
) -> Score:
    """Accuracy on `test` of a weighted vote of the k rows of `train` nearest by cosine; of all, where they are fewer.

    Ties go to the lower training row, then to the smallest class number. Raises ValueError for a k below 1 or a
    temperature that is not above 0.
    """
    if k < 1 or not temperature > 0:
        raise ValueError(f"k is 1 or more and the temperature above 0; got k={k}, temperature={temperature}")
    near, _ = neighbours(rows[test], rows[train], min(k, len(train)), cosine=True)
    queries, bank = (unit(torch.as_tensor(rows[part]).double()).numpy() for part in (test, train))
    cosine = np.einsum("qd,qkd->qk", queries, bank[near])
    weight = np.exp((cosine - cosine.max(1, keepdims=True)) / temperature)  # a factor of the row changes no vote
    return accuracy(weighted_vote(classes[train][near], weight) == classes[test])


def weighted_vote(labels: Int[np.ndarray, "q k"], weight: Float[np.ndarray, "q k"]) -> Int[np.ndarray, " q"]:
    """The class number of each row with the largest sum of weights; of equal ones, the smallest."""
    votes = np.zeros((len(labels), int(labels.max(initial=0)) + 1))
    np.add.at(votes, (np.arange(len(labels))[:, None], labels), weight)
    return votes.argmax(1)
