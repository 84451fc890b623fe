"""Blocks that keep nothing of what they compute, and compute it again when gradients come (gradient checkpointing).

Memory is then that of one block, for a second pass forward. Source: Chen et al., arXiv:1604.06174. On a processor the
heap grows with every block, since the input that is kept lies where a larger tensor was: where memory is short, what
is free is given back before each.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint

from diptych import allocator


@contextmanager
def recomputed(
    blocks: Sequence[nn.Module], again: Callable[[nn.Module], AbstractContextManager[Any]]
) -> Iterator[None]:
    """While open, blocks forget; `again(block)` is open while a block computes once more, in the backward pass."""

    def wrapped(block: nn.Module) -> Callable[..., Any]:
        forward = block.forward
        here = all(p.device.type == "cpu" for p in block.parameters())

        def computed(*args: Any, **kwargs: Any) -> Any:
            if here:
                allocator.ease()
            return forward(*args, **kwargs)

        def run(*args: Any, **kwargs: Any) -> Any:
            contexts = lambda: (nullcontext(), again(block))  # noqa: E731
            return checkpoint(partial(computed, **kwargs), *args, use_reentrant=False, context_fn=contexts)

        return run

    for block in blocks:
        vars(block)["forward"] = wrapped(block)
    try:
        yield
    finally:
        for block in blocks:
            del vars(block)["forward"]
