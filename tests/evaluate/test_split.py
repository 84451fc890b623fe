"""The split of a corpus, and of the part of a large one that is judged."""

import numpy as np
import pytest

from diptych.evaluate.split import labelled, split, thinned, train_only


def asked(labels, places):
    """The documents that k-NN asks about, when these places are judged."""
    with_label = [i for i in places if labels[i] is not None]
    return {with_label[j] for j in split(len(with_label))[1]}


@pytest.mark.parametrize("unlabelled", [0, 2, 9])
@pytest.mark.parametrize("seed", [0, 1])
def test_what_is_asked_of_a_part_is_asked_of_the_whole(unlabelled, seed):
    """Three of ten documents are judged: of `unlabelled` in ten nothing is asked."""
    labels = [None if i % 10 < unlabelled else "a" for i in range(5000)]
    places = thinned(5000, labels, 1500, seed).tolist()
    assert len(places) == len(set(places)) == 1500
    assert asked(labels, places) <= asked(labels, range(5000))
    assert not asked(labels, places) & set(train_only(5000, labels).tolist())
    with_label = [i for i in places if labels[i]]
    assert len(asked(labels, places)) == -(-len(with_label) // 10)


def test_all_labelled_documents_are_in_the_part_if_they_fit():
    labels = ["a" if i % 100 == 0 else None for i in range(5000)]
    places = thinned(5000, labels, 1500, 0).tolist()
    assert set(labelled(labels).tolist()) <= set(places)
    assert places == sorted(places)
    assert asked(labels, places) == asked(labels, range(5000))


def test_without_labels_the_part_is_drawn_from_all():
    places = thinned(5000, None, 1500, 0)
    assert len(np.unique(places)) == 1500
    assert places.max() > 4900
    assert thinned(5000, None, 1500, 1).tolist() != places.tolist()
    assert thinned(5000, None, 1500, 0).tolist() == places.tolist()
