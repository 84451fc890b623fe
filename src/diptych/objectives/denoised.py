"""Embeddings without what their prompt alone says."""

from dataclasses import replace

from torch import nn

from diptych.core import Objective, Terms, Views
from diptych.plural import counted


class Denoised(Objective):
    """`objective` of head(h_i - d_i) in the place of each view, with h_i its embedding and d_i that of "bias" view i.

    A bias is the same prompt without a text, its positions as they were with it. Its gradient is kept, as in the
    authors' code. What is logged of embeddings is of those that ship, h_i.

    Raises ValueError, when it is called, unless there is a bias for each view.
    """

    paper = "arXiv:2201.04337"

    def __init__(self, objective: Objective, head: nn.Module | None = None):
        super().__init__()
        self.objective, self.head = objective, head or nn.Identity()
        self.paper = "; ".join(dict.fromkeys([Denoised.paper, objective.paper]))
        self.aim = objective.aim

    def forward(self, views: Views, teacher: Views) -> Terms:
        given, biases = views["view"], views.get("bias", [])
        if len(given) != len(biases):
            raise ValueError(f"each view has a bias to take away; got {len(biases)} for {counted(len(given), 'view')}")
        clean = [
            replace(encoded, projection=self.head(encoded.embedding - bias.embedding))
            for encoded, bias in zip(given, biases, strict=True)
        ]
        return self.objective({**views, "view": clean}, teacher)
