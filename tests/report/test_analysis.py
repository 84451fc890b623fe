"""Models from inside, as a page and for a terminal."""

import re
from dataclasses import replace

import pytest

from diptych.report import analysis
from diptych.report.anatomy import Analysis, Anatomy, Change, Layer, Rank

HOSTILE = '<script>alert("1")</script>\x1b[31m'
OWN = {"knn": 0.7, "crop_retrieval": 0.6, "mean_cosine": 0.31, "isotropy": 0.9, "effective_rank": 12.34, "sts": 71.26}


def model(name="runs/a", layers=3, **more):
    made = [
        Layer(8, {"knn": 0.1 * i, "crop_retrieval": 0.5, "effective_rank": 3.0 + i}, {"knn": 0.011})
        for i in range(layers)
    ]
    told = Anatomy(
        name,
        f"/there/{name}",
        40,
        16,
        "mean",
        OWN,
        {"knn": 0.02},
        [Rank("effective rank", 12.34, 11.06), Rank("energy rank, 90 % of σ²", 9, 10)],
        {"plain": [2.0, 1.0, 0.2, 0.0], "centred": [1.0, 0.5, 0.1, 0.0]},
        made,
        [[1.0 if i == j else -0.05 for j in range(layers)] for i in range(layers)],
        -0.05,
    )
    return replace(told, **more)


def found(*models, **more):
    return replace(Analysis("docs.jsonl", 40, 90, 30, 40, "linear", models or (model(),)), **more)


def moved(against="start"):
    across = [[1.0, 0.3, 0.2], [0.3, 0.9, 0.4], [0.2, 0.4, 0.8]]
    return Change(against, [0.01, None, 0.03], [1.0, 0.9, 0.8], across)


def test_the_page_needs_nothing_but_itself():
    told = analysis.page(found(model(change=moved()), model("start")))
    assert not re.search(r'(?:src|href)="(?!#)(?!https://arxiv)', told)
    assert told == analysis.page(found(model(change=moved()), model("start")))


def test_every_string_is_escaped():
    told = analysis.page(found(model(HOSTILE, change=moved(HOSTILE)), model("start"), corpus=HOSTILE, notes=[HOSTILE]))
    assert "<script>alert" not in told
    assert "\x1b" not in analysis.text(found(model(HOSTILE)))


def test_ranks_are_told_with_what_bounds_them():
    told = " ".join(re.sub(r"<[^>]+>", " ", analysis.page(found())).split())
    assert "Embeddings of 40 documents fill 12.3 of 16 directions (effective rank)." in told
    assert "Effective rank 12.3 11.1 Energy rank, 90 % of σ² 9 10 at most, of 40 documents 16 in 16 dimensions" in told
    assert "documents 40, of 90" in told


def test_heat_maps_are_of_each_model_and_of_two():
    told = analysis.page(found(model(change=moved()), model("start")))
    assert told.count('<figure class="heat">') == 3
    assert told.count("layer 1 with layer 2: −0.050") == 2
    assert 'fill-opacity="0.000"' in told  # below zero is no colour, and no error
    assert "CKA of 3 layers of runs/a with 3 of start" in told
    assert "mean off the diagonal −0.050" in told


def test_the_best_layer_is_bold():
    told = analysis.page(found())
    assert re.findall(r'class="best">([^<]+)<', told) == ["0.500", "0.500", "0.200 ± 0.011", "0.500"]


def test_a_model_of_one_layer_has_no_layers_on_its_page():
    told = analysis.page(found(model(layers=0, alike=None, off_diagonal=None)))
    assert "Layer by layer" not in told
    assert "Layers beside layers" not in told
    assert "Layers alike" not in told


def test_what_cannot_be_compared_is_left_out():
    told = analysis.page(found(model(change=Change("start")), model("start")))
    assert "Weights moved" not in told
    assert "beside start" not in told


def test_a_map_of_many_layers_has_no_numbers_in_its_cells():
    many = [[1.0] * 30] * 30
    told = analysis.page(found(model(layers=30, alike=many)))
    assert told.count('class="on"') == 0
    assert told.count('fill-opacity="1.000"') == 900


def test_a_spectrum_is_told_down_to_its_floor():
    told = analysis.page(found())
    assert "Singular values over directions" in told
    assert ">0.1</text>" in told


@pytest.mark.parametrize("change", [None, moved()])
def test_the_terminal_has_a_column_for_each_model_and_a_row_for_each_layer(change):
    lines = analysis.text(found(model(change=change), model("b"))).splitlines()
    (effective,) = (line for line in lines if line.startswith("Effective rank  "))
    assert effective.split()[-2:] == ["12.3", "12.3"]
    layers = [line.split() for line in lines if line.startswith("layer 2")]
    assert len(layers) == 2
    assert layers[1] == ["layer", "2", "8", "0.200", "±", "0.011", "0.500", "–", "–", "–", "5.0"]
    assert layers[0][-2:] == (["0.03", "0.800"] if change else ["–", "5.0"])
    assert next(line for line in lines if line.startswith("the model")).split()[2:6] == ["16", "0.700", "±", "0.020"]


def test_the_key_numbers_stand_beside_those_of_the_other_model():
    other = model("start", scores=OWN | {"effective_rank": 5.04}, off_diagonal=0.4)
    told = " ".join(re.sub(r"<[^>]+>", " ", analysis.page(found(model(change=moved()), other))).split())
    assert "Effective rank 12.3 5.0 in start" in told
    assert "Layers alike −0.050 0.400 in start" in told
    assert "Effective rank 12.3 5.0" not in " ".join(analysis.page(found(model(), other)).split())
