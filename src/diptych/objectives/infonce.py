"""InfoNCE: pick the positive out of the batch."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from diptych.core import Objective, Terms, Views


class InfoNCE(Objective):
    """Cross-entropy of cosine similarities over the batch.

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
        anchor, positive = (F.normalize(e.projection, dim=-1) for e in views["view"])
        negatives = [F.normalize(e.projection, dim=-1) for e in views.get("negative", [])]
        loss = self.loss(anchor, torch.cat([positive, *negatives]))
        if self.symmetric:
            loss = (loss + self.loss(positive, torch.cat([anchor, *negatives]))) / 2
        return {"infonce": loss}

    def loss(self, anchor: Float[Tensor, "b p"], candidates: Float[Tensor, "n p"]) -> Float[Tensor, ""]:
        """The i-th candidate is the right one for the i-th anchor."""
        logits = anchor @ candidates.T / self.temperature
        return F.cross_entropy(logits, torch.arange(len(logits), device=logits.device))
