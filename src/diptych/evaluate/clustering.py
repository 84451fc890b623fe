"""Do clusters found without labels agree with them?

Source: V-measure, Rosenberg & Hirschberg, EMNLP 2007; mini-batch k-means with k = number of classes on
embeddings as they are, as in MTEB, arXiv:2210.07316. `v_measures` and `v_measure_once` are the two protocols of
mteb 2 (AbsTaskClustering with all documents, AbsTaskClusteringLegacy with one set), seeds and all.
"""

import random
import warnings

import numpy as np
from jaxtyping import Float, Int

from diptych.evaluate.score import Score
from diptych.measure.rows import Rows

MTEB_SEED = 42
RESAMPLES, RESAMPLE = 10, 16_384


def v_measure(rows: Rows, classes: Int[np.ndarray, " n"], seed: int = 0, restarts: int = 3) -> Score:
    """The mean V-measure over k-means runs from different starts; its error is std / sqrt(restarts)."""
    scores = [_agreement(rows, classes, 1024, seed + restart) for restart in range(restarts)]
    return Score(float(np.mean(scores)), float(np.std(scores, ddof=1) / np.sqrt(restarts)))


def v_measures(rows: Rows, classes: Int[np.ndarray, " n"]) -> Float[np.ndarray, " 10"]:
    """The V-measure of each of ten resamples: 16,384 documents, drawn with replacement, in batches of 512."""
    rng, there = random.Random(MTEB_SEED), range(len(classes))
    draws = (rng.choices(there, k=RESAMPLE) for _ in range(RESAMPLES))
    k = len(np.unique(classes))
    return np.array([_agreement(rows[draw], classes[draw], 512, MTEB_SEED, k) for draw in draws])


def v_measure_once(rows: Rows, classes: Int[np.ndarray, " n"]) -> float:
    """The V-measure of one k-means of all documents, in batches of 500."""
    return _agreement(rows, classes, 500, MTEB_SEED)


def _agreement(rows: Rows, classes: Int[np.ndarray, " n"], batch: int, seed: int, k: int | None = None) -> float:
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.metrics import v_measure_score

    means = MiniBatchKMeans(k or len(np.unique(classes)), batch_size=batch, n_init=1, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of fewer different documents than clusters
        return float(v_measure_score(classes, means.fit_predict(rows)))
