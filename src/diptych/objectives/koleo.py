"""KoLeo: no embedding near another."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from diptych.core import Objective, Terms, Views

EPSILON = 1e-8  # added to distances


class KoLeo(Objective):
    """-1/b sum_i log( |x_i - x_n(i)| + 1e-8 ) of unit embeddings, n(i) the nearest of the same view; summed over views.

    The Kozachenko-Leonenko estimate of their entropy: it spreads a batch over the sphere. Of embeddings, before any
    head, in fp32, over all samples of a step (the authors of DINOv2 over those of one device). Rows that are the same
    count as 18.4 each, and have no gradient from each other.

    Raises ValueError, when it is called, for fewer than two samples.
    """

    paper = "arXiv:1806.03198"
    aim = "spreads the samples of a batch"

    def __init__(self, role: str = "global"):
        super().__init__()
        self.role = role

    def forward(self, views: Views, teacher: Views) -> Terms:
        return {"koleo": torch.stack([_of_view(encoded.embedding) for encoded in views[self.role]]).sum()}


def _of_view(x: Float[Tensor, "b d"]) -> Float[Tensor, ""]:
    if len(x) < 2:
        raise ValueError(f"KoLeo looks for the nearest other sample, so a batch has two or more; got {len(x)}")
    unit = F.normalize(x.to(torch.promote_types(x.dtype, torch.float32)), dim=1)
    with torch.no_grad():
        nearest = (unit @ unit.T).fill_diagonal_(-torch.inf).argmax(1)
    return -(torch.linalg.vector_norm(unit - unit[nearest], dim=1) + EPSILON).log().mean()
