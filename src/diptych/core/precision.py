"""Numbers that a network runs in."""

from functools import cache
from pathlib import Path
from typing import Literal

import torch

Precision = Literal["auto", "fp32", "bf16"]  # auto takes bf16 where the hardware multiplies it


@cache
def has_bf16(device: str) -> bool:
    """Whether devices of a type multiply bf16 matrices in hardware; a processor with AMX, or the AVX-512 for it."""
    if device == "cuda":
        return torch.cuda.is_bf16_supported()
    try:
        flags = Path("/proc/cpuinfo").read_text()
    except OSError:  # where it cannot be read, no
        return False
    return "amx_bf16" in flags or "avx512_bf16" in flags
