"""Stochastic depth that knows its sample: which branches are left out is a function of the sample's key and the block.

It stands in for the module of a library's network that draws from one global generator. A picture is then encoded
alike in every micro-batch, order and process. Source: arXiv:1603.09382.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from jaxtyping import Float, Int
from torch import Tensor, nn

from diptych.draws import at, uniform

_key: ContextVar[Int[Tensor, " b"] | None] = ContextVar("key", default=None)


@contextmanager
def keyed(key: Int[Tensor, " b"] | None) -> Iterator[None]:
    """While open, these keys decide; without any nothing is left out."""
    token = _key.set(key)
    try:
        yield
    finally:
        _key.reset(token)


class Depth(nn.Module):
    """Leaves out what a branch adds, with probability `rate` for each sample, and scales by 1 / (1 - rate) what stays.

    A block has two branches, and calls this once for each, in turn.
    """

    def __init__(self, rate: float, number: int):
        super().__init__()
        self.rate, self.number, self.branch = rate, number, 0

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d"]:
        key, branch = _key.get(), self.branch
        self.branch = 1 - branch
        if key is None or not self.training or not self.rate:
            return x
        place = (2 * self.number + branch + 1) << 40
        kept = uniform(at(key, place), 1, 1) >= self.rate
        return x * (kept / (1 - self.rate)).to(x.dtype)

    def extra_repr(self) -> str:
        return f"rate={self.rate}"


def replace(network: nn.Module) -> None:
    """Puts `Depth` in the place of every stochastic depth of a network."""
    found = [
        (module, name, child)
        for module in network.modules()
        for name, child in module.named_children()
        if type(child).__name__.endswith("DropPath")
    ]
    for number, (module, name, child) in enumerate(found):
        setattr(module, name, Depth(float(child.drop_prob or 0.0), number))  # type: ignore[arg-type]
