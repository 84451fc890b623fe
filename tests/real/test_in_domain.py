"""Crops on a real corpus: the default recipe does what the paper says, on 1,550 abstracts."""

import pytest

from diptych import Machine, judge, read, recipes
from diptych.train.loop import train

pytestmark = [pytest.mark.real, pytest.mark.slow]


def test_crops_beat_dropout_and_the_untrained_table_on_abstracts(shared_data, tmp_path):
    documents = read(shared_data / "text" / "arxiv_lite.jsonl")
    rows = {"untrained": recipes.crop(documents).model.encoder.encode}
    for recipe in (recipes.crop, recipes.dropout):
        made = recipe(documents)
        train(made, tmp_path / recipe.__name__, Machine(checkpoint=1e9))
        rows[recipe.__name__] = made.model.encoder.encode
    scores = judge(rows, documents, only=("knn",)).scores
    knn = {row: values["knn"] for row, values in scores.items()}
    assert knn["crop"] > knn["dropout"] > knn["untrained"]
    assert knn["crop"] > 0.7
