import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from diptych.data.vocabulary import SPECIAL, train

TEXTS = ["The cat sat on the mat.", "A cat is no mat, is it?", "Thé CAT 3.5"] * 3


def test_special_tokens_have_the_first_ids():
    assert [train(TEXTS, 60).token_to_id(token) for token in SPECIAL] == [0, 1, 2, 3, 4]


def test_words_of_the_corpus_become_tokens_whatever_their_case_and_accents():
    tokenizer = train(TEXTS, 60)
    assert tokenizer.encode("The cAt, thé MAT").tokens == ["the", "cat", ",", "the", "mat"]
    assert tokenizer.encode("[MASK] cat").ids[0] == 4
    assert tokenizer.decode(tokenizer.encode("the cat").ids) == "the cat"


@pytest.mark.parametrize("size", [7, 8, 20, 30, 60, 5000])
def test_a_vocabulary_is_no_larger_than_asked(size):
    tokenizer = train(TEXTS, size)
    vocabulary = tokenizer.get_vocab()
    assert len(vocabulary) == tokenizer.get_vocab_size() <= size
    assert sorted(vocabulary.values()) == list(range(len(vocabulary)))


@pytest.mark.parametrize("punctuation", [True, False])
def test_a_long_text_in_pieces_gives_the_same_vocabulary(punctuation, monkeypatch, cache_folder):
    texts = [" \n".join(difficult()), "你好。世界！é ü\u00a0x\x1cy\u0301 z " * 200, *TEXTS]
    whole = train(texts, 300, punctuation).to_str()
    shutil.rmtree(cache_folder / "vocabularies")
    monkeypatch.setattr("diptych.data.vocabulary.PIECE", 7)
    assert train(texts, 300, punctuation).to_str() == whole


def test_one_document_is_enough_and_an_iterator_will_do():
    assert train(iter(["one document"]), 100).encode("document").tokens == ["document"]


def test_no_text_is_no_vocabulary():
    with pytest.raises(ValueError, match="no text"):
        train([], 100)
    with pytest.raises(ValueError, match="no text"):
        train([" \n", ""], 100)
    with pytest.raises(ValueError, match="got 5"):
        train(TEXTS, 5)


def test_the_same_texts_give_the_same_vocabulary_in_every_process(tmp_path):
    """The library's own trainer fails this: its ties are broken by the order of a hash table."""
    program = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from test_vocabulary import difficult, train\n"
        "print(train(difficult(), 1500).to_str())"
    )
    call = [sys.executable, "-c", program, str(Path(__file__).parent)]
    anew = [{**os.environ, "DIPTYCH_CACHE": str(tmp_path / str(i))} for i in range(2)]
    made = [subprocess.run(call, env=env, capture_output=True, check=True).stdout for env in anew]
    assert made[0] == made[1]


def difficult():
    """Words with many ties, and more characters than an alphabet holds."""
    rng = random.Random(0)
    words = ["".join(rng.choices("abcde", k=rng.randint(1, 6))) for _ in range(5000)]
    rare = ["".join(chr(rng.randint(0x4E00, 0x9FFF)) for _ in range(4)) for _ in range(1000)]
    return [" ".join(words[i : i + 10] + rare[i : i + 10]) for i in range(0, 5000, 10)]


def test_training_prints_nothing(capfd):
    train(TEXTS, 60)
    assert capfd.readouterr() == ("", "")
