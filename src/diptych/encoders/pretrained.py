"""A transformer from a folder or a hub id, deterministic, from safetensors only."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from tokenizers import normalizers

from diptych.encoders import folder as layout
from diptych.encoders.quiet import quiet
from diptych.encoders.transformer import SAVED, Pooling, Transformer, positions

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

VOCABULARY = (  # without any of them, `transformers` makes an empty tokenizer and says nothing
    "tokenizer.json",
    "vocab.txt",
    "vocab.json",
    "tokenizer.model",
    "sentencepiece.bpe.model",
    "spiece.model",
    "spm.model",
)


def from_pretrained(
    path_or_id: str | Path, pooling: Pooling | None = None, max_tokens: int | None = None
) -> Transformer:
    """Reads a `transformers` or sentence-transformers folder (Transformer, Pooling, Normalize), or a hub id.

    Without `pooling` and `max_tokens` the folder decides; a folder that does not say pools by mean
    (a causal language model: by its last token).

    Raises FileNotFoundError, ConnectionError, or ValueError for weights that are pickled, of another
    shape than the network, incomplete, or in need of code of their own.
    """
    folder = layout.locate(path_or_id)
    chain = layout.chain(folder)
    home = chain[0].folder if chain else folder
    network, tokenizer = _network(home), _tokenizer(home)
    settings = layout.config(home, "sentence_bert_config.json")
    if settings.get("do_lower_case"):
        _lower_case(tokenizer)
    limits = [tokenizer.model_max_length, positions(network), settings.get("max_seq_length")]
    longest = min(int(limit) for limit in limits if limit is not None)
    return Transformer(
        network,
        tokenizer,
        pooling or _pooling(chain, network),
        max_tokens or (longest if longest < 1 << 20 else 512),
        any(module.kind == "Normalize" for module in chain),
    )


def saved_pooling(folder: Path) -> str:
    """The mode in a Pooling module's configuration, in the old spelling or the new."""
    settings = layout.config(folder)
    old = [key for key, on in settings.items() if key.startswith("pooling_mode_") and on is True]
    named = {key: name for name, key in SAVED.items()} | {"lasttoken": "last"}
    mode = settings.get("pooling_mode") or "+".join(named.get(key, key) for key in old) or "mean"
    return named.get(mode, mode) if isinstance(mode, str) else "+".join(mode)


def _pooling(chain: list[layout.Module], network: "PreTrainedModel") -> Any:
    for module in chain:
        if module.kind == "Pooling":
            return saved_pooling(module.folder)
    causal = any("CausalLM" in name or "LMHead" in name for name in network.config.architectures or [])
    return "last" if causal else "mean"


def _network(folder: Path) -> "PreTrainedModel":
    from transformers import AutoConfig, AutoModel

    _refuse_pickles(folder)
    with layout.reading("network", folder), quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # for the parts that the folder has no weights for, such as BERT's pooler
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        _check(config, folder)
        network, report = AutoModel.from_pretrained(
            folder, config=config, dtype=torch.float32, use_safetensors=True, trust_remote_code=False,
            local_files_only=True, output_loading_info=True,
        )  # fmt: skip
    missing = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
    if missing:
        some = ", ".join(missing[:3])
        raise ValueError(f"the weights in {folder} lack {len(missing)} tensors of {type(network).__name__}: {some}")
    return network


def _check(config: "PretrainedConfig", folder: Path) -> None:
    """Raises ValueError for a configuration that would run code of its own, or build what its weights do not fill."""
    for name in layout.kernels(layout.config(folder)):
        raise ValueError(f"{folder} needs {name}, code of its own, which is never run")
    if config.is_encoder_decoder:
        raise ValueError(f"{config.model_type} is an encoder and a decoder; one of the two is needed")
    for size in SIZES:
        if isinstance(given := getattr(config, size, None), int) and given < 1:
            raise ValueError(f"{folder} has a config.json in which {size} is {given}")
    blocks, tensors = getattr(config, "num_hidden_layers", 0), 0
    for file in folder.glob("*.safetensors"):
        with safe_open(file, "pt") as weights:
            tensors += len(weights.keys())
    if isinstance(blocks, int) and blocks > max(SHARED, tensors):
        raise ValueError(f"{folder} speaks of {blocks:,} blocks and has {tensors:,} tensors")


SIZES = (
    "hidden_size", "intermediate_size", "vocab_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
    "head_dim",
)  # fmt: skip
SHARED = 1000  # blocks that may be made of the same few tensors


def _refuse_pickles(folder: Path) -> None:
    if name := layout.pickled(folder):
        raise ValueError(
            f"{folder} has its weights as {name} only, a pickle, which can run any code "
            "when it is opened; convert it to model.safetensors"
        )
    if not any(folder.glob("*.safetensors")):
        raise FileNotFoundError(f"{folder} has no weights: no *.safetensors")


def _tokenizer(folder: Path) -> "PreTrainedTokenizerFast":
    from transformers import AutoTokenizer

    if not any((folder / name).exists() for name in VOCABULARY):
        raise FileNotFoundError(f"{folder} has no tokenizer: none of {', '.join(VOCABULARY)}")
    with layout.reading("tokenizer", folder), quiet():
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)


def _lower_case(tokenizer: "PreTrainedTokenizerFast") -> None:
    backend = tokenizer.backend_tokenizer
    rest = [backend.normalizer] if backend.normalizer else []
    backend.normalizer = normalizers.Sequence([normalizers.Lowercase(), *rest])
