"""DINO: say of a crop what a teacher says of another crop of the same picture.

Shapes: b samples, d width of an embedding, k prototypes.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from diptych.core import Encoded, Objective, Terms, Twin, Views
from diptych.objectives.targets import Targets, cross_entropy


class DINO(Objective):
    """Cross-entropy of a student's prototypes to a teacher's, over all pairs of different crops.

        1/T sum_{teacher's global g} sum_{student's v != g} mean_b CE(targets of g, student of v),  CE at `student` t

    The student sees global and local crops (roles "global" and "local"), the teacher the global ones (`by="both"`). Of
    two global and n local crops T is 2 + 2n. `head` (a `Twin`) makes logits of embeddings, `targets` what the teacher's
    are to be: of all its global crops at once. Terms "dino_global" and "dino_local" are the parts of the sum.

    Raises ValueError for a temperature that is not above 0, and when it is called unless a teacher encodes the global
    views, of which there are two or more.
    """

    paper = "arXiv:2104.14294"
    aim = "makes one view choose the prototypes that a teacher, the model's running mean, chooses for the other"

    def __init__(self, head: Twin, targets: Targets, student: float = 0.1):
        super().__init__()
        if not 0 < student < float("inf"):
            raise ValueError(f"a temperature is above 0; got {student}")
        self.head, self.targets, self.student = head, targets, student

    def forward(self, views: Views, teacher: Views) -> Terms:
        large, small, taught = views["global"], views.get("local", []), teacher.get("global", [])
        if len(large) < 2 or len(taught) != len(large):
            raise ValueError(
                "a teacher says of one global view what another is to say: there are two or more, by both; "
                f"got {len(large)} of the model and {len(taught)} of the teacher"
            )
        wanted = self.targets(self._logits(taught, teacher=True)).chunk(len(taught))
        said = self._logits([*large, *small]).chunk(len(large) + len(small))
        pairs = len(taught) * (len(said) - 1)
        whole = torch.stack(wanted).sum(0)
        among = [self._mean(whole - own, x) for own, x in zip(wanted, said[: len(large)], strict=True)]
        terms = {"dino_global": torch.stack(among).sum() / pairs}
        if small:
            beside = [self._mean(whole, x) for x in said[len(large) :]]
            terms["dino_local"] = torch.stack(beside).sum() / pairs
        return terms

    def _logits(self, views: list[Encoded], teacher: bool = False) -> Float[Tensor, "m k"]:
        logits: Tensor = self.head(torch.cat([encoded.embedding for encoded in views]), teacher)
        return logits

    def _mean(self, target: Float[Tensor, "b k"], logits: Float[Tensor, "b k"]) -> Float[Tensor, ""]:
        return cross_entropy(target, logits, self.student).mean()
