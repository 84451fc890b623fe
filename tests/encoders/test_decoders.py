import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from decoders import DECODERS, folder
from networks import build

from diptych import allocator, encoders
from diptych.core import Text
from diptych.encoders.direction import both_ways, causal
from diptych.encoders.pooling import pool, pool_row

LONG = "two views of the same document agree, and two documents do not " * 9


@pytest.fixture(params=DECODERS)
def decoder(request):
    return request.param


@pytest.fixture
def readable(texts):
    return [text for text in texts if text and text.isascii()]


def theirs(place, texts):
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(place), device="cpu").encode(texts, show_progress_bar=False)


def test_every_text_ends_with_eos_also_one_that_is_cut(decoder, tmp_path):
    encoder = encoders.load(folder(decoder, tmp_path), max_tokens=12)
    assert encoder.pooling == "last"
    for text in ("the cat", LONG, ""):
        row = encoder._row(sample := encoder.prepare([text])[0], sample.ids)
        assert (row[0], row[-1]) == (1, 2)
        assert len(row) <= 12
    assert len(row) == 2


@pytest.mark.parametrize("pad", [True, False], ids=["pad", "eos pads"])
def test_a_tokenizer_that_pads_left_gives_what_one_that_pads_right_gives(decoder, pad, readable, tmp_path):
    left, right = (encoders.load(folder(decoder, tmp_path / side, side=side, pad=pad)) for side in ("left", "right"))
    alone = np.concatenate([left.encode([text]) for text in readable])
    for encoder in (left, right):
        np.testing.assert_allclose(encoder.encode(readable), alone, atol=2e-5, rtol=1e-4)
        batch = encoder.collate(encoder.prepare(readable))
        with torch.inference_mode():
            np.testing.assert_allclose(encoder(batch).numpy(), alone, atol=2e-5, rtol=1e-4)


