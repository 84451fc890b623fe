"""Small random networks of every family, with a tokenizer trained on a few sentences."""

import torch
import transformers
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers

from diptych.encoders.transformer import Transformer

TEXTS = [
    "the cat sat on the mat",
    "a crop of a text is a slice of its tokens",
    "two views of the same document agree, and two documents do not; this one is the longest of them all",
    "dropout",
    "",
    "unseen 漢字 Ünïcode",
]


def trained(specials: list[str]) -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(vocab_size=120, special_tokens=specials, show_progress=False)
    tokenizer.train_from_iterator(TEXTS[:4], trainer)
    return tokenizer


def pretrained(pad_first: bool = True) -> transformers.PreTrainedTokenizerFast:
    """One with [CLS] before and [SEP] behind; padding is token 0 as in BERT, or 1 as in RoBERTa."""
    first = ["[PAD]", "[CLS]"] if pad_first else ["[CLS]", "[PAD]"]
    tokenizer = trained([*first, "[SEP]", "[UNK]", "[MASK]"])
    ends = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
    )


SHAPE = {
    "vocab_size": 120,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 66,
}
BERT = {"pad_token_id": 0}
ROBERTA = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}
DECODER = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
FAMILIES = {
    "Bert": SHAPE | BERT,
    "Electra": SHAPE | BERT | {"embedding_size": 16},
    "DebertaV2": SHAPE | BERT,
    "DistilBert": {
        "vocab_size": 120, "dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 48,
        "max_position_embeddings": 66, "pad_token_id": 0,
    },
    "ModernBert": SHAPE | BERT | {
        "bos_token_id": 1, "cls_token_id": 1, "eos_token_id": 2, "sep_token_id": 2,
        "attention_dropout": 0.1, "local_attention": 8, "global_attn_every_n_layers": 2,
    },
    "Roberta": SHAPE | ROBERTA,
    "XLMRoberta": SHAPE | ROBERTA,
    "MPNet": SHAPE | ROBERTA,
    "Llama": SHAPE | DECODER | {"attention_dropout": 0.1},
    "Qwen3": SHAPE | DECODER | {"attention_dropout": 0.1, "num_key_value_heads": 2, "head_dim": 8},
    "GPTNeoX": SHAPE | DECODER | {"hidden_dropout": 0.1},
    "GPT2": {
        "vocab_size": 120, "n_embd": 32, "n_layer": 3, "n_head": 4, "n_positions": 66,
        "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    },
}  # fmt: skip


def build(name: str, **more: object) -> Transformer:
    torch.manual_seed(1)
    config = getattr(transformers, f"{name}Config")(**FAMILIES[name])
    network = transformers.AutoModel.from_config(config).eval()
    for parameter in network.parameters():  # biases and norms too, so that nothing hides behind a zero
        torch.nn.init.normal_(parameter, std=0.2)
    tokenizer = pretrained(pad_first=config.pad_token_id == 0)
    return Transformer(network, tokenizer, **{"max_tokens": 64, **more})  # type: ignore[arg-type]
