import numpy as np
import pytest

from diptych.data.docstrings import corpus_of
from diptych.data.grammar import Topics, _words


def test_a_corpus_of_topics_is_decided_by_its_numbers():
    a, b = (corpus_of("topics:documents=40,topics=4,seed=3") for _ in range(2))
    assert [*a.texts] == [*b.texts] == [text for text, _ in Topics(40, 4, seed=3)._made()]
    assert [*a.labels] == [f"topic {i % 4}" for i in range(40)]
    assert [*corpus_of("topics:documents=40,topics=4,seed=4").texts] != [*a.texts]
    assert all(text.count(".") == 6 for text in a.texts)


def shared(alike, same):
    """How many content words two sentences have in common: of one document, or of two of a topic."""
    texts = [text.rstrip(".").lower().split(". ") for text, _ in Topics(400, 10, 2, alike)._made()]
    content = {*_words()}
    pairs = [(t[0], t[1]) for t in texts] if same else [(a[0], b[1]) for a, b in zip(texts, texts[10:], strict=False)]
    return np.mean([len({*a.replace(",", "").split()} & {*b.replace(",", "").split()} & content) for a, b in pairs])


def test_the_dial_says_how_much_more_sentences_of_a_document_share_than_those_of_a_topic():
    more = [shared(alike, True) - shared(alike, False) for alike in (0, 0.4, 0.8)]
    assert abs(more[0]) < 0.1
    assert more[0] + 0.2 < more[1] < more[2] - 0.4


@pytest.mark.parametrize(
    "text", ["topics:words=3", "topics:alike=much", "topics:alike=2", "topics:documents=1", "topics:seed=-1"]
)
def test_numbers_that_make_no_corpus_are_refused(text):
    with pytest.raises(ValueError, match=r"topics|seed"):
        corpus_of(text)
