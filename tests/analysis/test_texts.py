"""Models from inside: what is counted, compared, and left out with a sentence."""

import numpy as np
import pytest
import torch
from torch import nn
from toy import Toy

from diptych.analysis.texts import analyse, probe
from diptych.core import DataError
from diptych.data.documents import from_texts
from diptych.encoders.hidden import hidden
from diptych.evaluate.knn import knn
from diptych.evaluate.split import split
from diptych.measure import rank, weights
from diptych.measure.similarity import cka

WORDS = tuple(f"word{i}" for i in range(18))


class Seen(Toy):
    """A toy of which every layer can be seen: `mask` says which tokens are real."""

    def __init__(self, seed=0, **sizes):
        torch.manual_seed(seed)
        super().__init__(**sizes)

    def collate(self, samples):
        batch = super().collate(samples)
        return batch | {"mask": batch["real"].long()}


def documents(n=60, labels=True):
    rng = np.random.default_rng(0)
    texts = [". ".join(" ".join(rng.choice(WORDS, 6)) for _ in range(4)) + f". {i}" for i in range(n)]
    return from_texts(texts, [str(i % 3) for i in range(n)] if labels else None)


def looked(models, against=None, **options):
    asked = probe(documents(labels=options.pop("labels", True)), **options)
    return asked, analyse(models, asked, against or {}, {name: f"runs/{name}" for name in models})


def test_every_number_is_what_its_measure_says():
    models = {"a": Seen(), "b": Seen(1)}
    asked, found = looked(models, {"a": "b"})
    a, b = found.models
    states = [hidden(model, model.prepare(asked.documents.texts)) for model in models.values()]
    own = models["a"].encode(asked.documents.texts)
    classes = np.unique([*asked.documents.labels], return_inverse=True)[1]
    for layer, x in zip(a.layers, states[0], strict=True):
        assert layer.scores["knn"] == knn(x, classes, *split(60)).value
        assert layer.scores["effective_rank"] == pytest.approx(float(rank.effective_rank(x)), rel=1e-5)
        assert layer.width == 16
    assert a.scores["knn"] == a.layers[-1].scores["knn"]
    assert a.ranks[0].plain == pytest.approx(float(rank.effective_rank(own)), rel=1e-5)
    assert a.ranks[3].centred == rank.energy_rank(own, 0.99, 2, centred=True)
    assert a.ranks[4].name == "energy rank, 90 % of σ"
    assert a.ranks[4].plain == rank.energy_rank(own, 0.9, 1)
    assert np.array(a.alike)[0, 2] == pytest.approx(cka(states[0][0], states[0][2]), rel=1e-4)
    assert a.off_diagonal == pytest.approx(np.array(a.alike)[~np.eye(3, dtype=bool)].mean())
    assert a.change.weights == pytest.approx(weights.changes(models["a"].layers, models["b"].layers))
    assert np.array(a.change.across)[2, 0] == pytest.approx(cka(states[0][2], states[1][0]), rel=1e-4)
    assert a.change.same == pytest.approx(np.diag(a.change.across))
    assert b.change is None
    assert (a.n, a.dim, a.bound) == (60, 16, 16)


def test_the_kernel_is_that_of_cka():
    asked, found = looked({"a": Seen()}, kernel="rbf")
    states = hidden(model := Seen(), model.prepare(asked.documents.texts))
    assert np.array(found.models[0].alike)[0, 2] == pytest.approx(cka(states[0], states[2], "rbf"), rel=1e-4)
    assert np.array(found.models[0].alike)[0, 2] != pytest.approx(cka(states[0], states[2]), rel=1e-4)


def test_texts_bound_the_probe_and_a_seed_draws_it():
    asked, found = looked({"a": Seen()}, texts=10)
    assert (found.documents, found.of) == (10, 60)
    assert "a: 10 documents in 16 dimensions; no rank can be above 10." in found.notes
    drawn = [[*probe(documents(), 10, seed=seed).documents.texts] for seed in (0, 1)]
    assert drawn[0] == [*asked.documents.texts] != drawn[1]


def test_without_labels_there_is_no_knn_and_that_is_said():
    _, found = looked({"a": Seen()}, labels=False)
    assert found.models[0].layers[1].scores["knn"] is None
    assert found.models[0].layers[1].scores["crop_retrieval"] > 0
    assert any(note.startswith("No labels") for note in found.notes)


def test_other_numbers_of_layers_leave_the_map_and_a_sentence():
    _, found = looked({"a": Seen(), "b": Seen(depth=4)}, {"a": "b"})
    change = found.models[0].change
    assert (change.weights, change.same) == (None, None)
    assert np.array(change.across).shape == (3, 5)
    assert any("a has 3 layers and b 5" in note for note in found.notes)


def test_other_shapes_of_weights_leave_cka_and_a_sentence():
    _, found = looked({"a": Seen(), "b": Seen(dim=8)}, {"a": "b"})
    assert found.models[0].change.weights is None
    assert len(found.models[0].change.same) == 3
    assert any("how far weights moved is left out" in note for note in found.notes)


def test_a_single_layer_is_no_story_of_layers():
    _, found = looked({"a": Seen(depth=0), "b": Seen(1, depth=0)}, {"a": "b"})
    one = found.models[0]
    assert (one.layers, one.alike, one.off_diagonal) == ([], None, None)
    assert len(one.change.weights) == len(one.change.same) == 1
    assert "a has one layer: what is said layer by layer is left out of it." in found.notes


def test_a_layer_that_says_the_same_of_all_texts_has_no_cka_and_that_is_said():
    model = Seen()
    for block in model.blocks:
        nn.init.zeros_(block[0].weight)
    _, found = looked({"a": model})
    assert found.models[0].alike is None
    assert any("layers beside layers: left out" in note and "are the same" in note for note in found.notes)


def test_numbers_that_are_none_stop_it():
    model = Seen()
    with torch.no_grad():
        model.blocks[0][0].weight[0, 0] = torch.nan
    with pytest.raises(ValueError, match="gave NaN or infinite embeddings"):
        looked({"a": model})


@pytest.mark.parametrize("n", [1, 3])
def test_too_few_texts_are_refused(n):
    with pytest.raises(DataError, match=f"has {n} different documents?, and CKA needs 4"):
        probe(from_texts([f"document {i}" for i in range(n)] * 4))
    with pytest.raises(ValueError, match=f"--texts is 4 or more.*got {n}"):
        probe(documents(), n)


def test_no_model_at_all_is_refused():
    with pytest.raises(ValueError, match="one model or more; got none"):
        looked({})
