import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diptych.data.sentences import boundaries, lengths

SEGMENTATIONS = ["sentences", "full stops"]
prose = st.text(st.characters(exclude_categories=["Cs"])) | st.text("aB .!?\n\t。é'\"()1\U0001f600")


def cut(text, *how):
    return [text[a:b] for a, b in pairwise(boundaries(text, *how))]


@pytest.mark.parametrize("segmentation", SEGMENTATIONS)
@given(text=prose)
def test_sentences_tile_the_text(segmentation, text):
    edges = boundaries(text, segmentation)
    assert edges[0] == 0
    assert edges[-1] == len(text)
    assert edges == sorted(set(edges))
    assert "".join(cut(text, segmentation)) == text


@given(text=prose)
def test_no_sentence_is_white_space_alone(text):
    assert text.isspace() or not any(sentence.isspace() for sentence in cut(text))


@given(text=prose)
def test_pieces_between_full_stops_are_those_of_the_paper(text):
    pieces = text.split(".")
    if pieces[-1] == "":
        pieces.pop()
    edges = boundaries(text, "full stops")
    assert [piece.removesuffix(".") for piece in cut(text, "full stops")] == pieces
    assert lengths(text, edges, "full stops") == [len(piece) for piece in pieces]


def test_abbreviations_end_no_sentence():
    assert cut("Dr. Smith paid 3.50 dollars. He left!  Did he?\n\nYes.") == [
        "Dr. Smith paid 3.50 dollars. ",
        "He left!  ",
        "Did he?\n\n",
        "Yes.",
    ]
    assert cut("El Sr. Gómez vino. Se fue.", "sentences", "es") == ["El Sr. Gómez vino. ", "Se fue."]


def test_every_full_stop_ends_a_piece():
    assert cut("Dr. Smith paid 3.50. ", "full stops") == ["Dr.", " Smith paid 3.", "50.", " "]


def test_the_length_of_a_sentence_is_without_the_white_space_around_it():
    text = "\n One two.  \n\n Three."
    assert lengths(text, boundaries(text), "sentences") == [8, 6]


@given(sentences=st.lists(st.sampled_from(["One. ", "Is it two? ", "3.5 of Dr. No!\n\n", "你好世界。 "]), min_size=100))
def test_long_texts_are_cut_as_short_ones_are(sentences):
    text = "".join(sentences)
    assert in_blocks(text) == boundaries(text)


@pytest.mark.parametrize("before", range(40))
def test_what_is_quoted_at_the_end_of_a_block_is_not_torn(before):
    text = "One. " * before + 'He said: "It is. All of it. Or not." And went. ' + "One. " * 60
    assert in_blocks(text) == boundaries(text)


def in_blocks(text):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("diptych.data.sentences.BLOCK", 200)
        patch.setattr("diptych.data.sentences.SURE", 120)
        return boundaries(text)


@given(start=st.sampled_from(["", " "]), middle=st.sampled_from(["x", "word ", " ", "\n\n"]))
def test_no_sentence_is_endless_or_empty(start, middle):
    text = start + "One. " + middle * 50_000 + " Two. Three."
    assert max(len(sentence.rstrip()) for sentence in cut(text)) <= 1 << 14
    assert not any(sentence.isspace() for sentence in cut(text))
    assert "".join(cut(text)) == text


@pytest.mark.parametrize("segmentation", SEGMENTATIONS)
@pytest.mark.parametrize(
    "text",
    ["A sentence. " * 170_000, "word " * 400_000, "x" * 2_000_000, "你好世界。" * 40_000, "f(a. b)\n" * 240_000],
)
def test_megabytes_are_fine(segmentation, text):
    start = time.process_time()
    assert boundaries(text, segmentation)[-1] == len(text)
    assert time.process_time() - start < 3


def test_another_segmentation_is_refused():
    with pytest.raises(ValueError, match="at \"full stops\"; got 'lines'"):
        boundaries("text", "lines")
