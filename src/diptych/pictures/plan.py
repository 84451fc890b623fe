"""Pictures and their plans as tensors: what a micro-batch carries to the device.

    pixels    uint8 (b h w 3)     as they are stored; what lies behind a picture's own height and width is empty
    extent    int (b 2)           that height and width
    box       float (b 4)         top, left, height and width of what is cut out
    canvas    float (0 h w)       empty; its shape is the size of the output, which nobody has to read from the device
    taps      float (0 k)         empty; k pixels of a line count for one of the output, at most
    flip      bool (b)
    jittered, grayed, blurred, solarized
              int (m)             the samples of the batch that such a thing is done to; there, if there is one
    factors   float (m 4)         brightness, contrast, saturation, hue of those that are jittered
    order     int (m 4)           which of the four comes first, second, ...
    turns     float (0 c c c c)   empty; so many of the jittered, sorted by it, turn their hue first, second, ...
    sigma, radius, threshold      (m) of those that are blurred or solarized
    reach     float (0 r)         empty; r is the largest radius
    masked    bool (b p)          patches that are hidden, row by row; there, if a plan of the batch has a mask

Shapes: b pictures, h w pixels, m of the pictures, p patches.
"""

from collections.abc import Sequence
from typing import get_args

import numpy as np
import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from diptych.core import Batch, Jitter, Picture, Plan
from diptych.pictures.geometry import taps

OPERATIONS: tuple[Jitter, ...] = get_args(Jitter)
PLACE = {name: i for i, name in enumerate(OPERATIONS)}
NEUTRAL = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.0}


def size(picture: Picture, side: int) -> tuple[int, int]:
    """Height and width of a picture once its plan is carried out, for a network that wants squares of `side`."""
    return picture.plan.out or (side, side)


def tensors(pictures: Sequence[Picture], side: int) -> Batch:
    """Pictures of one size of output as a batch. Raises ValueError if they are of several."""
    sizes = {size(picture, side) for picture in pictures}
    if len(sizes) != 1:
        raise ValueError(f"pictures of a batch have one size; got {', '.join(f'{h} x {w}' for h, w in sorted(sizes))}")
    plans = [picture.plan for picture in pictures]
    (out,) = sizes
    boxes = [plan.box or (0, 0, *p.pixels.shape[:2]) for plan, p in zip(plans, pictures, strict=True)]
    most = max(taps(box[2 + axis], out[axis]) for box in boxes for axis in (0, 1))
    batch = {
        "pixels": torch.from_numpy(_together([picture.pixels for picture in pictures])),
        "extent": torch.tensor([picture.pixels.shape[:2] for picture in pictures]),
        "box": torch.tensor(boxes, dtype=torch.float32),
        "canvas": torch.empty(0, *out),
        "taps": torch.empty(0, most),
        "flip": torch.tensor([plan.flip for plan in plans]),
    }
    return batch | _jitter(plans) | _photometric(plans) | _masks(plans)


def _together(pixels: Sequence[UInt8[np.ndarray, "h w 3"]]) -> UInt8[np.ndarray, "b h w 3"]:
    height, width = (max(x.shape[axis] for x in pixels) for axis in (0, 1))
    if all(x.shape[:2] == (height, width) for x in pixels):
        return np.stack(pixels)
    out = np.zeros((len(pixels), height, width, 3), np.uint8)
    for i, x in enumerate(pixels):
        out[i, : x.shape[0], : x.shape[1]] = x
    return out


def _rows(chosen: Sequence[bool]) -> Int[Tensor, " m"]:
    return torch.from_numpy(np.flatnonzero(chosen))


def _jitter(plans: Sequence[Plan]) -> Batch:
    rows, factors, order = [], [], []
    for row, plan in enumerate(plans):
        if plan.jitter:
            asked = dict(plan.jitter)
            rows.append(row)
            factors.append([asked.get(name, NEUTRAL[name]) for name in OPERATIONS])
            order.append([PLACE[name] for name in (*asked, *(name for name in OPERATIONS if name not in asked))])
    if not rows:
        return {}
    turn = np.array(order).argsort(1)[:, PLACE["hue"]]
    sort = np.argsort(turn, kind="stable")
    return {
        "jittered": torch.tensor(rows)[sort],
        "factors": torch.tensor(factors)[sort],
        "order": torch.tensor(order)[sort],
        "turns": torch.empty(0, *np.bincount(turn, minlength=len(OPERATIONS)).tolist()),
    }


def _photometric(plans: Sequence[Plan]) -> Batch:
    batch: Batch = {}
    if len(rows := _rows([plan.gray for plan in plans])):
        batch["grayed"] = rows
    if len(rows := _rows([plan.blur > 0 for plan in plans])):
        chosen = [plans[i] for i in rows.tolist()]
        batch |= {
            "blurred": rows,
            "sigma": torch.tensor([plan.blur for plan in chosen]),
            "radius": torch.tensor([plan.radius for plan in chosen]),
            "reach": torch.empty(0, max(plan.radius for plan in chosen)),
        }
    if len(rows := _rows([plan.solarize is not None for plan in plans])):
        batch["solarized"] = rows
        batch["threshold"] = torch.tensor([plans[i].solarize or 0.0 for i in rows.tolist()])
    return batch


def _masks(plans: Sequence[Plan]) -> Batch:
    shape = next((plan.mask.shape for plan in plans if plan.mask is not None), None)
    if shape is None:
        return {}
    nothing = np.zeros(shape, bool)
    masks = [nothing if plan.mask is None else plan.mask for plan in plans]
    return {"masked": torch.from_numpy(np.stack(masks).reshape(len(plans), -1))}
