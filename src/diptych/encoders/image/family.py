"""Where a vision network of `transformers` keeps its input embedding, its blocks, and its last norm."""

from torch import nn

from diptych.encoders import blocks as family

EMBEDDING = (
    "embeddings",  # ViT, DINOv2, DeiT, BEiT, Swin, ConvNeXt
    "embedder",  # ResNet, RegNet
)
BLOCKS = (
    "encoder.layer",  # DINOv2, BEiT
    "layers",  # ViT
    "encoder.stages",  # ResNet, RegNet, ConvNeXt
    "encoder.layers",  # Swin, CLIP
)
NORM = ("layernorm", "norm")


def embedding(network: nn.Module) -> nn.Module:
    """The module whose output enters the first block. Raises ValueError for an unknown family."""
    return family.first(network, EMBEDDING, "input embedding")


def blocks(network: nn.Module) -> list[nn.Module]:
    """The blocks of a transformer or the stages of a network of convolutions. Raises ValueError for neither."""
    return list(family.first(network, BLOCKS, "blocks"))  # type: ignore[call-overload]


def norm(network: nn.Module) -> nn.Module:
    """The norm behind the last block. Raises ValueError if there is none."""
    return family.first(network, NORM, "norm behind its blocks")


def before(network: nn.Module) -> int:
    """Tokens before those of the patches: [CLS], and registers."""
    embedded = embedding(network)
    registers = getattr(embedded, "register_tokens", None)
    return int(getattr(embedded, "cls_token", None) is not None) + (0 if registers is None else registers.shape[1])
