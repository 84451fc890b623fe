"""What is done at a layer: its output read, and the rest left out; or changed."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from diptych.core.samples import Batch
from diptych.core.views import Perturb


class Seen(Exception):  # noqa: N818 - it is no error
    """A layer has given what was asked for, and what follows it is not computed."""


@contextmanager
def outputs(layers: Sequence[nn.Module], index: int | None, stop: bool = False) -> Iterator[list[Tensor]]:
    """While open, what `layers[index]` gives is put in the list, and nothing if there is no index.

    With `stop` the layer then raises `Seen`. Raises ValueError if there is no such layer.
    """
    seen: list[Tensor] = []
    if index is None:
        yield seen
        return
    if not 0 <= index < len(layers):
        raise ValueError(f"layers of this encoder are 0..{len(layers) - 1}; got {index}")

    def hook(layer: nn.Module, args: Any, out: Any) -> None:
        seen.append(first(out))
        if stop:
            raise Seen

    handle = layers[index].register_forward_hook(_uncompiled(hook) if stop else hook)
    try:
        yield seen
    finally:
        handle.remove()


def _uncompiled(hook: Callable[..., Any]) -> Callable[..., Any]:
    """A hook that stays as it is where its module is compiled."""
    return torch.compiler.disable(hook) if "torch._dynamo" in sys.modules else hook


def first(out: Any) -> Tensor:
    found: Tensor = out[0] if isinstance(out, tuple) else out
    return found


@contextmanager
def perturbed(layers: Sequence[nn.Module], perturb: Perturb | None, batch: Batch) -> Iterator[None]:
    """While open, the output of `layers[perturb.layer]` passes through `perturb`.

    Raises ValueError if there is no such layer.
    """
    if perturb is None:
        yield
        return
    if not 0 <= perturb.layer < len(layers):
        raise ValueError(f"Perturb.layer is one of 0..{len(layers) - 1} for this model; got {perturb.layer}")

    def hook(layer: nn.Module, args: Any, out: Any) -> Any:
        if isinstance(out, tuple):
            return (perturb(out[0], batch), *out[1:])
        return perturb(out, batch)

    handle = layers[perturb.layer].register_forward_hook(_uncompiled(hook))
    try:
        yield
    finally:
        handle.remove()
