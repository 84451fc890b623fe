from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from diptych.tokens.pieces import pieces, together

prose = st.text("ab .。é\n\t!")


@given(text=prose, characters=st.integers(1, 9))
def test_pieces_are_the_text_cut_between_words(text, characters):
    cut = pieces(text, characters)
    assert "".join(cut) == text
    assert all(len(piece) >= characters for piece in cut[:-1])
    for left, right in pairwise(cut):
        assert not left[-1].isspace()
        assert right[0].isspace() or left[-1] in "。！？"


def test_a_piece_ends_as_soon_as_it_can():
    assert pieces("ab cd  ef gh", 1) == ["ab", " cd", "  ef", " gh"]
    assert pieces("ab cd  ef gh", 5) == ["ab cd", "  ef gh"]
    assert pieces("你好。世界。", 2) == ["你好。", "世界。"]


@given(texts=st.lists(prose), characters=st.integers(1, 9))
def test_texts_together_are_all_texts_in_their_order(texts, characters):
    parts = list(together(texts, characters))
    assert [text for part in parts for text in part] == texts
    assert all(sum(map(len, part[:-1])) <= characters for part in parts)
