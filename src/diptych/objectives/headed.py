"""A head that looks at the batch."""

from dataclasses import replace

from torch import nn

from diptych.core import Objective, Terms, Views


class Headed(Objective):
    """The objective of head(embedding) in the place of projections; each view passes through the head for itself.

    A head with batch normalisation looks at all samples of a view. Here it sees them all, of every micro-batch and
    process, which a head of the model would not; its gradient is the same however the work is cut. It is part of the
    checkpoint, learns with the model, and does not ship.

    Other roles than `roles` stay as they are, and so does what a teacher made.
    """

    def __init__(self, objective: Objective, head: nn.Module, roles: tuple[str, ...] = ("view", "negative")):
        super().__init__()
        self.objective, self.head, self.roles = objective, head, roles
        self.paper, self.aim = objective.paper, objective.aim

    def forward(self, views: Views, teacher: Views) -> Terms:
        headed = {
            role: [replace(encoded, projection=self.head(encoded.embedding)) for encoded in many]
            for role, many in views.items()
            if role in self.roles
        }
        return self.objective({**views, **headed}, teacher)
