import numpy as np
from cards import evidence

from diptych.report.card import Evidence
from diptych.report.examples import drawn, examples


def test_examples_are_of_different_labels():
    assert len({example.label for example in examples(evidence(), many=3)}) == 3


def test_the_draw_prefers_frequent_labels_and_takes_unlabelled_documents_last():
    labels = ["rare", None, *["often"] * 8]
    picked = [labels[row] for row in drawn(labels, 3, 0)]
    assert picked[:2] == ["often", "rare"]
    assert drawn(labels, 10, 0) != sorted(drawn(labels, 10, 0))


def test_neighbours_are_the_nearest_by_cosine_and_never_the_document_itself():
    texts = [f"text {i}" for i in range(6)]
    angles = np.array([0.0, 0.1, 0.3, 0.7, 1.5, 3.0])
    x = np.stack([np.cos(angles), np.sin(angles)], 1) * np.arange(1, 7)[:, None]
    for example in examples(Evidence(texts, x.astype(np.float32))):
        i = texts.index(example.text)
        order = [j for j in np.argsort(np.abs(angles - angles[i]), kind="stable") if j != i][:3]
        assert [n.text for n in example.nearest["After"]] == [texts[j] for j in order]
        assert np.allclose([n.cosine for n in example.nearest["After"]], np.cos(angles[order] - angles[i]))


def test_agreement_is_unknown_without_labels():
    assert {n.agrees for n in examples(evidence(labels=None))[0].nearest["After"]} == {None}
