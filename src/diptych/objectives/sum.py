"""A weighted sum of objectives."""

from collections import Counter

from torch import nn

from diptych.core import Objective, Terms, Views


class Sum(Objective):
    """The terms of several objectives, each times its weight: `Sum(InfoNCE(), (0.1, MLM()))`. A weight may be below 0.

    Raises ValueError if two of them name a term alike.
    """

    def __init__(self, *parts: Objective | tuple[float, Objective]):
        super().__init__()
        pairs = [part if isinstance(part, tuple) else (1.0, part) for part in parts]
        self.weights = [float(weight) for weight, _ in pairs]
        self.parts = nn.ModuleList(part for _, part in pairs)
        self.paper = "; ".join(dict.fromkeys(part.paper for _, part in pairs))
        self.aim = "; ".join(dict.fromkeys(part.aim for _, part in pairs if part.aim))

    def forward(self, views: Views, teacher: Views) -> Terms:
        found = [part(views, teacher) for part in self.parts]
        twice = [name for name, many in Counter(name for terms in found for name in terms).items() if many > 1]
        if twice:
            raise ValueError(f"two objectives of a sum name a term alike: {', '.join(twice)}")
        return {
            name: weight * term
            for weight, terms in zip(self.weights, found, strict=True)
            for name, term in terms.items()
        }
