"""In what numbers the networks run. Parameters, optimiser and objective stay in fp32."""

from contextlib import AbstractContextManager, nullcontext
from typing import Literal

import torch

from diptych.core import Precision, has_bf16
from diptych.plural import counted


def device(name: str) -> torch.device:
    """The device of a name; "auto" is the first GPU, or the processor. ValueError if it is not there."""
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(name)
    except RuntimeError as error:
        raise ValueError(f"no device is called {name!r}; there are cpu, cuda, cuda:0, ...") from error
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise ValueError(
            f"device {name!r} is not there: this machine has {counted(torch.cuda.device_count(), 'GPU')}; try cpu"
        )
    try:
        torch.zeros(1, device=chosen).item()
    except (RuntimeError, NotImplementedError, AssertionError) as error:
        raise ValueError(f"device {name!r} cannot compute here; try cpu") from error
    return chosen


def resolve(precision: Precision, where: torch.device) -> Literal["fp32", "bf16"]:
    """What "auto" means on a device: bf16 where it multiplies matrices in hardware."""
    if precision not in ("auto", "fp32", "bf16"):
        raise ValueError(f"precision is auto, fp32 or bf16; got {precision!r}")
    if precision != "auto":
        return precision
    return "bf16" if has_bf16(where.type) else "fp32"


def cast(precision: Literal["fp32", "bf16"], where: torch.device) -> AbstractContextManager[object]:
    return torch.autocast(where.type, torch.bfloat16) if precision == "bf16" else nullcontext()
