"""A transformer from a folder or a hub id, deterministic, from safetensors only."""

import os
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch
from safetensors import safe_open
from tokenizers import normalizers

from diptych.encoders import direction, lora
from diptych.encoders import folder as layout
from diptych.encoders.pooling import SAVED, Pooling
from diptych.encoders.quiet import quiet
from diptych.encoders.transformer import Transformer, positions
from diptych.plural import counted

if TYPE_CHECKING:
    from transformers import PretrainedConfig, PreTrainedModel, PreTrainedTokenizerFast

Weights = Literal["fp32", "bf16", "nf4"]
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
    path_or_id: str | Path,
    pooling: Pooling | None = None,
    max_tokens: int | None = None,
    *,
    eos: bool | None = None,
    prompt: str | None = None,
    bidirectional: bool = False,
    weights: Weights = "fp32",
) -> Transformer:
    """Reads a `transformers` or sentence-transformers folder (Transformer, Pooling, Normalize), or a hub id.

    Without `pooling` and `max_tokens` the folder decides; a folder that does not say pools by mean
    (a causal language model: by its last token). An adapter (LoRA, in the layout of `peft`) is put into
    the network that it names.

    `eos` puts the tokenizer's EOS behind every text unless something is there; without a word on it, that is done
    for causal language models that are no sentence-transformers folder. `prompt` is a text before every text.
    `bidirectional` lets a decoder's tokens see the whole text. `weights` are held, and computed with, in these
    numbers; nf4 (arXiv:2305.14314) is for adapters, on a GPU, by bitsandbytes.

    Raises FileNotFoundError, ConnectionError, or ValueError for weights that are pickled, of another
    shape than the network, incomplete, or in need of code of their own, and for what the network cannot do.
    """
    folder = layout.locate(path_or_id)
    chain = layout.chain(folder)
    home = chain[0].folder if chain else folder
    adapter = layout.config(home, lora.CONFIG)
    base = str(adapter.get("base_model_name_or_path") or "") if adapter else _name(path_or_id, folder, home)
    source = _base(home, base) if adapter else home
    network, tokenizer = network_in(source, weights), _tokenizer(home if _has_tokenizer(home) else source)
    if adapter:
        with layout.reading("adapter", home):
            lora.load(network, home)
    settings = layout.config(home, "sentence_bert_config.json")
    if settings.get("do_lower_case"):
        _lower_case(tokenizer)
    limits = [tokenizer.model_max_length, positions(network), settings.get("max_seq_length")]
    longest = min(int(limit) for limit in limits if limit is not None)
    how = pooling or _pooling(chain, network)
    if bidirectional or direction.asked(network):
        direction.look_both_ways(network)
    encoder = Transformer(
        network,
        tokenizer,
        how,
        max_tokens or (longest if longest < 1 << 20 else 512),
        any(module.kind == "Normalize" for module in chain),
    )
    encoder.base = base
    if prompt is not None:
        encoder.prompt(prompt)
    if eos or (eos is None and not chain and direction.causal(network) and (how == "last" or tokenizer.eos_token)):
        encoder.end()
    if adapter:
        encoder.freeze()
    return encoder


def _name(path_or_id: str | Path, folder: Path, home: Path) -> str:
    """What to call a network by, from anywhere: its folder, or its hub id."""
    here = Path(os.path.expanduser(path_or_id)).is_dir() or home != folder
    return str(home.resolve()) if here else str(path_or_id)


def _base(home: Path, named: str) -> Path:
    """The folder of the network that an adapter is for. Raises FileNotFoundError if it is not on this machine."""
    refuse_pickles(home)
    try:
        folder = layout.locate(named, offline=True)
    except (FileNotFoundError, ConnectionError) as error:
        raise FileNotFoundError(
            f"{home} is an adapter for {named!r}, which is not here ({error}); put it there, or name it once as a "
            "model (`diptych embed`), which downloads it"
        ) from error
    chain = layout.chain(folder)
    folder = chain[0].folder if chain else folder
    if (folder / lora.CONFIG).exists():
        raise ValueError(f"{home} is an adapter for {named!r}, which is an adapter too; save that one with --merge")
    return folder


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
    return "last" if direction.causal(network) else "mean"


