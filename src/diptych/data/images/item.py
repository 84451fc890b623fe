"""A picture as a source has it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from jaxtyping import Shaped, UInt8

Part = Literal["train", "val", "test"]
PARTS: dict[str, Part] = {
    "train": "train",
    "training": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
}


@dataclass(frozen=True)
class Item:
    """A picture: encoded, the path of a file, or pixels; with its label, its part of the data, and maps of its size.

    `origin` tells a person where it is from.
    """

    picture: bytes | Path | UInt8[np.ndarray, "h w 3"]
    label: str | None = None
    part: Part | None = None
    maps: Mapping[str, Shaped[np.ndarray, "h w"]] = field(default_factory=dict)
    origin: str = ""
