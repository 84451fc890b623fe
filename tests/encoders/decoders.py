"""Small random decoders of the classes that language models have, as folders, with tokenizers of their kinds."""

import json
from pathlib import Path

import torch
import transformers
from networks import SHAPE, TEXTS
from tokenizers import Tokenizer, models, pre_tokenizers, processors, trainers

SMALL = SHAPE | {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "attention_dropout": 0.1}
DECODERS = {
    "Llama": SMALL | {"num_key_value_heads": 2},
    "Qwen2": SMALL | {"num_key_value_heads": 2},
    "Gemma": SMALL | {"num_key_value_heads": 1, "head_dim": 8},
    "Gemma2": SMALL | {
        "num_key_value_heads": 2, "head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 4,
        "attn_logit_softcapping": 2.0,
    },
    "Phi": SMALL | {"partial_rotary_factor": 0.5, "resid_pdrop": 0.1},
}  # fmt: skip


def tokenizer(side: str = "right", pad: bool = True, eos: bool = True) -> transformers.PreTrainedTokenizerFast:
    """Byte-level BPE with a token before every text and none behind, as Llama 3 has it; EOS pads without PAD."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=110, special_tokens=["<pad>", "<s>", "</s>"], show_progress=False,
        initial_alphabet=sorted(set("".join(TEXTS[:4]))),
    )  # fmt: skip
    made.train_from_iterator(TEXTS[:4], trainer)
    before = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    made.post_processor = processors.Sequence([processors.ByteLevel(trim_offsets=True), before])
    named = {"pad_token": "<pad>"} if pad else {}
    named |= {"eos_token": "</s>"} if eos else {}
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, bos_token="<s>", padding_side=side, model_max_length=66, **named
    )


def folder(name: str, place: Path, **tokens: object) -> Path:
    """A causal language model as `transformers` saves it."""
    torch.manual_seed(1)
    config = getattr(transformers, f"{name}Config")(**DECODERS[name])
    network = getattr(transformers, f"{name}ForCausalLM")(config).eval()
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    network.save_pretrained(place)
    tokenizer(**tokens).save_pretrained(place)  # type: ignore[arg-type]
    settings = json.loads((place / "config.json").read_text())
    assert settings["architectures"] == [f"{name}ForCausalLM"]
    return place
