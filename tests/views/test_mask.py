import numpy as np
import pytest

from diptych.core import Draw, Text
from diptych.views.input.text.mask import MaskTokens
from diptych.views.input.text.stretch import Stretch
from diptych.views.input.then import Then

SPECIAL = (0, 1, 4, 9)
MASK = 4
MASKING = MaskTokens(0.15, mask=MASK, vocabulary=30, special=SPECIAL)
WORDS = np.array([i for i in range(30) if i not in SPECIAL], np.int32)


def text(n, seed=0):
    return Text(np.random.default_rng(seed).choice(WORDS, n).astype(np.int32))


def drawn(mask, sample, n):
    return [mask(sample, Draw(0, step, 7, 0)) for step in range(n)]


def test_four_of_five_chosen_tokens_are_masked_one_of_ten_is_another_and_one_stays():
    sample = text(200)
    many = drawn(MASKING, sample, 500)
    chosen = np.stack([m.labels != -100 for m in many])
    ids = np.stack([m.ids for m in many])
    assert chosen.mean() == pytest.approx(0.15, abs=0.003)
    masked, stayed = ids[chosen] == MASK, ids[chosen] == np.broadcast_to(sample.ids, ids.shape)[chosen]
    assert masked.mean() == pytest.approx(0.8, abs=0.01)
    assert (~masked & ~stayed).mean() == pytest.approx(0.1 * 25 / 26, abs=0.008)  # one in 26 draws is the token itself
    assert (ids[~chosen] == np.broadcast_to(sample.ids, ids.shape)[~chosen]).all()
    labels = np.stack([m.labels for m in many])
    assert (labels[chosen] == np.broadcast_to(sample.ids, ids.shape)[chosen]).all()


def test_every_token_but_special_ones_is_drawn_in_place_of_another():
    many = drawn(MaskTokens(0.9, mask=MASK, vocabulary=30, special=SPECIAL), text(200), 400)
    other = np.concatenate([m.ids[(m.labels != -100) & (m.ids != MASK) & (m.ids != m.labels)] for m in many])
    numbers, counts = np.unique(other, return_counts=True)
    assert numbers.tolist() == WORDS.tolist()
    assert counts.min() > 0.7 * counts.mean()


@pytest.mark.parametrize("n", [1, 2, 3])
def test_one_token_is_masked_at_least(n):
    counts = [(m.labels != -100).sum() for m in drawn(MASKING, text(n), 200)]
    assert min(counts) == 1


def test_the_forced_token_may_be_any_of_a_short_text():
    found = {int(np.flatnonzero(m.labels != -100)[0]) for m in drawn(MASKING, text(3), 100)}
    assert found == {0, 1, 2}


def test_special_tokens_are_not_masked():
    sample = Text(np.array([0, 5, 9, 6, 1], np.int32))
    assert {i for m in drawn(MASKING, sample, 200) for i in np.flatnonzero(m.labels != -100)} == {1, 3}
    nothing = MASKING(Text(np.array([0, 1], np.int32)), Draw(0, 0, 0, 0))
    assert nothing.ids.tolist() == [0, 1]
    assert (nothing.labels == -100).all()
    assert len(MASKING(Text(np.array([], np.int32)), Draw(0, 0, 0, 0)).ids) == 0


def test_the_draw_decides_and_the_sample_stays_as_it_is():
    sample = text(50)
    before = sample.ids.copy()
    a, b, other = (MASKING(sample, Draw(3, step, 5, 1)) for step in (2, 2, 3))
    assert a.ids.tolist() == b.ids.tolist()
    assert a.labels.tolist() != other.labels.tolist()
    assert (sample.ids == before).all()


@pytest.mark.parametrize("rate", [0, 1, -0.1, 1.5, float("nan")])
def test_a_rate_is_above_0_and_below_1(rate):
    with pytest.raises(ValueError, match="above 0 and below 1"):
        MaskTokens(rate, mask=4, vocabulary=30)


def test_a_vocabulary_of_special_tokens_is_refused():
    with pytest.raises(ValueError, match="all are special"):
        MaskTokens(mask=0, vocabulary=2, special=(0, 1))


def test_one_after_the_other_with_numbers_of_their_own():
    seen = []

    def note(sample, draw):
        seen.append((draw.own.random(), draw.shared.random()))
        return sample + 1

    assert Then(note, note)(1, Draw(0, 0, 0, 0)) == 3
    (own, shared), (other, same) = seen
    assert own != other
    assert shared == same


def test_a_stretch_begins_at_a_word_and_is_as_long_as_it_may_be():
    sample = Text(np.arange(40, dtype=np.int32), np.arange(40) % 3 == 0)
    found = [Stretch(10)(sample, Draw(0, step, 0, 0)).ids.tolist() for step in range(300)]
    assert {tuple(ids) for ids in found} == {tuple(range(i, i + 10)) for i in range(0, 31, 3)}


def test_a_short_text_stays_whole_and_an_empty_one_is_left_out():
    sample = text(8)
    assert Stretch(8)(sample, Draw(0, 0, 0, 0)).ids.tolist() == sample.ids.tolist()
    assert Stretch().fits(sample)
    assert not Stretch().fits(text(0))
