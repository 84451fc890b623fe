import numpy as np
import pytest
import torch
from networks import trained

from diptych import encoders
from diptych.encoders.tiny import tiny


def test_the_saved_folder_gives_the_same_embeddings_in_sentence_transformers(vocabulary, texts, tmp_path, caplog):
    from sentence_transformers import SentenceTransformer

    encoder = tiny(vocabulary)
    encoder.save(tmp_path / "model")
    theirs = SentenceTransformer(str(tmp_path / "model"), device="cpu")
    assert theirs.max_seq_length == 512
    np.testing.assert_allclose(
        encoder.encode(texts), theirs.encode(texts, show_progress_bar=False), atol=1e-5, rtol=1e-4
    )
    np.testing.assert_array_equal(encoders.load(tmp_path / "model").encode(texts), encoder.encode(texts))
    assert "MISSING" not in caplog.text


def test_the_seed_alone_decides_the_weights(vocabulary):
    torch.manual_seed(5)
    first = tiny(vocabulary, 1)
    torch.manual_seed(6)
    state = torch.get_rng_state()
    again, other = tiny(vocabulary, 1), tiny(vocabulary, 2)
    assert torch.equal(torch.get_rng_state(), state)
    a, b, c = (torch.cat([p.flatten() for p in e.parameters()]) for e in (first, again, other))
    assert torch.equal(a, b)
    assert not torch.equal(a, c)


def test_texts_stand_between_cls_and_sep_and_the_vocabulary_given_is_left_as_it_was(vocabulary):
    before = vocabulary.to_str()
    encoder = tiny(vocabulary)
    assert encoder.collate(encoder.prepare(["cat"]))["ids"][[0, -1]].tolist() == [2, 3]
    assert vocabulary.to_str() == before


def test_it_is_noisy_unless_told_otherwise(vocabulary):
    assert tiny(vocabulary).noisy
    assert not tiny(vocabulary, dropout=0.0).noisy


def test_a_tokenizer_without_the_special_tokens_is_refused():
    with pytest.raises(ValueError, match=r"lacks \[CLS\], \[SEP\], \[MASK\]"):
        tiny(trained(["[PAD]", "[UNK]"]))
