"""Contrast without the positive among the candidates."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from diptych.core import Objective, Terms, Views


class Decoupled(Objective):
    """-1/b sum_i log( exp(s_ii / t) / sum_{j != i} exp(s_ij / t) ),  s_ij = cos(z1_i, z2_j)

    `InfoNCE` has the positive in the denominator too; without it the loss can be below 0, and pairs that agree already
    pull as hard as others. It is the loss of GraphCL's code (arXiv:2010.13902), in one direction; `symmetric` adds the
    other, and halves both. The whole matrix is held. With all other views as negatives it is arXiv:2110.06848.

    Raises ValueError for a temperature that is not above 0, and when it is called for fewer than two samples.
    """

    paper = "arXiv:2110.06848"
    aim = "pulls the views of one sample together and pushes those of others away"

    def __init__(self, temperature: float = 0.2, symmetric: bool = False):
        super().__init__()
        if not 0 < temperature < float("inf"):
            raise ValueError(f"a temperature is above 0; got {temperature}")
        self.temperature, self.symmetric = temperature, symmetric

    def forward(self, views: Views, teacher: Views) -> Terms:
        one, other = (F.normalize(encoded.projection, dim=1) for encoded in views["view"])
        if len(one) < 2:
            raise ValueError(f"a sample is told from others, so a batch has two or more; got {len(one)}")
        logits = one @ other.T / self.temperature
        loss = self._one(logits)
        if self.symmetric:
            loss = (loss + self._one(logits.T)) / 2
        return {"decoupled": loss}

    def _one(self, logits: Float[Tensor, "b b"]) -> Float[Tensor, ""]:
        own = torch.eye(len(logits), dtype=torch.bool, device=logits.device)
        return (logits.masked_fill(own, -torch.inf).logsumexp(1) - logits.diagonal()).mean()
