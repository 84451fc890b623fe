import json
import shutil
import subprocess
import sys
import time
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from diptych.data.documents import from_texts
from diptych.data.sentences import boundaries
from diptych.data.store import build
from diptych.data.vocabulary import train
from diptych.tokens.pieces import pieces

TEXTS = [
    "One sentence here. And another, of Dr. Smith! A third 3.5 one",
    "Short.",
    "...",
    "\n\n Indented first.\n\nSecond paragraph é ü. 你好世界。",
]
often = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
prose = st.lists(
    st.sampled_from(["one ", "Two ", "you? ", "3.5 ", "é, ", "end. ", "\n\n", " ", "I.", "zzz"]), min_size=1
)


@pytest.fixture(scope="module")
def wordpiece(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DIPTYCH_CACHE", str(tmp_path_factory.mktemp("cache")))
        return train(TEXTS * 5 + ["one two you end zzz"] * 9, 200)


@pytest.fixture(scope="module")
def bytelevel():
    """As RoBERTa's: tokens begin with the white space before their word, and its offsets say so."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=400, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(TEXTS * 5, trainer)
    return tokenizer


@pytest.fixture(scope="module")
def unsplit():
    """As Llama's: no words of its own, and a mark for white space within tokens."""
    tokenizer = Tokenizer(models.BPE(unk_token="?"))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    trainer = trainers.BpeTrainer(vocab_size=60, special_tokens=["?"], show_progress=False, max_token_length=4)
    tokenizer.train_from_iterator(TEXTS * 5, trainer)
    return tokenizer


@pytest.fixture(params=["wordpiece", "bytelevel", "unsplit"])
def tokenizer(request):
    return request.getfixturevalue(request.param)


def parts(text):
    """The tokens of each sentence."""
    return [ids.tolist() for ids in np.split(text.ids, text.sentences[1:])]


@often
@given(pieces=st.lists(prose, min_size=1, max_size=3))
def test_slices_between_sentence_starts_are_the_sentences(pieces, wordpiece):
    texts = [x for x in map("".join, pieces) if x.strip()]
    if not texts:
        return
    store = build(from_texts(texts), wordpiece)
    for i, text in enumerate(texts):
        edges = boundaries(text)
        sentences = [text[a:b] for a, b in pairwise(edges)]
        expected = [(wordpiece.encode(x).ids, len(x.strip())) for x in sentences]
        expected = [x for x in expected if x[0]]
        found = store[i]["text"]
        assert parts(found) == [ids for ids, _ in expected]
        assert found.chars.tolist() == [chars for _, chars in expected]


@pytest.mark.parametrize("segmentation", ["sentences", "full stops"])
def test_a_document_is_the_tokens_of_its_whole_text(tokenizer, segmentation):
    store = build(from_texts(TEXTS), tokenizer, segmentation)
    for i, text in enumerate(TEXTS):
        stop = segmentation == "full stops" and not text.endswith(".")
        found = store[i]["text"]
        assert found.ids.tolist() == tokenizer.encode(text + "." * stop, add_special_tokens=False).ids
        assert found.ids.dtype == found.sentences.dtype == found.chars.dtype == np.int32
        assert found.words.dtype == bool
        assert len(found.words) == len(found.ids)
        assert len(found.chars) == len(found.sentences)
        assert found.sentences[0] == 0
        assert found.words[0]
        assert (np.diff(found.sentences, append=len(found.ids)) > 0).all()


def test_a_token_that_begins_with_white_space_is_of_the_sentence_of_its_letters(bytelevel):
    store = build(from_texts(["One sentence. Another one! Third."]), bytelevel)
    assert [bytelevel.decode(ids).strip() for ids in parts(store[0]["text"])] == [
        "One sentence.",
        "Another one!",
        "Third.",
    ]


def test_words_start_where_the_tokenizer_says(wordpiece):
    found = build(from_texts(["Unseen sentence, zzz"]), wordpiece)[0]["text"]
    tokens = [wordpiece.id_to_token(i) for i in found.ids]
    assert found.words.tolist() == [not token.startswith("##") for token in tokens]
    assert not found.words.all()


def test_words_start_after_white_space_if_the_tokenizer_has_no_words(unsplit):
    found = build(from_texts(["One sentence  here\na"]), unsplit)[0]["text"]
    words = np.split(found.ids, np.flatnonzero(found.words)[1:])
    spelt = ["".join(unsplit.id_to_token(i) for i in word).replace("▁", "").strip() for word in words]
    assert spelt == ["One", "sentence", "here", "a"]


def test_pieces_between_full_stops_have_the_lengths_that_the_paper_counts(wordpiece):
    found = build(from_texts(["One two. End 3.5 you"]), wordpiece, "full stops")[0]["text"]
    assert found.chars.tolist() == [7, 6, 5]
    assert [wordpiece.decode(ids) for ids in parts(found)] == ["one two.", "end 3.", "5 you."]


def test_special_tokens_truncation_and_padding_are_left_out(wordpiece):
    other = Tokenizer.from_str(wordpiece.to_str())
    other.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    other.enable_truncation(3)
    other.enable_padding()
    ours, theirs = build(from_texts(TEXTS), wordpiece), build(from_texts(TEXTS), other)
    assert all((ours[i]["text"].ids == theirs[i]["text"].ids).all() for i in range(len(TEXTS)))
    assert other.truncation is not None


def test_a_text_without_tokens_is_still_a_document(wordpiece):
    store = build(from_texts(["\u200b", "one"]), wordpiece)
    assert len(store) == 2
    assert len(store[0]["text"].ids) == len(store[0]["text"].sentences) == 0
    assert len(store[1]["text"].ids) == 1


def test_documents_of_all_batches_are_found(wordpiece, monkeypatch):
    monkeypatch.setattr("diptych.data.store.CHARACTERS", 50)
    texts = [f"{'one two ' * (i % 9)} end. {'you ' * (i % 4)}" for i in range(200)]
    store = build(from_texts(texts), wordpiece)
    assert len(store.batches) > 10
    assert len(store) == 200
    for i in [0, 1, 17, 111, 199, -1]:
        assert store[i]["text"].ids.tolist() == wordpiece.encode(texts[i]).ids
    assert store.lengths.tolist() == [len(wordpiece.encode(text).ids) for text in texts]
    assert store.tokens == store.lengths.sum()
    with pytest.raises(IndexError, match="200 documents"):
        store[200]


def test_selected_documents_are_the_same_documents(wordpiece):
    store = build(from_texts(TEXTS), wordpiece)
    some = store.select([3, 0]).select([1, 0, 1])
    assert [some[i]["text"].ids.tolist() for i in range(3)] == [store[i]["text"].ids.tolist() for i in (0, 3, 0)]
    assert some.tokens == some.lengths.sum() == sum(len(some[i]["text"].ids) for i in range(3))
    assert len({store.fingerprint, some.fingerprint, store.select([0]).fingerprint}) == 3
    assert len(store.select([])) == 0
    with pytest.raises(IndexError):
        store.select([4])


def test_slices_are_not_copied(wordpiece):
    store = build(from_texts(TEXTS), wordpiece)
    assert np.shares_memory(store[0]["text"].ids, store.batches[0].ids)
    with pytest.raises(ValueError, match="read-only"):
        store[0]["text"].ids[0] = 1


def test_a_store_is_made_once_for_each_content(wordpiece, cache_folder):
    made = {
        build(from_texts(TEXTS), wordpiece).fingerprint,
        build(from_texts(TEXTS), wordpiece).fingerprint,
        build(from_texts(TEXTS[:2]), wordpiece).fingerprint,
        build(from_texts(TEXTS), wordpiece, "full stops").fingerprint,
        build(from_texts(TEXTS), train(TEXTS, 50)).fingerprint,
    }
    assert len(made) == 4
    assert {folder.name for folder in (cache_folder / "tokens").iterdir()} == made


def test_another_segmentation_is_refused(wordpiece, cache_folder):
    with pytest.raises(ValueError, match="got 'lines'"):
        build(from_texts(TEXTS), wordpiece, "lines")
    assert not (cache_folder / "tokens").exists()


@pytest.mark.slow
def test_a_document_of_ten_megabytes_is_tokenised(wordpiece):
    store = build(from_texts(["One two. " * 1_200_000, "one"]), wordpiece)
    assert store.lengths.tolist() == [3_600_000, 1]
    assert len(store[0]["text"].sentences) == 1_200_000


@pytest.mark.parametrize("segmentation", ["sentences", "full stops"])
def test_a_long_document_in_pieces_is_the_same_document(tokenizer, segmentation, monkeypatch, cache_folder):
    text = "One sentence of Dr. Smith.  And\n\nanother 3.5 you zzz! 你好世界。你好 é ü. \tEnd" * 40
    texts = [text, "Short.", text[::-1], "x" * 3000, ""]
    whole = build(from_texts(texts), tokenizer, segmentation)
    shutil.rmtree(cache_folder / "tokens")
    asked = []
    monkeypatch.setattr("diptych.tokens.read.LONG", 1000)
    monkeypatch.setattr("diptych.tokens.read.PIECE", 256)
    monkeypatch.setattr("diptych.tokens.read.CHARACTERS", 700)
    monkeypatch.setattr("diptych.tokens.read.pieces", lambda *a: asked.append(a) or pieces(*a))
    parts = build(from_texts(texts), tokenizer, segmentation)
    assert asked
    for i in range(len(whole)):
        one, other = whole[i]["text"], parts[i]["text"]
        for name in ("ids", "words", "sentences", "chars"):
            assert getattr(one, name).tolist() == getattr(other, name).tolist()


@pytest.mark.slow
@pytest.mark.parametrize("text", ["Many words. " * 850_000, "你好世界。" * 600_000], ids=["words", "no spaces"])
def test_the_memory_for_a_document_of_ten_megabytes_is_bounded(text, tmp_path):
    """As one string it takes more than 1,500 MB."""
    path = tmp_path / "x.jsonl"
    path.write_text(json.dumps({"text": text}))
    program = (
        "import resource, sys; from diptych.data import store, vocabulary; from diptych.data.documents import read\n"
        "documents = read(sys.argv[1])\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "store.build(documents, vocabulary.train(documents.texts, 100))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)"
    )
    done = subprocess.run([sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 700_000


def test_a_document_is_there_in_microseconds(wordpiece):
    store = build(from_texts(TEXTS * 100), wordpiece)
    start = time.process_time()
    for _ in range(50):
        for i in range(400):
            store[i]
    assert (time.process_time() - start) / 20_000 < 30e-6
