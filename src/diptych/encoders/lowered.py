"""Blocks of a network in bf16, from copies of their weights; gradients reach the weights themselves."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def lowered(entry: nn.Module, blocks: Sequence[nn.Module], dtype: torch.dtype) -> Iterator[None]:
    """While open, the output of `entry` and the weights of `blocks` are of `dtype`."""

    def hook(module: nn.Module, args: Any, out: Any) -> Any:
        return out.to(dtype) if isinstance(out, Tensor) else (out[0].to(dtype), *out[1:])

    handle = entry.register_forward_hook(hook)
    modules = [module for block in blocks for module in block.modules()]
    held = [(module, name, p) for module in modules for name, p in module._parameters.items() if p is not None]
    copies = {id(p): p.to(dtype) if p.is_floating_point() else p for _, _, p in held}
    try:
        for module, name, p in held:
            module._parameters[name] = copies[id(p)]  # type: ignore[assignment]
        yield
    finally:
        for module, name, p in held:
            module._parameters[name] = p
        handle.remove()


def gathers(block: nn.Module) -> bool:
    """Whether FSDP2 gathers a block's weights only while it computes, so that there is nothing to copy before."""
    return hasattr(block, "unshard")
