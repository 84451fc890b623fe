"""The pixels of a batch's plans, computed for all of its pictures at once, where the batch is.

Order: box, flip, jitter, gray, blur, solarize. Each operation is a file of its own, and costs nothing where no picture
of the batch asks for it. Pixels of a picture follow from it and its plan alone, whatever else is in the batch.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from diptych.core import Batch
from diptych.pictures.blur import blurred
from diptych.pictures.colour import grayed, jittered, solarized
from diptych.pictures.geometry import resized


@torch.no_grad()
def render(batch: Batch) -> Float[Tensor, "b 3 h w"]:
    """Pictures of a batch of `plan.tensors`, in 0..1, in fp32 whatever numbers networks run in."""
    pixels = batch["pixels"]
    h, w = batch["canvas"].shape[1:]
    with torch.autocast(pixels.device.type, enabled=False):
        lines = pixels.transpose(2, 3).float().div_(255)
        x = resized(lines, batch["box"], batch["extent"], batch["flip"], h, w, batch["taps"].shape[1])
        if (rows := batch.get("jittered")) is not None:
            x.index_copy_(0, rows, jittered(x[rows], batch["factors"], batch["order"], batch["turns"].shape[1:]))
        if (rows := batch.get("grayed")) is not None:
            x.index_copy_(0, rows, grayed(x[rows]))
        if (rows := batch.get("blurred")) is not None:
            x.index_copy_(0, rows, blurred(x[rows], batch["sigma"], batch["radius"], batch["reach"].shape[1]))
        if (rows := batch.get("solarized")) is not None:
            x.index_copy_(0, rows, solarized(x[rows], batch["threshold"]))
    return x
