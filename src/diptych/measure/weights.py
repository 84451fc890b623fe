"""How far have weights gone from where they were?

    change = ||W - W0||_F / ||W0||_F    over all weights of a layer together

Layers are a list of modules; tensors are read one at a time, in float64.
"""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn


def change(after: Iterable[Tensor], before: Iterable[Tensor]) -> float:
    """||W - W0||_F / ||W0||_F of tensors that belong together, one by one; 0 / 0 is 0, and else x / 0 infinite.

    Raises ValueError if they are not of the same number or shapes.
    """
    moved = size = 0.0
    for now, then in zip(after, before, strict=True):
        if now.shape != then.shape:
            raise ValueError(
                f"weights that belong together have one shape; got {tuple(now.shape)}, {tuple(then.shape)}"
            )
        then = then.detach().double()
        moved += float((now.detach().to(then) - then).square().sum())
        size += float(then.square().sum())
    if size == 0:
        return float("inf") if moved else 0.0
    return float((moved / size) ** 0.5)


def changes(after: Sequence[nn.Module], before: Sequence[nn.Module]) -> list[float]:
    """The change of each layer. Raises ValueError if the layers are not as many, or not built alike."""
    if len(after) != len(before):
        raise ValueError(f"layers are compared one by one; got {len(after)} and {len(before)}")
    with torch.no_grad():
        return [change(_weights(new, old), _weights(old, new)) for new, old in zip(after, before, strict=True)]


def _weights(layer: nn.Module, other: nn.Module) -> list[Tensor]:
    own, theirs = dict(layer.named_parameters()), dict(other.named_parameters())
    if own.keys() != theirs.keys():
        odd = ", ".join(sorted(own.keys() ^ theirs.keys())[:3])
        raise ValueError(f"layers that are compared have the same weights; one of the two alone has {odd}")
    return [own[name] for name in sorted(own)]
