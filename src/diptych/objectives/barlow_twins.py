"""Barlow Twins: features of two views agree, each with itself and with no other.

Shapes: b samples, p width of a projection.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from diptych.core import Objective, Terms, Views

LEAST = 1e-6  # no feature is divided by less


class BarlowTwins(Objective):
    """sum_i (1 - C_ii)^2 + off_diagonal * sum_{i != j} C_ij^2,  C = A^T B / b

    A and B are the projections of the two views, each feature less its mean over the batch and over its standard
    deviation. There are no negatives and nothing is stopped: a feature that is constant costs 1, and two that are alike
    cost twice `off_diagonal`. That sum has p^2 parts; 0.0051 is the authors' for p = 8192.

    Raises ValueError for a weight below 0, and when it is called for fewer than two samples.
    """

    paper = "arXiv:2103.03230"
    aim = "makes each feature alike in two views, and unlike the other features"

    def __init__(self, off_diagonal: float = 0.0051):
        super().__init__()
        if not 0 <= off_diagonal < float("inf"):
            raise ValueError(f"the weight of what is beside the diagonal is 0 or more; got {off_diagonal}")
        self.off_diagonal = off_diagonal

    def forward(self, views: Views, teacher: Views) -> Terms:
        a, b = (_standard(encoded.projection) for encoded in views["view"])
        if len(a) < 2:
            raise ValueError(f"features are standardised over the batch, so it has two samples or more; got {len(a)}")
        products = a.T @ b / len(a)
        own = torch.eye(len(products), dtype=torch.bool, device=products.device)
        beside = self.off_diagonal * products.masked_fill(own, 0).square().sum()
        return {"barlow_diagonal": (1 - products.diagonal()).square().sum(), "barlow_beside": beside}


def _standard(x: Float[Tensor, "b p"]) -> Float[Tensor, "b p"]:
    return (x - x.mean(0)) / x.std(0, correction=0).clamp(min=LEAST)
