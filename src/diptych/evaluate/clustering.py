"""Do clusters found without labels agree with them?

Source: V-measure, Rosenberg & Hirschberg, EMNLP 2007; mini-batch k-means with k = number of classes on
embeddings as they are, as in MTEB, arXiv:2210.07316.
"""

import numpy as np
from jaxtyping import Int

from diptych.evaluate.score import Score
from diptych.measure.rows import Rows


def v_measure(rows: Rows, classes: Int[np.ndarray, " n"], seed: int = 0, restarts: int = 3) -> Score:
    """The mean V-measure over k-means runs from different starts; its error is std / sqrt(restarts)."""
    from sklearn.cluster import MiniBatchKMeans
    from sklearn.metrics import v_measure_score

    k = len(np.unique(classes))
    scores = []
    for restart in range(restarts):
        means = MiniBatchKMeans(k, batch_size=1024, n_init=1, random_state=seed + restart)
        scores.append(v_measure_score(classes, means.fit_predict(rows)))
    return Score(float(np.mean(scores)), float(np.std(scores, ddof=1) / np.sqrt(restarts)))
