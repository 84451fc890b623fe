from collections import Counter

import numpy as np
import pytest

from diptych.core import Draw, Text
from diptych.views.input.text.crop import Crop, Halves, PaperCrop


def text(*sentences):
    """A text whose tokens are numbered; each sentence is given by its length in tokens."""
    starts = np.cumsum([0, *sentences])
    ids = np.arange(starts[-1], dtype=np.int32)
    return Text(ids, np.ones(len(ids), bool), starts[:-1], np.array(sentences) * 5)


def crops(crop, sample, n=400, views=2):
    return [[crop(sample, Draw(0, step, 7, v)).ids.tolist() for v in range(views)] for step in range(n)]


def test_a_crop_is_a_window_of_consecutive_sentences():
    windows = [list(range(5)), list(range(2, 6)), list(range(5, 7))]
    seen = {tuple(ids) for pair in crops(Crop(2), text(2, 3, 1, 1)) for ids in pair}
    assert seen == {tuple(w) for w in windows}


def test_the_two_crops_of_a_document_are_never_the_same_window():
    assert all(a != b for a, b in crops(Crop(2), text(2, 3, 1)))


def test_every_pair_of_windows_is_equally_likely():
    counts = Counter(tuple(map(tuple, pair)) for pair in crops(Crop(1), text(1, 1, 1), 6000))
    assert len(counts) == 6
    assert all(850 < n < 1150 for n in counts.values())


def test_with_same_both_views_are_one_window_drawn_anew_at_every_step():
    pairs = crops(Crop(2, same=True), text(2, 3, 1, 4))
    assert all(a == b for a, b in pairs)
    assert len({tuple(a) for a, _ in pairs}) == 3


def test_three_views_are_three_windows():
    assert all(len({tuple(ids) for ids in views}) == 3 for views in crops(Crop(1), text(1, 2, 3), views=3))


@pytest.mark.parametrize("sentences", [(9,), (4, 5)])
def test_a_document_too_short_for_two_windows_is_cropped_by_words(sentences):
    sample = text(*sentences)
    assert Crop(2).by_words(sample)
    pairs = crops(Crop(2, words=0.5), sample)
    assert all(a != b and len(a) == len(b) == 4 for a, b in pairs)
    assert {a[0] for a, _ in pairs} == set(range(6))


def test_a_word_crop_starts_and_ends_between_words():
    sample = Text(np.arange(6), np.array([1, 0, 1, 1, 0, 0], bool), np.array([0]), np.array([20]))
    seen = {tuple(ids) for pair in crops(Crop(2, words=0.4), sample) for ids in pair}
    assert seen == {(0, 1), (2,), (3, 4, 5)}


def test_two_words_are_enough_and_one_is_not():
    one = Text(np.arange(3), np.array([1, 0, 0], bool), np.array([0]), np.array([9]))
    assert not Crop(2).fits(one)
    assert Crop(2).fits(text(2))


def test_halves_are_the_two_sides_of_a_cut_at_a_word():
    sample = Text(np.arange(8), np.array([1, 0, 1, 1, 0, 1, 1, 1], bool), np.array([0]), np.array([30]))
    pairs = crops(Halves(0.3), sample)
    assert all(a + b == list(range(8)) for a, b in pairs)
    assert {len(a) for a, _ in pairs} == {3, 5, 6}
    assert all(a == b for a, b in crops(Halves(0.3, same=True), sample))
    two = Text(np.arange(2), np.ones(2, bool), np.array([0]), np.array([9]))
    assert crops(Halves(), two, 5) == [[[0], [1]]] * 5


def test_the_papers_rule_on_a_document_worked_out_by_hand():
    # characters per piece: only pieces of 100..250 count; 99 and 251 fall out
    sample = Text(
        np.arange(12),
        np.ones(12, bool),
        np.array([0, 2, 4, 6, 8, 10]),
        np.array([100, 99, 250, 251, 180, 120]),
    )
    windows = {(0, 1, 4, 5), (4, 5, 8, 9), (8, 9, 10, 11)}
    crop = PaperCrop()
    assert crop.fits(sample)
    pairs = crops(crop, sample)
    assert {tuple(ids) for pair in pairs for ids in pair} == windows
    assert all(a != b for a, b in pairs)


def test_the_paper_drops_a_document_with_fewer_than_two_windows():
    two = Text(np.arange(4), np.ones(4, bool), np.array([0, 2]), np.array([150, 150]))
    assert not PaperCrop().fits(two)


@pytest.mark.parametrize(("setting", "value"), [("sentences", 0), ("words", 0.0), ("words", 1.0)])
def test_a_window_that_cannot_be_is_refused(setting, value):
    with pytest.raises(ValueError, match=f"{setting}={value}"):
        Crop(**{setting: value})
