"""k-NN accuracy on whole documents: do neighbours share a label?

Source: arXiv:2508.03453: k = 10, Euclidean, embeddings not normalised, unweighted vote.
"""

import numpy as np
from jaxtyping import Int

from diptych.evaluate.score import Score, accuracy
from diptych.measure.neighbours import neighbours, vote
from diptych.measure.rows import Rows

K = 10


def knn(
    rows: Rows,
    classes: Int[np.ndarray, " n"],
    train: Int[np.ndarray, " train"],
    test: Int[np.ndarray, " test"],
    k: int = K,
    cosine: bool = False,
) -> Score:
    """Accuracy on `test` of a vote of the k nearest rows of `train`; of all of them where they are fewer.

    Ties go to the lower training row, then to the smallest class number.
    """
    near, _ = neighbours(rows[test], rows[train], min(k, len(train)), cosine)
    return accuracy(vote(classes[train][near]) == classes[test])
