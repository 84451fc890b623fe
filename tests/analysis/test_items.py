"""Networks for graphs and encoders of pictures from inside."""

import numpy as np
import pytest

from diptych import recipes
from diptych.analysis import items
from diptych.core import DataError, Draw
from diptych.data.graphs.corpus import graphs
from diptych.data.images.corpus import pictures
from diptych.encoders.hidden import hidden
from diptych.measure import similarity
from diptych.views.input.image.strategy import Augmentation

WORLD, FAMILIES = "world:n=40:size=16", "families:n=40"


def of_pictures(seed=0):
    return recipes.simclr(WORLD, width=4, batch=8, steps=2, seed=seed).model.encoder.eval()


def of_graphs():
    return recipes.graphcl(FAMILIES, features="degree", width=8, batch=8, steps=2).model.encoder.eval()


def test_every_number_of_pictures_is_what_its_measure_says():
    one, other = of_pictures(0), of_pictures(1)
    corpus = pictures(WORLD, 16)
    found = items.analyse({"one": one, "other": other}, corpus, {"one": "other"}, {"one": "a", "other": "b"})
    model, beside = found.models
    assert (found.noun, found.documents, found.of, found.pairs, found.labelled) == ("picture", 40, 40, 40, 40)
    states = hidden(one, one.prepare(list(corpus.items)))
    assert len(model.layers) == len(states) == 5
    np.testing.assert_allclose(model.alike, similarity.table(states, None, "linear"), atol=1e-6)
    theirs = hidden(other, other.prepare(list(corpus.items)))
    np.testing.assert_allclose(model.change.across, similarity.table(states, theirs, "linear"), atol=1e-6)
    assert beside.change is None

    augment = Augmentation(size=one.side).transform
    views = [one.embed([augment(corpus.picture(i), Draw(0, 0, i, view)) for i in range(40)]) for view in (0, 1)]
    a, b = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in views)
    assert model.scores["alignment"] == pytest.approx(np.square(a - b).sum(1).mean(), rel=1e-4)
    assert model.scores["crop_retrieval"] is None


def test_at_most_so_many_are_looked_at_and_the_seed_draws_them():
    corpus, encoder = pictures(WORLD, 16), of_pictures()

    def ranks(seed):
        found = items.analyse({"one": encoder}, corpus, {}, {"one": "a"}, most=20, seed=seed)
        assert (found.documents, found.of, found.pairs) == (20, 40, 20)
        return [layer.scores["effective_rank"] for layer in found.models[0].layers]

    assert ranks(0) == ranks(0) != ranks(1)


def test_graphs_have_neither_augmentations_nor_words_about_documents():
    found = items.analyse({"net": of_graphs()}, graphs(FAMILIES), {}, {"net": "a"}, most=10)
    scores = found.models[0].scores
    assert (found.noun, found.pairs) == ("graph", 0)
    assert {scores[name] for name in ("alignment", "uniformity", "crop_retrieval")} == {None}
    assert any("10 labelled graphs, fewer than 20" in note for note in found.notes)
    assert not any("document" in note or "crop" in note for note in found.notes)


@pytest.mark.parametrize(
    ("corpus", "encoder", "said"),
    [
        (lambda: graphs(FAMILIES), of_pictures, "here is no network for graphs, and the corpus holds graphs"),
        (lambda: pictures(WORLD, 16), of_graphs, "here is no encoder of pictures, and the corpus holds pictures"),
    ],
)
def test_an_encoder_of_something_else_is_refused(corpus, encoder, said):
    with pytest.raises(ValueError, match=said):
        items.analyse({"net": encoder()}, corpus(), {}, {"net": "here"})


def test_too_few_are_refused():
    with pytest.raises(DataError, match="world has 3 pictures, and CKA needs 4 at least"):
        items.analyse({"net": of_pictures()}, pictures("world:n=3:size=16", 16), {}, {"net": "a"})
    with pytest.raises(ValueError, match="--texts is 4 or more, for CKA and ranks need as many; got 3"):
        items.analyse({"net": of_pictures()}, pictures(WORLD, 16), {}, {"net": "a"}, most=3)
    with pytest.raises(ValueError, match="one model or more"):
        items.analyse({}, pictures(WORLD, 16), {}, {})
