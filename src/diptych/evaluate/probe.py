"""A linear probe of frozen features by SGD: its last epoch, never the best one on the test.

Columns are standardised by the training rows and rows have a mean squared length of one, as for the probe by L-BFGS,
so that one learning rate serves features of any width and scale.
Source: 100 epochs in batches of 256 with momentum, as is usual for SimCLR, arXiv:2002.05709; there the rate depends on
the method, and public code reports the best test epoch.
"""

import numpy as np
from jaxtyping import Float, Int

from diptych.evaluate import heads
from diptych.evaluate.linear import scaled
from diptych.evaluate.score import Score, accuracy

EPOCHS, BATCH, RATE = 100, 256, 2.0


def probe(
    rows: Float[np.ndarray, "n d"],
    classes: Int[np.ndarray, " n"],
    train: Int[np.ndarray, " train"],
    test: Int[np.ndarray, " test"],
    epochs: int = EPOCHS,
    rate: float = RATE,
    seed: int = 0,
) -> Score:
    """Accuracy on `test` of softmax regression trained on `train`, after the last epoch. Nothing is chosen."""
    known, y = np.unique(classes[train], return_inverse=True)
    x, asked = scaled(rows[train], rows[test])
    steps = epochs * max(1, len(train) // BATCH)
    found = heads.predicted(asked, *heads.train(x, y, len(known), [rate], steps, BATCH, seed))[0]
    return accuracy(known[found] == classes[test])
