"""What a model reads: texts, pictures and graphs, and the records of data that they are in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor

Sample = Any  # token ids, an image, a graph: what a transform maps to its own kind
Record = Mapping[str, Sample]  # one row of data: {"text": ...} or {"premise": ..., "entailment": ...}
Batch = dict[str, Tensor]


class DataError(ValueError):
    """The data cannot be used as they are. (A plain ValueError says that an argument must change.)"""


class Data(Protocol):
    """Records by number. The fingerprint changes when the data do."""

    @property
    def fingerprint(self) -> str: ...

    def __len__(self) -> int: ...

    def __getitem__(self, i: int, /) -> Record: ...


_EMPTY = np.empty(0, np.int32)


def _nothing() -> Int[np.ndarray, " 0"]:
    return _EMPTY


@dataclass(frozen=True, eq=False)
class Text:
    """A text as a model's tokens. A crop is a slice of it.

    `words[i]` is true where token i starts a word. Sentence j starts at token `sentences[j]` and has
    `chars[j]` characters. Text that is only to be encoded needs none of the three.

    `labels[i]` is the token that was at place i before it was masked, -100 where there is none to guess. `positions[i]`
    is the position of token i, where it is not i. With `whole`, special tokens are among the ids already.
    """

    ids: Int[np.ndarray, " t"]
    words: Bool[np.ndarray, " t"] = field(default_factory=_nothing)
    sentences: Int[np.ndarray, " s"] = field(default_factory=_nothing)
    chars: Int[np.ndarray, " s"] = field(default_factory=_nothing)
    labels: Int[np.ndarray, " t"] = field(default_factory=_nothing)
    positions: Int[np.ndarray, " t"] = field(default_factory=_nothing)
    whole: bool = False


Jitter = Literal["brightness", "contrast", "saturation", "hue"]


@dataclass(frozen=True, eq=False)
class Plan:
    """What is done to a picture, in the order of the fields. Pixels are computed later, of many pictures at once.

    A `box` (top, left, height, width in pixels of the picture; None is all of it) is resized to `out` (height, width;
    None is what the network wants). Factors of `jitter` come in an order of their own: 1 changes nothing, a hue is
    turned by a part of the circle. `blur` is the sigma of a Gaussian in pixels of the output, which ends at `radius`;
    what is at `solarize` (of 0 to 256) or above is inverted. Patches that are True in `mask` are hidden from the model.
    """

    box: tuple[float, float, float, float] | None = None
    out: tuple[int, int] | None = None
    flip: bool = False
    jitter: tuple[tuple[Jitter, float], ...] = ()
    gray: bool = False
    blur: float = 0.0
    radius: int = 4
    solarize: float | None = None
    mask: Bool[np.ndarray, "gh gw"] | None = None


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as it is stored, and what is to be done to it. A view of it is the same pixels with another plan."""

    pixels: UInt8[np.ndarray, "h w 3"]
    plan: Plan = Plan()


Alteration = Literal["drop nodes", "keep nodes", "drop edges", "add edges", "move edges", "mask", "noise"]


@dataclass(frozen=True, eq=False)
class Change:
    """What is done to a part `rate` of a graph's nodes or edges; `key` decides to which.

    Nodes are dropped with their edges, or those at `nodes` kept; features are masked (0) or replaced by noise.
    """

    kind: Alteration
    rate: float = 0.0
    key: int = 0
    nodes: Int[np.ndarray, " m"] = field(default_factory=_nothing)


@dataclass(frozen=True, eq=False)
class Graph:
    """A graph as it is stored, and what is to be done to it, in this order. A view is the same arrays, changed later.

    Nodes are features, or whole numbers of which each stands for a column that is 1. Edges go from `edges[0]` to
    `edges[1]`, sorted, each in both directions, and a loop once.
    """

    nodes: Float[np.ndarray, "n f"] | Int[np.ndarray, " n"]
    edges: Int[np.ndarray, "2 e"]
    changes: tuple[Change, ...] = ()
