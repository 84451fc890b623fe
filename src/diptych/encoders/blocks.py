"""Where a `transformers` network keeps its input embedding, its blocks and its last norm."""

from typing import Any

from torch import nn

EMBEDDING = (  # the first that exists is the last module before the blocks
    "embeddings_project",  # ELECTRA, where embeddings are narrower than blocks
    "embeddings",  # BERT, RoBERTa, MPNet, DistilBERT, ModernBERT, DeBERTa, NomicBERT
    "word_embeddings_layernorm",  # BLOOM
    "emb_dropout",  # GPT-NeoX
    "drop",  # GPT-2
    "embed_tokens",  # Llama, Qwen, Gemma, Phi, Mistral, EuroBERT
    "decoder.embed_tokens",  # OPT
)
BLOCKS = (
    "encoder.layer",  # BERT, RoBERTa, MPNet, ELECTRA, DeBERTa
    "transformer.layer",  # DistilBERT
    "layers",  # ModernBERT, NomicBERT, Llama, Qwen, Gemma, Phi, GPT-NeoX
    "h",  # GPT-2, BLOOM
    "decoder.layers",  # OPT
)
NORM = ("final_norm", "norm", "ln_f", "final_layer_norm", "final_layernorm", "decoder.final_layer_norm")


def embedding(network: nn.Module) -> nn.Module:
    """The module whose output enters the first block. Raises ValueError for an unknown family."""
    return first(network, EMBEDDING, "input embedding")


def blocks(network: nn.Module) -> list[nn.Module]:
    """The blocks, first to last. Raises ValueError for an unknown family."""
    found: Any = first(network, BLOCKS, "blocks")
    return list(found)


def norm(network: nn.Module) -> nn.Module | None:
    """The norm after the last block, in the families that have one."""
    return next((found for path in NORM if (found := _at(network, path)) is not None), None)


def leaks(network: nn.Module) -> dict[int, str]:
    """Layers that something below goes round, so that no stop of the gradient there is whole."""
    found = {}
    if _at(network, "decoder.embed_positions") is not None:
        found[0] = "positions are added behind it"  # OPT
    if isinstance(getattr(_at(network, "encoder"), "conv", None), nn.Module):
        found[1] = "a convolution takes the input embedding past the first block"  # DeBERTa of the larger sizes
    return found


def first(network: nn.Module, paths: tuple[str, ...], what: str) -> nn.Module:
    """The module at the first path where there is one. Raises ValueError, which says what was looked for."""
    for path in paths:
        if (found := _at(network, path)) is not None:
            return found
    has = ", ".join(name for name, _ in network.named_children())
    raise ValueError(f"{type(network).__name__} has no {what} at {', '.join(paths)}; it has {has}")


def _at(network: nn.Module, path: str) -> nn.Module | None:
    try:
        return network.get_submodule(path)
    except AttributeError:
        return None
