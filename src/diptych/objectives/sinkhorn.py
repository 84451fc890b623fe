"""Sinkhorn-Knopp: every prototype gets its share of a batch."""

from jaxtyping import Float
from torch import Tensor

from diptych.objectives.targets import Targets


class SinkhornKnopp(Targets):
    """exp(logits / t), scaled in turn until prototypes have m / k each and rows 1; rows last, which is exact.

    Scaled as logarithms, so that nothing overflows or vanishes. Temperatures are those of `Targets`. Nothing else is
    remembered. Raises ValueError for fewer than one round.
    """

    paper = "arXiv:2006.09882"

    def __init__(self, start: float = 0.04, end: float = 0.07, warmup: int = 0, rounds: int = 3):
        super().__init__(start, end, warmup)
        if rounds < 1:
            raise ValueError(f"prototypes and rows are scaled once or more; got rounds={rounds}")
        self.rounds = rounds

    def made(self, logits: Float[Tensor, "m k"], temperature: Float[Tensor, ""]) -> Float[Tensor, "m k"]:
        found = logits / temperature
        for _ in range(self.rounds):
            found = found - found.logsumexp(0, keepdim=True)  # the factors m and k are taken away by the next line
            found = found - found.logsumexp(1, keepdim=True)
        return found.exp()
