"""Vision networks from scratch, decided by a seed: ViT, DINOv2's, and residual networks.

vit-tiny, -small, -base, -large          ViT, arXiv:2010.11929
dinov2-tiny, -small, -base, -large       the same with layer scale, stochastic depth, a mask token, registers
resnet18, resnet34, resnet50             arXiv:1512.03385, with the stem for ImageNet or the one for CIFAR
"""

from typing import TYPE_CHECKING, Any, Literal, get_args

from diptych.encoders.heads import seeded
from diptych.encoders.image.vision import Vision

if TYPE_CHECKING:
    from transformers import ResNetModel

Stem = Literal["cifar", "imagenet"]
VIT = {"tiny": (192, 12), "small": (384, 12), "base": (768, 12), "large": (1024, 24)}  # width, blocks
RESNET: dict[str, tuple[str, list[int]]] = {
    "resnet18": ("basic", [2, 2, 2, 2]),
    "resnet34": ("basic", [3, 4, 6, 3]),
    "resnet50": ("bottleneck", [3, 4, 6, 3]),
}
NAMES = (*(f"{kind}-{size}" for kind in ("vit", "dinov2") for size in VIT), *RESNET)
HEAD = 64  # width of an attention head
SMALL = 64  # pixels: pictures up to this side get the stem for CIFAR
ACROSS = 8  # patches at least, unless a patch is given


def fresh(
    name: str,
    side: int,
    seed: int = 0,
    *,
    patch: int | None = None,
    width: int | None = None,
    depth: int | None = None,
    registers: int | None = None,
    layer_scale: float | None = None,
    drop_path: float | None = None,
    stem: Stem | None = None,
) -> Vision:
    """An untrained network by one of NAMES, for pictures of `side` x `side`.

    `patch` is the side of a patch (the largest of 16, 14, 8, 4, 2 of which eight or more fill the side); `width` and
    `depth` replace those that the name stands for (of a residual network, the channels of its first stage: 64). Of
    DINOv2's: `registers` (0), `layer_scale` at the start (1e-5), and `drop_path`, the rate of stochastic depth, the
    same in all blocks (0). `stem` is "cifar" (3 x 3, no pooling; for sides up to 64) or "imagenet".

    Raises ValueError for an unknown name and for options that belong to another kind of network.
    """
    if name not in NAMES:
        raise ValueError(f"no network is called {name!r}; there are {', '.join(NAMES)}")
    given = {
        "patch": patch, "depth": depth, "registers": registers, "layer_scale": layer_scale, "drop_path": drop_path,
        "stem": stem,
    }  # fmt: skip
    kind = name.partition("-")[0]
    known = {"vit": {"patch", "depth"}, "dinov2": {*given} - {"stem"}}.get(kind, {"stem"})
    for option, x in given.items():
        if x is not None and option not in known:
            raise ValueError(f"--{option.replace('_', '-')} {x} is for another kind of network than {name}")
    for option, x, least in (
        ("width", width, 1),
        ("depth", depth, 1),
        ("patch", patch, 1),
        ("registers", registers, 0),
    ):
        if x is not None and x < least:
            raise ValueError(f"--{option} is {least} or more; got {x}")
    if layer_scale is not None and not 0 < layer_scale < float("inf"):
        raise ValueError(f"--layer-scale is a number above 0; got {layer_scale}")
    with seeded(seed):
        if kind not in ("vit", "dinov2"):
            return Vision(_resnet(name, width or 64, stem or ("cifar" if side <= SMALL else "imagenet")), side)
        sized = _sized(name, side, width, depth, patch)
        return Vision(_vit(sized) if kind == "vit" else _dinov2(sized, registers, layer_scale, drop_path), side)


def _sized(name: str, side: int, width: int | None, depth: int | None, patch: int | None) -> dict[str, Any]:
    """What ViT and DINOv2 call their sizes. Raises ValueError for a patch that does not fill the side."""
    kind, _, size = name.partition("-")
    wide, deep = VIT[size]
    wide, deep = width or wide, depth or deep
    usual = (14, 16, 8, 4, 2) if kind == "dinov2" else (16, 14, 8, 4, 2)
    patch = patch or next((p for p in usual if side % p == 0 and side // p >= ACROSS), 1)
    if patch < 1 or side % patch:
        raise ValueError(f"patches of {patch} pixels do not fill a side of {side}; choose one that divides it")
    heads = max(1, wide // HEAD)
    if wide % heads:
        raise ValueError(f"{heads} attention heads do not divide a width of {wide}; take a multiple of {HEAD}")
    return {
        "hidden_size": wide,
        "num_hidden_layers": deep,
        "num_attention_heads": heads,
        "image_size": side,
        "patch_size": patch,
    }


def _vit(sized: dict[str, Any]) -> Any:
    from transformers import ViTConfig, ViTModel

    config = ViTConfig(**sized, intermediate_size=4 * sized["hidden_size"], layer_norm_eps=1e-6)
    return ViTModel(config, add_pooling_layer=False)


def _dinov2(sized: dict[str, Any], registers: int | None, layer_scale: float | None, drop_path: float | None) -> Any:
    from transformers import Dinov2Config, Dinov2Model, Dinov2WithRegistersConfig, Dinov2WithRegistersModel

    if drop_path is not None and not 0 <= drop_path < 1:
        raise ValueError(f"a rate of stochastic depth is in [0, 1); got drop_path={drop_path}")
    options = {
        "layerscale_value": 1e-5 if layer_scale is None else layer_scale,
        "drop_path_rate": drop_path or 0.0,
    }
    if registers:
        config = Dinov2WithRegistersConfig(**sized, **options, num_register_tokens=registers)
        return Dinov2WithRegistersModel(config)
    return Dinov2Model(Dinov2Config(**sized, **options))


def _resnet(name: str, width: int, stem: Stem) -> "ResNetModel":
    from transformers import ResNetConfig, ResNetModel

    from diptych.encoders.image.small_resnet import SmallResNetConfig, SmallResNetModel

    if stem not in get_args(Stem):
        raise ValueError(f"a stem is one of {', '.join(get_args(Stem))}; got {stem!r}")
    block, depths = RESNET[name]
    first = width * (4 if block == "bottleneck" else 1)
    sizes = {"embedding_size": width, "hidden_sizes": [first * 2**i for i in range(4)], "depths": depths}
    if stem == "imagenet":
        return ResNetModel(ResNetConfig(**sizes, layer_type=block))
    return SmallResNetModel(SmallResNetConfig(**sizes, layer_type=block))