def network_in(folder: Path, weights: Weights = "fp32") -> "PreTrainedModel":
    """The network of a folder, from its safetensors. Raises ValueError where it needs a pickle or code of its own."""
    from transformers import AutoConfig, AutoModel

    refuse_pickles(folder)
    with layout.reading("network", folder), quiet(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # for the parts that the folder has no weights for, such as BERT's pooler
        _refuse_code(folder)
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False, local_files_only=True)
        _check(config, folder)
        network, report = AutoModel.from_pretrained(
            folder, config=config, use_safetensors=True, trust_remote_code=False, local_files_only=True,
            output_loading_info=True, **_numbers(weights),
        )  # fmt: skip
    missing = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))
    if missing:
        some = ", ".join(missing[:3])
        raise ValueError(
            f"the weights in {folder} lack {counted(len(missing), 'tensor')} of {type(network).__name__}: {some}"
        )
    return network


def _numbers(weights: Weights) -> dict[str, Any]:
    """What `transformers` is told of the numbers to hold weights in. ValueError for those not possible here."""
    if weights not in get_args(Weights):
        raise ValueError(f"weights are held in {', '.join(get_args(Weights))}; got {weights!r}")
    if weights != "nf4":
        return {"dtype": torch.float32 if weights == "fp32" else torch.bfloat16}
    if not torch.cuda.is_available() or not find_spec("bitsandbytes"):
        lacks = "bitsandbytes is not installed" if torch.cuda.is_available() else "there is no CUDA device here"
        raise ValueError(f"weights in nf4 (QLoRA) need a CUDA device and bitsandbytes: {lacks}; take weights in bf16")
    from transformers import BitsAndBytesConfig

    four = BitsAndBytesConfig(
        load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=torch.bfloat16,
    )  # fmt: skip
    return {"dtype": torch.bfloat16, "quantization_config": four, "device_map": {"": 0}}


def _refuse_code(folder: Path) -> None:
    """Raises ValueError for a network that `transformers` has not, so that it comes with code of its own."""
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING

    told = layout.config(folder)
    if told.get("auto_map") and (kind := told.get("model_type")) not in CONFIG_MAPPING:
        raise ValueError(
            f"{folder} is a network of type {kind!r}, which transformers itself has not: it needs code of its own "
            "(auto_map), and that is never run"
        )


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
        raise ValueError(f"{folder} speaks of {counted(blocks, 'block')} and has {counted(tensors, 'tensor')}")


SIZES = (
    "hidden_size", "intermediate_size", "vocab_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
    "head_dim",
)  # fmt: skip
SHARED = 1000  # blocks that may be made of the same few tensors


def refuse_pickles(folder: Path) -> None:
    """Raises ValueError for a folder whose weights are a pickle, FileNotFoundError for one that has none."""
    if name := layout.pickled(folder):
        raise ValueError(
            f"{folder} has its weights as {name} only, a pickle, which can run any code "
            "when it is opened; convert it to model.safetensors"
        )
    if not any(folder.glob("*.safetensors")):
        raise FileNotFoundError(f"{folder} has no weights: no *.safetensors")


def _has_tokenizer(folder: Path) -> bool:
    return any((folder / name).exists() for name in VOCABULARY)


def _tokenizer(folder: Path) -> "PreTrainedTokenizerFast":
    from transformers import AutoTokenizer

    if not _has_tokenizer(folder):
        raise FileNotFoundError(f"{folder} has no tokenizer: none of {', '.join(VOCABULARY)}")
    with layout.reading("tokenizer", folder), quiet():
        return AutoTokenizer.from_pretrained(folder, trust_remote_code=False, local_files_only=True)


def _lower_case(tokenizer: "PreTrainedTokenizerFast") -> None:
    backend = tokenizer.backend_tokenizer
    rest = [backend.normalizer] if backend.normalizer else []
    backend.normalizer = normalizers.Sequence([normalizers.Lowercase(), *rest])
