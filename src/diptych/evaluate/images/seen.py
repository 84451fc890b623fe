"""What an encoder sees in pictures, for what is asked of it: embeddings, summaries of its last blocks, patches.

Shapes: n pictures, t tokens, (h w) patches, d width of an embedding, e width of a block.
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from diptych.core import Picture
from diptych.plural import counted


class Seeing(Protocol):
    """An encoder of pictures: of tokens (those `before` the patches, then the patches row by row), or of maps."""

    dim: int
    before: int  # tokens before those of the patches

    @property
    def layers(self) -> list[nn.Module]: ...

    @property
    def patch(self) -> int | None: ...  # pixels of its side; None of a network of convolutions

    @property
    def patches(self) -> nn.Module: ...  # the norm behind the last block, where there are patches

    @property
    def pooling(self) -> str: ...  # "cls" if the first token stands for the picture

    def embed(self, samples: Sequence[Picture], /) -> Float[np.ndarray, "n d"]: ...

    def size(self, sample: Picture, /) -> int: ...


@dataclass(frozen=True)
class Seen:
    """`summaries` are of the last blocks, the last one last: the token of the whole picture, or the mean of the patches
    where no token stands for it. `mean` is the mean patch of the last block; `patches` are there if they are asked for.

    Blocks of a transformer pass through the norm behind the last of them, as in DINOv2, arXiv:2304.07193; stages of
    convolutions are taken as they are.
    """

    embedding: Float[np.ndarray, "n d"]
    summaries: list[Float[np.ndarray, "n e"]]
    mean: Float[np.ndarray, "n e"]
    patches: Float[np.ndarray, "n h w e"] | None


def look(encoder: Seeing, pictures: Sequence[Picture], blocks: int = 1, patches: bool = False) -> Seen:
    """What is seen in pictures of one size, in their order; of at most `blocks` last blocks.

    Raises ValueError for no picture, no block, or pictures of several sizes.
    """
    sizes = {encoder.size(picture) for picture in pictures}
    if len(sizes) != 1 or blocks < 1:
        raise ValueError(
            "one picture or more, of one size, are seen at once, in the last block or more; got "
            f"{counted(len(pictures), 'picture')} of {counted(len(sizes), 'size')}, and blocks={blocks}"
        )
    last = encoder.layers[1:][-blocks:]
    readers = [_Reader(encoder, patches and layer is last[-1]) for layer in last]
    with ExitStack() as stack:
        for layer, reader in zip(last, readers, strict=True):
            stack.callback(layer.register_forward_hook(reader).remove)
        embedding = encoder.embed(pictures)
    whole = np.concatenate(readers[-1].patches) if patches else None
    summaries = [np.concatenate(reader.summaries) for reader in readers]
    return Seen(embedding, summaries, np.concatenate(readers[-1].means), whole)


def in_parts(
    encoder: Seeing, train: Sequence[Picture], test: Sequence[Picture]
) -> tuple[Float[np.ndarray, "n h w e"], Float[np.ndarray, "m h w e"]]:
    """The patches of the last block, of two lists of pictures."""
    found = look(encoder, [*train, *test], patches=True).patches
    assert found is not None, "they were asked for"
    return found[: len(train)], found[len(train) :]


@dataclass
class _Reader:
    """Keeps what is asked of a block's output, a micro-batch after the other."""

    encoder: Seeing
    whole: bool
    summaries: list[np.ndarray] = field(default_factory=list)
    means: list[np.ndarray] = field(default_factory=list)
    patches: list[np.ndarray] = field(default_factory=list)

    def __call__(self, layer: nn.Module, args: Any, out: Any) -> None:
        hidden: Tensor = out[0] if isinstance(out, tuple) else out
        if self.encoder.patch is None:
            found = hidden.permute(0, 2, 3, 1).float()
            tokens = found.flatten(1, 2)
        else:
            normed = self.encoder.patches.forward(hidden).float()  # no hook on the norm sees it
            tokens = normed[:, self.encoder.before :]
            found = tokens.unflatten(1, _grid(tokens.shape[1]))
        mean = tokens.mean(1)
        of_all = normed[:, 0] if self.encoder.patch is not None and self.encoder.pooling == "cls" else mean
        self.summaries.append(_plain(of_all))
        self.means.append(_plain(mean))
        if self.whole:
            self.patches.append(_plain(found))


def _grid(patches: int) -> tuple[int, int]:
    """Of a square picture."""
    side = int(patches**0.5 + 0.5)
    assert side * side == patches, "a picture without a plan is seen as a square"
    return side, side


def _plain(x: torch.Tensor) -> np.ndarray:
    return x.cpu().numpy().copy()
