"""Dropout that knows its sample: what is dropped is a function of the sample's key, the layer and the place.

It stands in for the dropout of a library's network. A text is then encoded alike in every micro-batch, order
and process, and a mask costs a copy in place of a random number per entry: its rows are rows of a fixed pool.

Shapes: b texts, t tokens of all of them in one row, d width; g texts of a group, h heads, n tokens.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from diptych.draws import at, kept, places


@dataclass(frozen=True)
class Keys:
    """A key for every text, one for what lies behind the last, and one for every token of the row."""

    texts: Int[Tensor, " b+1"]
    tokens: Int[Tensor, " t"]

    @staticmethod
    def of(key: Int[Tensor, " b"], edges: Int[Tensor, " b+1"], t: int) -> "Keys":
        text, place = places(edges, t)
        return Keys(torch.cat([key, key[-1:]]), at(key[text], place))


_keys: ContextVar[Keys | None] = ContextVar("keys", default=None)


@contextmanager
def keyed(keys: Keys | None) -> Iterator[None]:
    """While open, dropout is decided by these keys; by torch's generator if there are none."""
    token = _keys.set(keys)
    try:
        yield
    finally:
        _keys.reset(token)


class Dropout(nn.Dropout):
    """Dropout of a row of tokens (1 t d)."""

    number = 0  # no two of a network drop alike

    def forward(self, x: Tensor) -> Tensor:
        keys = _keys.get()
        if keys is None or not self.training or not self.p:
            return super().forward(x)
        return x * kept(at(keys.tokens, self.number << 32), x.shape[-1], self.p, x.dtype).view_as(x)


def dropout_weights(
    weights: Float[Tensor, "g h n n"], p: float, module: nn.Module, texts: Int[Tensor, " g"]
) -> Float[Tensor, "g h n n"]:
    """Dropout of the attention weights of some texts, in an attention module."""
    keys = _keys.get()
    if not p or not module.training:
        return weights
    if keys is None:
        return nn.functional.dropout(weights, p)
    _, h, n, _ = weights.shape
    row = at(keys.texts[texts], getattr(module, "number", 0) << 32)
    key = at(row[:, None, None], _rows(h, n, weights.device))
    return weights * kept(key.flatten(), n, p, weights.dtype).view_as(weights)


@lru_cache(64)
def _rows(h: int, n: int, device: torch.device) -> Int[Tensor, "h n"]:
    """A place for each row of attention weights, by head."""
    return (torch.arange(h, device=device)[:, None] << 16) + torch.arange(n, device=device)


def replace(network: nn.Module) -> None:
    """Puts `Dropout` in the place of every dropout of a network, and numbers all modules."""
    for module in list(network.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, Dropout(child.p))
    for number, module in enumerate(network.modules()):
        module.number = number  # type: ignore[assignment]
