import copy
import json
import random
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from tokenizers import Tokenizer

from diptych.data import store
from diptych.data.documents import from_texts
from diptych.data.vocabulary import train
from diptych.encoders.static import fresh
from diptych.tokens.damped import Reader, damped, undamped
from diptych.tokens.words import Words


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
    assert tokenizer.encode("cat " + "b" * 1_000_000, add_special_tokens=False).tokens == ["cat", "[UNK]"]


# ---------------------------------------------------------------- the same, sooner


ASCII = "a A cat CAT dog word 3 33 a1 x_y _ - , . ! \n \t \r\n ' [pad [MASK"
ODD = "[PAD] [pad] [CLS]cat \x00 \x1c \x7f é É ü ß İ ı ﬁ ² Ⅷ ½ 你好 你 ด้วย ा"
OTHER = "\u00a0 \u0301 \u200b \u2028 \ufeff \ufffd “cat” it’s — … 😀"
LONG = ["b" * 99, "b" * 100, "b" * 101, "-" * 140, "-" * 297, "-" * 298]
PLAIN = [*ASCII.split(" "), *LONG]
PARTS = [*PLAIN, *ODD.split(" "), *OTHER.split(" ")]


def texts(seed, many=400):
    """Half of them of ASCII, the others of anything."""
    rng = random.Random(seed)
    some = [rng.sample(PARTS if i % 2 else PLAIN, 8) for i in range(many)]
    return ["", " ", *("".join(rng.choice(["", " "]) + x for x in rng.choices(s, k=rng.randint(1, 40))) for s in some)]


@pytest.fixture(scope="module")
def tokenizer():
    return damped(train(["a cat and a dog saw the catalog, a cat 3 x y é ß 你"] * 9, 120, punctuation=False))


@pytest.mark.parametrize("seed", range(5))
def test_a_reader_reads_as_the_tokenizer_does(tokenizer, seed):
    read = Reader.of(tokenizer)
    asked = texts(seed)
    expected = tokenizer.encode_batch(asked, add_special_tokens=False)
    assert read.words is not None
    assert len(asked) / 3 < sum(map(read.words.easy, asked)) < len(asked)
    assert [x.tolist() for x in read(asked)] == [x.ids for x in expected]


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
    assert read.words is None or not read.damped
    assert [x.tolist() for x in read(texts(0, 50))] == [x.ids for x in other.encode_batch(texts(0, 50), False, False)]


def test_a_static_encoder_reads_so_and_can_be_copied(tokenizer):
    encoder = copy.deepcopy(fresh(tokenizer, 4))
    ids = [sample.ids.tolist() for sample in encoder.prepare(["A cat, a cat", "é cat cat"])]
    assert ids == [x.ids for x in tokenizer.encode_batch(["a cat", "e cat"], add_special_tokens=False)]


@pytest.mark.parametrize("segmentation", ["sentences", "full stops"])
def test_a_store_read_by_words_is_the_store_read_by_the_tokenizer(tokenizer, segmentation, monkeypatch, tmp_path):
    monkeypatch.setenv("DIPTYCH_CACHE", str(tmp_path))
    documents = from_texts([text for text in texts(7) if text.strip()])
    quick = store.build(documents, undamped(tokenizer), segmentation)
    shutil.rmtree(tmp_path / "tokens")
    monkeypatch.setattr("diptych.tokens.read.Words.of", lambda tokenizer: None)
    slow = store.build(documents, undamped(tokenizer), segmentation)
    for a, b in zip(quick, slow, strict=True):
        for name in ("ids", "words", "sentences", "chars"):
            np.testing.assert_array_equal(getattr(a["text"], name), getattr(b["text"], name))


def test_words_are_forgotten_when_there_are_too_many(tokenizer, monkeypatch):
    monkeypatch.setattr("diptych.tokens.words.MOST", 7)
    read = Reader.of(tokenizer)
    for text in texts(3, 60):
        assert read([text])[0].tolist() == tokenizer.encode(text, add_special_tokens=False).ids
    assert 0 < len(read.words.known) <= 40  # of a text at most


def test_threads_share_what_is_remembered(tokenizer, monkeypatch):
    monkeypatch.setattr("diptych.tokens.words.MOST", 50)
    read = Reader.of(tokenizer)
    asked = [f"{text} w{i}" for i, text in enumerate(texts(5, 600))]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda text: read([text])[0].tolist(), asked))
    assert found == [x.ids for x in tokenizer.encode_batch(asked, add_special_tokens=False)]


def test_tokens_that_are_looked_for_in_normal_text_are_left_to_the_tokenizer(tokenizer):
    state = json.loads(undamped(tokenizer).to_str())
    state["added_tokens"][0]["normalized"] = True
    assert Words.of(undamped(tokenizer)) is not None
    assert Words.of(Tokenizer.from_str(json.dumps(state))) is None
