"""A vision network from its folder: one of ours, or any of `transformers`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from diptych.encoders import folder as layout
from diptych.encoders.image.vision import MEAN, OURS, PROCESSOR, STD, Pooling, Vision
from diptych.encoders.pretrained import network_in, refuse_pickles

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NAMING = ("model_type", "auto_map", "architectures", "stem")  # of a config, whose class says these
SIDE = 224  # where neither the network nor its processor names another


def load(folder: Path, pooling: Pooling | None = None) -> Vision:
    """Reads config.json, safetensors, and, where they are there, preprocessor_config.json and diptych.json.

    Whole pictures are resized to the side that the processor crops or resizes to. Raises FileNotFoundError, or
    ValueError for weights that are pickled, of another shape, incomplete, or in need of code of their own.
    """
    network = _network(folder)
    told = layout.config(folder, PROCESSOR)
    config = layout.config(folder, OURS)
    return Vision(
        network,
        _side(told, network),
        pooling or config.get("pooling"),
        told.get("image_mean", MEAN),
        told.get("image_std", STD),
    ).eval()


def _network(folder: Path) -> "PreTrainedModel":
    told = layout.config(folder)
    if told.get("stem") != "cifar" and told.get("model_type") != "small_resnet":
        return network_in(folder)
    from safetensors.torch import load_file

    from diptych.encoders.image.small_resnet import SmallResNetConfig, SmallResNetModel

    refuse_pickles(folder)
    with layout.reading("network", folder):
        network = SmallResNetModel(SmallResNetConfig.from_dict({k: x for k, x in told.items() if k not in NAMING}))
        network.load_state_dict(load_file(folder / "model.safetensors"))
    return network


def _side(told: dict[str, Any], network: "PreTrainedModel") -> int:
    """The side of the square that a processor hands to a network."""
    for size in (told.get("crop_size") if told.get("do_center_crop", True) else None, told.get("size")):
        if isinstance(size, int):
            return size
        if isinstance(size, dict) and (side := size.get("height") or size.get("shortest_edge")):
            return int(side)
    side = getattr(network.config, "image_size", None)
    return side if isinstance(side, int) else SIDE
