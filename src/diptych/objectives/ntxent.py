"""NT-Xent: the other view of a sample, among all other views of the batch."""

import torch

from diptych.core import Objective, Terms, Views
from diptych.objectives.tiled import Block, cosine_cross_entropy


class NTXent(Objective):
    """Cross-entropy of cosines over 2b views: each is the anchor once, and finds its sample's other view.

        -1/2b sum_i log( exp(s_ip(i) / t) / sum_{k != i} exp(s_ik / t) )

    Unlike a symmetric `InfoNCE` (b candidates), other samples' views of the anchor's own kind are negatives too. The
    matrix is not held. With `base_temperature` the loss is that times t / `base_temperature`: 0.07 gives the loss of
    SupContrast without labels (arXiv:2004.11362), whose learning rates are meant for it.

    Raises ValueError for a temperature that is not above 0.
    """

    paper = "arXiv:2002.05709"
    aim = "pulls the views of one sample together and pushes those of others away"

    def __init__(self, temperature: float = 0.5, base_temperature: float | None = None):
        super().__init__()
        base = temperature if base_temperature is None else base_temperature
        for given in (temperature, base):
            if not 0 < given < float("inf"):
                raise ValueError(f"a temperature is above 0; got {given}")
        self.temperature, self.scale = temperature, temperature / base

    def forward(self, views: Views, teacher: Views) -> Terms:
        first, second = (encoded.projection for encoded in views["view"])
        both = torch.cat([first, second])
        right = torch.arange(len(both), device=both.device).roll(len(first))
        loss = cosine_cross_entropy(both, [Block(both, weight=0.0)], right, self.temperature)
        return {"ntxent": self.scale * loss}
