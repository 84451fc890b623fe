"""BYOL: predict a teacher's projection of another view."""

import torch
import torch.nn.functional as F
from torch import nn

from diptych.core import Encoded, Objective, Terms, Twin, Views


class BYOL(Objective):
    """2 - 2 cos( predictor(head(z)), teacher's head(teacher's z') ), mean over the batch, summed over both orders.

    Two views of role "view" that model and teacher encode (`by="both"`). `head` is a projector of which the teacher has
    its own (a `Twin`); the predictor is the model's alone, and what keeps all from being one point. Both see the whole
    batch, one view at a time.

    Raises ValueError, when it is called, unless a teacher encodes both views.
    """

    paper = "arXiv:2006.07733"
    aim = "makes one view foretell what a teacher, the model's running mean, makes of the other"

    def __init__(self, head: Twin, predictor: nn.Module):
        super().__init__()
        self.head, self.predictor = head, predictor

    def forward(self, views: Views, teacher: Views) -> Terms:
        seen, taught = views["view"], teacher.get("view", [])
        if len(seen) != 2 or len(taught) != 2:
            raise ValueError(
                f"a teacher encodes the two views that the model encodes (by both); got {len(seen)} and {len(taught)}"
            )
        return {"byol": self._one(seen[0], taught[1]) + self._one(seen[1], taught[0])}

    def _one(self, seen: Encoded, taught: Encoded) -> torch.Tensor:
        said, wanted = self.predictor(self.head(seen.embedding)), self.head(taught.embedding, teacher=True)
        return (2 - 2 * F.cosine_similarity(said, wanted, dim=1)).mean()
