import copy
import json
import random

import pytest
from tokenizers import Tokenizer

from diptych.data.vocabulary import train
from diptych.encoders.damped import Reader, damped, undamped
from diptych.encoders.static import fresh


def test_a_damped_tokenizer_reads_a_repeated_word_once_at_its_last_place():
    plain = train(["a cat and a dog saw the catalog, a cat"] * 9, 100, punctuation=False)
    tokens = damped(plain).encode("A cat and a dog. A cat_log", add_special_tokens=False)
    assert tokens.tokens == plain.encode("and dog a cat log", add_special_tokens=False).tokens
    assert undamped(damped(plain)).to_str() == undamped(plain).to_str() == plain.to_str()
    assert damped(damped(plain)).to_str() == damped(plain).to_str()


def test_damping_reaches_three_hundred_characters():
    plain = train(["word filler"] * 9, 100, punctuation=False)
    near, far = ("word " + "- " * n + "word" for n in (140, 160))
    assert len(damped(plain).encode(near, add_special_tokens=False).tokens) == 1
    assert len(damped(plain).encode(far, add_special_tokens=False).tokens) == 2


def test_a_word_of_a_million_letters_takes_no_time_and_is_unknown():
    texts = ["a cat and a dog"] * 9 + ["a" * 1_000_000]
    tokenizer = damped(train(texts, 100, punctuation=False))
    assert tokenizer.encode("cat " + "b" * 10_000_000, add_special_tokens=False).tokens == ["cat", "[UNK]"]


# ---------------------------------------------------------------- the same, sooner


LATIN = "a A cat CAT dog word 3 33 a1 x_y _ - , . ! \n \t \r\n ' [PAD] [pad] [MASK [CLS]cat \x00 \x1c \x7f"
OTHER = "é É ü ß İ ı ﬁ ² Ⅷ ½ 你好 你 ด้วย ा \u00a0 \u0301 \u200b \u2028 \ufeff \ufffd “cat” it’s — … 😀"
LONG = ["b" * 99, "b" * 100, "b" * 101, "-" * 140, "-" * 297, "-" * 298]
PARTS = [*LATIN.split(" "), *OTHER.split(" "), *LONG]


def texts(seed, many=400):
    rng = random.Random(seed)
    some = [rng.sample(PARTS, 8) for _ in range(many)]
    return ["", " ", *("".join(rng.choice(["", " "]) + x for x in rng.choices(s, k=rng.randint(1, 40))) for s in some)]


@pytest.fixture(scope="module")
def tokenizer():
    return damped(train(["a cat and a dog saw the catalog, a cat 3 x y é ß 你"] * 9, 120, punctuation=False))


@pytest.mark.parametrize("seed", range(5))
def test_a_reader_reads_as_the_tokenizer_does(tokenizer, seed):
    read = Reader.of(tokenizer)
    asked = texts(seed)
    expected = tokenizer.encode_batch(asked, add_special_tokens=False)
    assert read.plain is not None
    assert any(read.odd.search(text) is None for text in asked)
    assert [x.ids for x in read(asked)] == [x.ids for x in expected]


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state["normalizer"].update(lowercase=False),
        lambda state: state["normalizer"].update(clean_text=False),
        lambda state: state["pre_tokenizer"]["pretokenizers"].pop(0),
        lambda state: state["pre_tokenizer"]["pretokenizers"].append({"type": "Digits", "individual_digits": True}),
        lambda state: state.update(pre_tokenizer=None),
        lambda state: state.update(normalizer=None),
    ],
)
def test_a_tokenizer_that_is_not_ours_is_left_to_read(tokenizer, change):
    state = json.loads(tokenizer.to_str())
    change(state)
    other = Tokenizer.from_str(json.dumps(state))
    read = Reader.of(other)
    assert read.plain is None
    assert [x.ids for x in read(texts(0, 50))] == [x.ids for x in other.encode_batch(texts(0, 50), False, False)]


def test_a_static_encoder_reads_so_and_can_be_copied(tokenizer):
    encoder = copy.deepcopy(fresh(tokenizer, 4))
    ids = [sample.ids.tolist() for sample in encoder.prepare(["A cat, a cat", "é cat cat"])]
    assert ids == [x.ids for x in tokenizer.encode_batch(["a cat", "e cat"], add_special_tokens=False)]
