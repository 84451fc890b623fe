"""InfoNCE: pick the positive out of the batch."""

import torch
from jaxtyping import Float
from torch import Tensor

from diptych.core import Objective, Terms, Views
from diptych.objectives.tiled import cosine_cross_entropy


class InfoNCE(Objective):
    """Cross-entropy of cosine similarities over the batch, in memory that is linear in the batch.

    The first view is the anchor; the candidates are the second view, and views of role "negative"
    (hard negatives). `symmetric` adds the loss with anchor and positive exchanged, and halves both.
    """

    paper = "arXiv:1807.03748; with hard negatives arXiv:2104.08821"

    def __init__(self, temperature: float = 0.05, symmetric: bool = False):
        super().__init__()
        if not 0 < temperature < float("inf"):
            raise ValueError(f"a temperature is above 0; got {temperature}")
        self.temperature, self.symmetric = temperature, symmetric

    def forward(self, views: Views, teacher: Views) -> Terms:
        anchor, positive = (encoded.projection for encoded in views["view"])
        negatives = [encoded.projection for encoded in views.get("negative", [])]
        loss = self.loss(anchor, [positive, *negatives])
        if self.symmetric:
            loss = (loss + self.loss(positive, [anchor, *negatives])) / 2
        return {"infonce": loss}

    def loss(self, anchor: Float[Tensor, "b p"], candidates: list[Float[Tensor, "b p"]]) -> Float[Tensor, ""]:
        """The i-th of the first candidates is the right one for the i-th anchor."""
        every = torch.cat(candidates) if len(candidates) > 1 else candidates[0]
        return cosine_cross_entropy(anchor, every, torch.arange(len(anchor), device=anchor.device), self.temperature)