def test_padded_on_either_side_a_text_has_the_embedding_of_its_packed_row(decoder, readable, tmp_path):
    """Rule: the last position that is attended to, and positions that count from the first real token."""
    encoder = encoders.load(folder(decoder, tmp_path, pad=False))
    rows = [torch.from_numpy(encoder._row(sample, sample.ids)) for sample in encoder.prepare(readable)]
    packed, longest = encoder.encode(readable), max(map(len, rows))
    for left in (False, True):
        ids = torch.full((len(rows), longest), encoder.pretrained.pad_token_id)
        mask = torch.zeros_like(ids)
        for i, row in enumerate(rows):
            at = slice(longest - len(row), None) if left else slice(len(row))
            ids[i, at], mask[i, at] = row, 1
        places = (mask.cumsum(1) - 1).clamp(min=0)
        with torch.inference_mode():
            hidden = encoder.network(input_ids=ids, attention_mask=mask, position_ids=places).last_hidden_state
            np.testing.assert_allclose(pool(hidden, mask, "last").numpy(), packed, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("pooling", ["last", "mean", "weighted"])
def test_a_saved_decoder_gives_the_same_embeddings_in_sentence_transformers(decoder, pooling, readable, tmp_path):
    encoder = encoders.load(folder(decoder, tmp_path / "a"), pooling, prompt="a text of the cat: ")
    encoder.save(tmp_path / "b")
    asked = [*readable, LONG]
    np.testing.assert_allclose(theirs(tmp_path / "b", asked), encoder.encode(asked), atol=2e-5, rtol=1e-4)
    again = encoders.load(tmp_path / "b")
    assert (again.before, again.after, again.pooling) == (encoder.before, encoder.after, pooling)
    np.testing.assert_array_equal(again.encode(readable), encoder.encode(readable))
    again.save(tmp_path / "c")
    np.testing.assert_allclose(theirs(tmp_path / "c", asked), encoder.encode(asked), atol=2e-5, rtol=1e-4)


def test_a_prompt_stands_behind_the_first_special_token(tmp_path):
    place = folder("Llama", tmp_path)
    plain, asked = encoders.load(place), encoders.load(place, prompt="the cat: ")
    ids = plain.prepare(["the cat: "])[0].ids.tolist()
    assert asked.before == [1, *ids]
    assert not np.allclose(plain.encode(["a"]), asked.encode(["a"]), atol=1e-3)
    with pytest.raises(ValueError, match="a prompt is a text that has tokens"):
        encoders.load(place, prompt="")
    with pytest.raises(ValueError, match="with special tokens a text has at least"):
        encoders.load(place, prompt=LONG)


def test_a_prompt_that_is_there_already_stays_and_another_is_refused(tmp_path):
    encoder = encoders.load(folder("Llama", tmp_path / "a"), prompt="the cat: ")
    encoder.save(tmp_path / "b")
    again = encoders.load(tmp_path / "b", prompt="the cat: ")
    assert again.before == encoder.before
    for other in ("cat: ", "a text: ", "see the cat: "):
        with pytest.raises(
            ValueError, match=r"puts 'the .*cat.*' before every text already, and a text has one prompt"
        ):
            encoders.load(tmp_path / "b", prompt=other)
    again.save(tmp_path / "c")
    assert encoders.load(tmp_path / "c").before == encoder.before


def test_a_family_is_causal_whatever_class_it_was_saved_as(tmp_path):
    place = folder("Llama", tmp_path / "a")
    build("Bert").save(tmp_path / "b")
    (tmp_path / "b" / "modules.json").unlink()
    for home, name in ((place, "LlamaModel"), (tmp_path / "b", "BertLMHeadModel")):
        told = json.loads((home / "config.json").read_text())
        (home / "config.json").write_text(json.dumps(told | {"architectures": [name]}))
    decoder, encoder = encoders.load(place), encoders.load(tmp_path / "b")
    assert (decoder.pooling, decoder.after) == ("last", [2])
    assert encoder.pooling == "mean"
    kinds = {name: causal(SimpleNamespace(config=SimpleNamespace(model_type=name))) for name in ("xlm", "bert", "gpt2")}
    assert kinds == {"xlm": False, "bert": False, "gpt2": True}


def test_eos_can_be_left_out_and_a_sentence_transformer_keeps_its_own_rule(tmp_path):
    place = folder("Llama", tmp_path / "a")
    bare = encoders.load(place, eos=False)
    assert bare.after == []
    bare.save(tmp_path / "b")
    assert encoders.load(tmp_path / "b").after == []
    assert encoders.load(tmp_path / "b", eos=True).after == [2]


def test_without_eos_or_padding_the_error_says_what_to_give(tmp_path):
    place = folder("Llama", tmp_path / "a", eos=False)
    with pytest.raises(ValueError, match=r'this tokenizer has none: name one as "eos_token".* mean or weighted'):
        encoders.load(place)
    assert encoders.load(place, "mean").after == []
    place = folder("Llama", tmp_path / "b", eos=False, pad=False)
    with pytest.raises(ValueError, match=r'name a token as "pad_token" or "eos_token"'):
        encoders.load(place, "mean")


def test_the_weighted_mean_counts_later_tokens_more_wherever_the_padding_is():
    hidden = torch.arange(24.0).view(2, 4, 3)
    right, left = torch.tensor([[1, 1, 1, 0], [1, 0, 0, 0]]), torch.tensor([[0, 1, 1, 1], [0, 0, 0, 1]])
    told = torch.stack([(hidden[0, 0] + 2 * hidden[0, 1] + 3 * hidden[0, 2]) / 6, hidden[1, 0]])
    torch.testing.assert_close(pool(hidden, right, "weighted"), told)
    told = torch.stack([(hidden[0, 1] + 2 * hidden[0, 2] + 3 * hidden[0, 3]) / 6, hidden[1, 3]])
    torch.testing.assert_close(pool(hidden, left, "weighted"), told)
    row, edges = torch.cat([hidden[0, 1:], hidden[1, 3:], hidden[1, :1]]), torch.tensor([0, 3, 4])
    torch.testing.assert_close(pool_row(row, edges, "weighted"), told)


# ---------------------------------------------------------------- both ways


def test_tokens_see_the_whole_text_if_that_is_asked_for(decoder, readable, tmp_path):
    place = folder(decoder, tmp_path / "a")
    causal, encoder = encoders.load(place, "mean"), encoders.load(place, "mean", bidirectional=True)
    assert not both_ways(causal.network)
    assert both_ways(encoder.network)
    first, other = encoder.prepare(["the cat sat"])[0].ids, encoder.prepare(["the cat mat"])[0].ids
    encoder.pooling = causal.pooling = "cls"
    assert not np.allclose(*encoder.embed([Text(first), Text(other)]), atol=1e-4)
    np.testing.assert_allclose(*causal.embed([Text(first), Text(other)]), atol=1e-5)
    encoder.pooling = "mean"
    alone = np.concatenate([encoder.encode([text]) for text in readable])
    np.testing.assert_allclose(encoder.encode(readable), alone, atol=2e-5, rtol=1e-4)
    encoder.save(tmp_path / "b")
    np.testing.assert_array_equal(encoders.load(tmp_path / "b").encode(readable), encoder.encode(readable))
    np.testing.assert_allclose(theirs(tmp_path / "b", readable), alone, atol=2e-5, rtol=1e-4)
    one = np.concatenate([theirs(tmp_path / "b", [text]) for text in readable])  # nothing is padded
    np.testing.assert_allclose(one, alone, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("name", ["GPT2", "GPTNeoX", "Qwen3"])
def test_other_families_see_the_whole_text_too(name, readable, tmp_path):
    build(name, pooling="cls").save(tmp_path / "a")
    encoder = encoders.load(tmp_path / "a", bidirectional=True)
    first, other = (Text(np.array([5, 6, 7, end])) for end in (8, 9))
    assert not np.allclose(*encoder.embed([first, other]), atol=1e-4)
    encoder.save(tmp_path / "b")
    alone = np.concatenate([theirs(tmp_path / "b", [text]) for text in readable])
    np.testing.assert_allclose(alone, encoder.encode(readable), atol=2e-5, rtol=1e-4)


def test_what_cannot_look_both_ways_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("diptych.encoders.direction.both_ways", lambda network: False)
    with pytest.raises(ValueError, match="LlamaModel cannot look both ways"):
        encoders.load(folder("Llama", tmp_path), bidirectional=True)


def test_what_looks_both_ways_already_stays_as_it_is(tmp_path):
    build("Bert").save(tmp_path)
    assert "is_causal" not in vars(encoders.load(tmp_path, bidirectional=True).network.config)


# ---------------------------------------------------------------- numbers and memory


def test_weights_in_bf16_are_held_and_computed_with_in_bf16(decoder, readable, tmp_path):
    place = folder(decoder, tmp_path / "a")
    fine, coarse = encoders.load(place), encoders.load(place, weights="bf16")
    assert {p.dtype for p in coarse.parameters()} == {torch.bfloat16}
    assert coarse.padded == fine.padded
    a, b = fine.encode(readable), coarse.encode(readable)
    cosines = (a * b).sum(1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    assert cosines.min() > 0.99
    coarse.save(tmp_path / "b")
    assert encoders.load(tmp_path / "b", weights="bf16").encode(readable) == pytest.approx(b, abs=1e-6)


def test_a_row_that_cannot_be_packed_is_found_out_in_bf16_too(readable, tmp_path, monkeypatch):
    place = folder("Llama", tmp_path)
    monkeypatch.setattr("diptych.encoders.packing._seen", lambda group, causal, window: None)
    assert encoders.load(place).padded
    assert encoders.load(place, weights="bf16").padded


def test_four_bits_need_a_gpu_and_their_library(tmp_path):
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(ValueError, match=r"nf4 \(QLoRA\) need a CUDA device and bitsandbytes: there is no CUDA device"):
        encoders.load(folder("Llama", tmp_path), weights="nf4")
    with pytest.raises(ValueError, match="fp32, bf16, nf4; got 'int3'"):
        encoders.load(tmp_path, weights="int3")


def gradients(encoder, batch, cast):
    encoder.zero_grad()
    saved = []
    with torch.autograd.graph.saved_tensors_hooks(lambda x: saved.append(x.nbytes) or x, lambda x: x), cast:
        out = encoder(batch)
    out.square().sum().backward()
    return (
        out.detach(),
        {name: p.grad.clone() for name, p in encoder.named_parameters() if p.grad is not None},
        sum(saved),
    )


@pytest.mark.parametrize("low", [False, True], ids=["fp32", "bf16"])
@pytest.mark.parametrize("name", ["Llama", "Gemma2", "Phi"])
def test_blocks_that_compute_again_give_the_same_gradients_and_keep_less(name, low, readable, tmp_path, monkeypatch):
    eased = []
    monkeypatch.setattr(allocator, "ease", lambda: eased.append(True))
    encoder = encoders.load(folder(name, tmp_path)).train()
    key = torch.arange(len(readable))
    batch = encoder.collate(encoder.prepare(readable)) | {"key": key}
    cast = torch.autocast("cpu", torch.bfloat16, low)
    out, kept, many = gradients(encoder, batch, cast)
    assert not eased
    encoder.recompute = True
    again, recomputed, few = gradients(encoder, batch, cast)
    assert len(eased) == 2 * (len(encoder.layers) - 1)  # before each block that is computed, both times
    assert torch.equal(out, again)
    assert kept.keys() == recomputed.keys()
    for name in kept:
        torch.testing.assert_close(kept[name], recomputed[name], atol=1e-6, rtol=1e-5)
    assert few < many / 2
    assert "forward" not in vars(encoder.layers[1])


def test_a_network_that_transformers_has_not_is_refused_with_its_name(tmp_path):
    place = folder("Llama", tmp_path)
    told = json.loads((place / "config.json").read_text())
    code = {"model_type": "minicpm", "auto_map": {"AutoModel": "modeling_minicpm.MiniCPMModel"}}
    (place / "config.json").write_text(json.dumps(told | code))
    with pytest.raises(ValueError, match=r"of type 'minicpm', which transformers itself has not: .* never run"):
        encoders.load(place)


@pytest.mark.real
@pytest.mark.parametrize("name", ["lm_babyllama_char", "lm_stories260k"])
def test_small_language_models_are_as_in_sentence_transformers(name, shared_data, tmp_path):
    encoder = encoders.load(shared_data / "models" / name)
    asked = ["Once upon a time", "there was a little cat named Tim.", "One day", "the cat went to the park " * 40]
    assert encoder.after == [encoder.pretrained.eos_token_id] == [encoder.pretrained.pad_token_id]
    encoder.save(tmp_path / "b")
    np.testing.assert_allclose(theirs(tmp_path / "b", asked), encoder.encode(asked), atol=2e-5, rtol=1e-4)
    alone = np.concatenate([encoder.encode([text]) for text in asked])
    np.testing.assert_allclose(encoder.encode(asked), alone, atol=2e-5, rtol=1e-4)
