"""MixCSE: negatives that hold a part of the positive."""

import math
from typing import Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from diptych.core import Objective, Terms, Views

Blocks = Literal["both", "first"]
Mask = Literal["-inf", "zero"]


class MixCSE(Objective):
    """Cross-entropy of cosines over the batch, with mixed negatives beside the other rows.

    With z1, z2 of two views, sg stopping the gradient, and rows counted in a ring:

        m1_i = sg(mix * z1_i + (1 - mix) * z1_{i+1})      m2_i in the same way
        logits = [ cos(z1_i, z2_j) | cos(z1_i, m2_j) | cos(m1_i, z2_j) ] / t,  (b, 3b), label i

    Vectors are mixed as they are, not scaled to length one. `blocks="first"` leaves the third block out. Two entries of
    a row are no negatives: m2_{i-1} holds most of the positive of i, and z2_{i+1} is the positive of most of m1_i. With
    `mask="-inf"` they are no candidates. "zero" is the authors' code, which multiplies their logits by 0: candidates
    with cosine 0. At temperature 0.05 a positive of cosine 0.5 weighs exp(10) times as much, so the two are alike; at a
    high temperature the zeros count, and mean nothing. That is why "-inf" is the default.

    The whole matrix is held: 12 b^2 bytes, and as much again for the gradient.

    Raises ValueError for a temperature that is not above 0, a mix outside (0, 1), other blocks or masks.
    """

    paper = "MixCSE"
    aim = "pulls the views of one sample together and pushes those of others, and mixtures of both, away"

    def __init__(self, temperature: float = 0.05, mix: float = 0.2, blocks: Blocks = "both", mask: Mask = "-inf"):
        super().__init__()
        if not 0 < temperature < math.inf:
            raise ValueError(f"a temperature is above 0; got {temperature}")
        if not 0 < mix < 1:
            raise ValueError(f"a mix is a part of the positive, above 0 and below 1; got {mix}")
        for name, given, kinds in (("blocks", blocks, Blocks), ("mask", mask, Mask)):
            if given not in get_args(kinds):
                raise ValueError(f"{name} is one of {', '.join(get_args(kinds))}; got {given!r}")
        self.temperature, self.mix, self.blocks, self.mask = temperature, mix, blocks, mask

    def forward(self, views: Views, teacher: Views) -> Terms:
        z1, z2 = (encoded.projection for encoded in views["view"])
        logits = [self._logits(z1, z2), self._masked(self._logits(z1, self._mixed(z2)), -1)]
        if self.blocks == "both":
            logits.append(self._masked(self._logits(self._mixed(z1), z2), 1))
        return {"mixcse": F.cross_entropy(torch.cat(logits, 1), torch.arange(len(z1), device=z1.device))}

    def _mixed(self, z: Float[Tensor, "b p"]) -> Float[Tensor, "b p"]:
        """Each row with the next one."""
        return (self.mix * z + (1 - self.mix) * z.roll(-1, 0)).detach()

    def _logits(self, a: Float[Tensor, "b p"], b: Float[Tensor, "b p"]) -> Float[Tensor, "b b"]:
        return F.normalize(a, dim=1) @ F.normalize(b, dim=1).T / self.temperature

    def _masked(self, logits: Float[Tensor, "b b"], shift: int) -> Float[Tensor, "b b"]:
        """Without the entries (i, i + shift), in a ring."""
        none = torch.eye(len(logits), dtype=torch.bool, device=logits.device).roll(shift, 1)
        return logits.masked_fill(none, 0.0 if self.mask == "zero" else -math.inf)
