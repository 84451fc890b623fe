"""What a model makes of samples, and what an objective sees."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True)
class Encoded:
    """What a model makes of samples. The objective sees this and nothing else.

    `guessed` is the sum of -log p of a sample's masked tokens, and their number; of models with a head for language.
    `tokens` are hidden states, and `labels` the tokens that were masked there; of teachers that are asked for them, in
    place of embeddings, which are then empty (b 0). Of pictures, where an objective asks for them, `tokens` are states
    of the patches that are masked (for a teacher, which sees them, the same patches), and `labels` their numbers; of
    graphs, states of all nodes. Behind a sample's end they are 0 and -100.
    """

    embedding: Float[Tensor, "b d"]
    projection: Float[Tensor, "b p"]
    guessed: Float[Tensor, "b 2"] | None = None
    tokens: Float[Tensor, "b t d"] | None = None
    labels: Int[Tensor, "b t"] | None = None

    @property
    def parts(self) -> dict[str, Tensor]:
        """The tensors there are, by name; without a head, embedding and projection are one tensor."""
        return {name: x for name, x in vars(self).items() if x is not None}

    def map(self, f: Callable[[Tensor], Tensor]) -> "Encoded":
        """What is one tensor stays one."""
        done = {id(x): f(x) for x in self.parts.values()}
        return Encoded(**{name: done[id(x)] for name, x in self.parts.items()})

    @staticmethod
    def cat(parts: Sequence["Encoded"]) -> "Encoded":
        """Rows of all parts, which have the same tensors."""
        whole = {name: torch.cat([x.parts[name] for x in parts]) for name in parts[0].parts if name != "projection"}
        one = all(x.projection is x.embedding for x in parts)
        return Encoded(projection=whole["embedding"] if one else torch.cat([x.projection for x in parts]), **whole)
