"""InfoNCE: pick the positive out of the batch."""

from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from diptych.core import Objective, Terms, Views
from diptych.objectives.tiled import Block, cosine_cross_entropy

Negatives = Literal["own", "batch", "all"]


class InfoNCE(Objective):
    """Cross-entropy of cosine similarities over the batch, in memory that is linear in the batch.

    The first view is the anchor; the candidates are the second view, and views of role "negative"
    (hard negatives). `symmetric` adds the loss with anchor and positive exchanged, and halves both.

    `negatives` says what an anchor chooses among: its positive and its own hard negatives ("own"); the positives of the
    batch and its own hard negatives ("batch"); the positives and the hard negatives of the batch ("all"). `hard_weight`
    multiplies the exponential of its own hard negatives: log `hard_weight` is the logit that supervised SimCSE adds to
    them.

    Raises ValueError for a temperature that is not above 0, other negatives, or a weight below 0.
    """

    paper = "arXiv:1807.03748; with hard negatives arXiv:2104.08821"
    aim = "pulls the views of one sample together and pushes those of others away"

    def __init__(
        self,
        temperature: float = 0.05,
        symmetric: bool = False,
        negatives: Negatives = "all",
        hard_weight: float = 1.0,
    ):
        super().__init__()
        if not 0 < temperature < float("inf"):
            raise ValueError(f"a temperature is above 0; got {temperature}")
        if negatives not in get_args(Negatives):
            raise ValueError(f"negatives are one of {', '.join(get_args(Negatives))}; got {negatives!r}")
        if not 0 <= hard_weight < float("inf"):
            raise ValueError(f"the weight of hard negatives is 0 or more; got {hard_weight}")
        self.temperature, self.symmetric = temperature, symmetric
        self.negatives, self.hard_weight = negatives, hard_weight

    def forward(self, views: Views, teacher: Views) -> Terms:
        anchor, positive = (encoded.projection for encoded in views["view"])
        hard = [
            Block(encoded.projection, own=self.negatives != "all", weight=self.hard_weight)
            for encoded in views.get("negative", [])
        ]
        loss = self.loss(anchor, positive, hard)
        if self.symmetric:
            loss = (loss + self.loss(positive, anchor, hard)) / 2
        return {"infonce": loss}

    def loss(self, anchor: Float[Tensor, "b p"], other: Float[Tensor, "b p"], hard: list[Block]) -> Float[Tensor, ""]:
        """Row i of `other` is the right one for anchor i."""
        alone = self.negatives == "own"
        right = torch.arange(len(anchor), device=anchor.device)
        blocks = [Block(other, own=alone), *hard]
        return cosine_cross_entropy(anchor, blocks, torch.zeros_like(right) if alone else right, self.temperature)
