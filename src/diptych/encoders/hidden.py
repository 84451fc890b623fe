"""Hidden states of every layer, one vector for each sample: the mean over its tokens, or its map.

Legend: n samples, t tokens, d_l width of layer l.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from diptych.core import Batch, Encoder, Sample, portions
from diptych.encoders.pooling import pool, pool_row


def hidden(encoder: Encoder, samples: Sequence[Sample]) -> list[Float[np.ndarray, "n d_l"]]:
    """Means over the tokens of what each of `encoder.layers` puts out: 0 the input embedding, then every block.

    Float32, in the order of the samples, special tokens included, without gradients and in fp32 arithmetic. A layer
    that gives one vector for each sample (the table of a static encoder) is taken as it is. Of a layer no more than the
    means are kept while the next is computed. Nothing is left in the encoder, and its mode of training stays. Raises
    ValueError if there are no samples, and what `encoder.layers` raises where there are no layers to see.
    """
    if not len(samples):
        raise ValueError("hidden states are of one sample or more; got none")
    layers, device, training = encoder.layers, next(encoder.parameters()).device, encoder.training
    out: list[np.ndarray] = []
    encoder.eval()
    try:
        with torch.inference_mode():
            for rows in portions(encoder, device, [encoder.size(s) for s in samples]):
                batch = {k: x.to(device) for k, x in encoder.collate([samples[i] for i in rows]).items()}
                with _means(layers, batch, len(rows)) as seen:
                    encoder(batch)
                means = [seen[i].cpu().numpy() for i in range(len(layers))]
                out = out or [np.empty((len(samples), x.shape[1]), np.float32) for x in means]
                for whole, part in zip(out, means, strict=True):
                    whole[rows] = part
    finally:
        encoder.train(training)
    return out


@contextmanager
def _means(layers: Sequence[nn.Module], batch: Batch, b: int) -> Iterator[dict[int, Tensor]]:
    """While open, the mean of what each layer last put out, by its number."""
    seen: dict[int, Tensor] = {}

    def hook(number: int) -> Any:
        def keep(layer: nn.Module, args: Any, out: Any) -> None:
            seen[number] = _mean(out[0] if isinstance(out, tuple) else out, batch, b)

        return keep

    handles = [layer.register_forward_hook(hook(i)) for i, layer in enumerate(layers)]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _mean(h: Tensor, batch: Batch, b: int) -> Float[Tensor, "b d"]:
    """Over the tokens of each sample: in one row (1 t d) with `edges`, or padded (b t d) with `mask`.

    Of pictures over the map (b d h w), or over all tokens (b t d).
    """
    if h.ndim == 2 and len(h) == b:
        return h.float()
    if "pixels" in batch:
        return h.float().mean((2, 3)) if h.ndim == 4 else h.float().mean(1)
    if "edges" in batch:
        return pool_row(h.reshape(-1, h.shape[-1]), batch["edges"], "mean")
    mask = batch.get("mask")
    if mask is None or h.shape[:2] != mask.shape:
        raise ValueError(f"tokens are told apart by `edges` or `mask` (b t); a layer put out {tuple(h.shape)}")
    return pool(h, mask, "mean")
