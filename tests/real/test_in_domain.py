"""Crops on a real corpus: the default recipe does what the paper says, on 1,550 abstracts."""

import numpy as np
import pytest

from diptych import Machine, read, recipes
from diptych.evaluate.knn import knn
from diptych.train.loop import train

pytestmark = [pytest.mark.real, pytest.mark.slow]
FOLDS = 10  # each abstract is asked once: a tenth alone is 155 of them, and chance decides between close rows


def test_crops_beat_dropout_and_the_untrained_table_on_abstracts(shared_data, tmp_path):
    documents = read(shared_data / "text" / "arxiv_lite.jsonl")
    _, classes = np.unique(documents.labels, return_inverse=True)
    folds = np.array_split(np.random.default_rng(0).permutation(len(classes)), FOLDS)

    def accuracy(recipe, learned=True):
        made = recipe(documents)
        if learned:
            train(made, tmp_path / recipe.__name__, Machine(checkpoint=1e9))
        rows = made.model.encoder.encode(documents.texts)
        others = [np.concatenate(folds[:i] + folds[i + 1 :]) for i in range(FOLDS)]
        return np.mean([knn(rows, classes, rest, fold).value for rest, fold in zip(others, folds, strict=True)])

    crop, dropout = accuracy(recipes.crop), accuracy(recipes.dropout)
    assert crop > dropout > accuracy(recipes.crop, learned=False)
    assert crop > 0.7
