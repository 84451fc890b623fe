"""From the vectors of a text's tokens to one.

Shapes: b samples, t tokens, d width.
"""

from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from diptych.draws import places

Pooling = Literal["mean", "cls", "last", "weighted"]
SAVED = {
    "mean": "pooling_mode_mean_tokens",
    "cls": "pooling_mode_cls_token",
    "last": "pooling_mode_lasttoken",
    "weighted": "pooling_mode_weightedmean_tokens",
}


def pool(hidden: Float[Tensor, "b t d"], mask: Int[Tensor, "b t"], how: Pooling) -> Float[Tensor, "b d"]:
    """In fp32: the mean over real tokens, or the first or last of them, wherever the padding is.

    The `weighted` mean counts the first token once, the second twice, ... (SGPT, arXiv:2202.08904).
    """
    if how in ("mean", "weighted"):
        real = mask[:, :, None].float()
        real = real * real.cumsum(1) if how == "weighted" else real
        return (hidden.float() * real).sum(1) / real.sum(1).clamp(min=1e-9)
    first = mask.argmax(1)
    row = first if how == "cls" else mask.shape[1] - 1 - mask.flip(1).argmax(1)
    return hidden[torch.arange(len(hidden), device=hidden.device), row].float()


def pool_row(hidden: Float[Tensor, "t d"], edges: Int[Tensor, " b+1"], how: Pooling) -> Float[Tensor, "b d"]:
    """As `pool`, for texts in one row."""
    if how in ("cls", "last"):
        return hidden[edges[:-1] if how == "cls" else edges[1:] - 1].float()
    lengths, t = edges.diff(), int(edges[-1])
    text, place = places(edges, t)
    rows, weights = hidden[:t].float(), lengths
    if how == "weighted":
        rows, weights = rows * (place + 1)[:, None], lengths * (lengths + 1) / 2
    sums = hidden.new_zeros(len(lengths), hidden.shape[1], dtype=torch.float32)
    return sums.index_add(0, text, rows) / weights[:, None]
