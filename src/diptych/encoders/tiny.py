"""A small BERT from scratch, with a vocabulary of its own."""

from typing import Any

import torch
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from diptych.encoders.pooling import Pooling
from diptych.encoders.transformer import Transformer

SPECIAL = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}


def tiny(
    tokenizer: Tokenizer,
    seed: int = 0,
    *,
    layers: int = 4,
    width: int = 256,
    heads: int = 4,
    dropout: float = 0.1,
    max_tokens: int = 512,
    pooling: Pooling = "mean",
) -> Transformer:
    """An untrained BERT, decided by the seed, for a tokenizer that has [PAD] [UNK] [CLS] [SEP] [MASK].

    The tokenizer is copied, and the copy puts [CLS] before a text and [SEP] behind it.

    Raises ValueError if one of the five tokens is missing.
    Source: BERT, arXiv:1810.04805.
    """
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    ids = {name: tokenizer.token_to_id(token) for name, token in SPECIAL.items()}
    if missing := [SPECIAL[name] for name, id_ in ids.items() if id_ is None]:
        raise ValueError(f"a tokenizer for BERT has {', '.join(SPECIAL.values())}; this one lacks {', '.join(missing)}")
    config = BertConfig(
        vocab_size=1 + max(tokenizer.get_vocab().values()),
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=4 * width,
        max_position_embeddings=max_tokens,
        hidden_dropout_prob=dropout,
        attention_probs_dropout_prob=dropout,
        pad_token_id=ids["pad_token"],
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = BertModel(config)
    special: dict[str, Any] = dict(SPECIAL)
    fast = PreTrainedTokenizerFast(tokenizer_object=_surrounded(tokenizer), model_max_length=max_tokens, **special)
    return Transformer(network, fast, pooling, max_tokens)


def _surrounded(tokenizer: Tokenizer) -> Tokenizer:
    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.post_processor = TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[(token, copy.token_to_id(token)) for token in ("[CLS]", "[SEP]")],
    )
    return copy
