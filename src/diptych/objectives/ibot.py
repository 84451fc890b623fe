"""iBOT: say of hidden patches what a teacher, who sees them, says.

Shapes: b samples, t masked patches of the sample with most of them, m masked patches of all, d width, k prototypes.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from diptych.core import Encoded, Objective, Terms, Twin, Views
from diptych.objectives.targets import Targets, cross_entropy


class IBOT(Objective):
    """Cross-entropy of a student's prototypes to a teacher's, patch by patch where the student's are masked.

        1 / (views b) sum_{pictures} 1/|M| sum_{p in M} CE(targets of teacher's p, student's p),  CE at `student` t

    over views of `role`, which model and teacher encode (`by="both"`): masked for the model, whole for its teacher. A
    picture with nothing masked adds 0, and counts among the views b. `head` (a `Twin`) makes logits of patches and may
    be that of `DINO`; `targets` are of all masked patches at once.

    Raises ValueError for a temperature that is not above 0, and when it is called if there are no patches to see.
    """

    paper = "arXiv:2111.07832"
    aim = "fills in the patches that a mask hides, as the teacher sees them"
    reads_tokens = True

    def __init__(self, head: Twin, targets: Targets, student: float = 0.1, role: str = "global"):
        super().__init__()
        if not 0 < student < float("inf"):
            raise ValueError(f"a temperature is above 0; got {student}")
        self.head, self.targets, self.student, self.role = head, targets, student, role

    def forward(self, views: Views, teacher: Views) -> Terms:
        seen, taught = views[self.role], teacher.get(self.role, [])
        if len(seen) != len(taught) or any(x.tokens is None or x.labels is None for x in (*seen, *taught)):
            raise ValueError(f'a teacher sees the patches that are masked in views of role "{self.role}": by both')
        hidden = torch.cat([_hidden(encoded) for encoded in seen])
        weight = hidden / hidden.sum(1, keepdim=True).clamp(min=1) / len(hidden)
        wanted = self.targets(self.head(_patches(taught)[hidden], teacher=True))
        said = self.head(_patches(seen)[hidden])
        return {"ibot": (weight[hidden] * cross_entropy(wanted, said, self.student)).sum()}


def _hidden(encoded: Encoded) -> Bool[Tensor, "b t"]:
    assert encoded.labels is not None
    return encoded.labels != -100


def _patches(views: list[Encoded]) -> Float[Tensor, "b t d"]:
    return torch.cat([encoded.parts["tokens"] for encoded in views])
