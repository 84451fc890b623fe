"""A sentence of a text, some tokens twice, and templates."""

from collections import Counter

import numpy as np
import pytest

from diptych.core import Draw, Text
from diptych.views.input.text.repeat import RepeatWords
from diptych.views.input.text.sentence import Sentence
from diptych.views.input.text.template import Template


def text(*sentences):
    """A text whose tokens are numbered; each sentence is given by its length in tokens."""
    starts = np.cumsum([0, *sentences])
    ids = np.arange(starts[-1], dtype=np.int32)
    return Text(ids, ids % 2 == 0, starts[:-1], np.array(sentences) * 5)


def seen(transform, sample, n=300, views=2):
    return [[transform(sample, Draw(0, step, 7, v)).ids.tolist() for v in range(views)] for step in range(n)]


def test_all_views_are_one_sentence_drawn_anew_at_every_step():
    pairs = seen(Sentence(), text(2, 3, 1))
    assert all(a == b for a, b in pairs)
    assert Counter(tuple(a) for a, _ in pairs).keys() == {(0, 1), (2, 3, 4), (5,)}


def test_or_different_sentences():
    pairs = seen(Sentence(same=False), text(2, 3, 1))
    assert all(a != b for a, b in pairs)


@pytest.mark.parametrize(("count", "sample"), [(0, text(2, 3)), (1, text(5)), (2, text(2, 3)), (4, text(2, 3))])
def test_a_text_without_more_sentences_is_taken_whole(count, sample):
    assert seen(Sentence(count), sample, 5) == [[[0, 1, 2, 3, 4]] * 2] * 5


def test_two_sentences_follow_each_other_and_are_cut():
    assert {tuple(a) for a, _ in seen(Sentence(2), text(2, 3, 1))} == {(0, 1, 2, 3, 4), (2, 3, 4, 5)}
    assert {tuple(a) for a, _ in seen(Sentence(2, most=3), text(2, 3, 1))} == {(0, 1, 2), (2, 3, 4)}
    cut = Sentence(2, most=3)(text(5, 2), Draw(0, 0, 0, 0))
    assert cut.words.tolist() == [True, False, True]


def test_only_an_empty_text_has_no_sentence():
    assert Sentence().fits(text(1))
    assert not Sentence().fits(Text(np.zeros(0, np.int32)))
    assert not Sentence().by_words(text(1))


def test_tokens_are_repeated_in_place():
    sample = text(20)
    for (ids,) in seen(RepeatWords(), sample, views=1):
        assert sorted(ids) == ids
        assert {*ids} == {*range(20)}
        assert max(Counter(ids).values()) <= 2


@pytest.mark.parametrize(("tokens", "bound"), [(20, 7), (8, 3), (60, 10), (4, 1), (3, 1), (5, 2)])
def test_how_many_are_repeated_is_even_below_a_bound(tokens, bound):
    """Of L = tokens + 2 there are 0 to min(10, int(0.32 L)) - 1 more."""
    counts = Counter(len(ids) - tokens for (ids,) in seen(RepeatWords(), text(tokens), 2000, 1))
    assert counts.keys() == {*range(bound)}
    assert all(abs(n - 2000 / bound) < 5 * (2000 / bound) ** 0.5 for n in counts.values())


def test_what_is_repeated_is_decided_by_the_draw_and_words_go_with_their_tokens():
    sample, draw = text(20), Draw(3, 4, 5, 1)
    a, b = (RepeatWords()(sample, draw) for _ in range(2))
    assert a.ids.tolist() == b.ids.tolist()
    assert a.words.tolist() == [i % 2 == 0 for i in a.ids]
    others = {tuple(RepeatWords()(sample, Draw(3, step, 5, 1)).ids) for step in range(50)}
    assert len(others) > 30
    no_words = RepeatWords()(Text(sample.ids), draw)
    assert (no_words.ids.tolist(), len(no_words.words)) == (a.ids.tolist(), 0)


AROUND = {"before": (90, 91), "after": (92, 93, 94)}


def test_a_template_is_around_a_text_and_empty_where_it_was():
    sample, draw = text(3), Draw(0, 0, 0, 0)
    full, empty = (Template("t", empty=e, **AROUND)(sample, draw) for e in (False, True))
    assert full.ids.tolist() == [90, 91, 0, 1, 2, 92, 93, 94]
    assert empty.ids.tolist() == [90, 91, 92, 93, 94]
    assert empty.positions.tolist() == [0, 1, 5, 6, 7]
    assert full.whole
    assert empty.whole
    assert not len(full.positions)


def test_a_template_holds_the_first_tokens_of_a_window():
    sample, draw = text(4, 4), Draw(0, 2, 0, 0)
    first = Sentence()(sample, draw).ids.tolist()
    made = Template("t", Sentence(), most=3, **AROUND)(sample, draw)
    assert made.ids.tolist() == [90, 91, *first[:3], 92, 93, 94]
    empty = Template("t", Sentence(), most=3, empty=True, **AROUND)(sample, draw)
    assert empty.positions.tolist() == [0, 1, 5, 6, 7]


def test_a_full_stop_is_the_templates():
    draw, stopped = Draw(0, 0, 0, 0), Template("t", stop=(2,), **AROUND)
    assert stopped(text(3), draw).ids.tolist() == [90, 91, 0, 1, 92, 93, 94]
    assert stopped(text(4), draw).ids.tolist() == [90, 91, 0, 1, 2, 3, 92, 93, 94]


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: Sentence(-1), "got -1"),
        (lambda: Sentence(most=0), "at least one token is read; got most=0"),
        (lambda: RepeatWords(0), r"in \(0, 1\]; got rate=0"),
        (lambda: RepeatWords(1.1), r"got rate=1\.1"),
        (lambda: RepeatWords(most=0), "got most=0"),
        (lambda: RepeatWords(special=-1), "special=-1"),
        (lambda: Template("t", most=0), "at least one token of a text; got most=0"),
    ],
)
def test_what_cannot_be_is_refused(make, why):
    with pytest.raises(ValueError, match=why):
        make()
