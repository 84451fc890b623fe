"""Classes that people said, or a number as a mixture of two of them."""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from diptych.core import Objective, Terms, Views

Features = Literal["pair", "single"]
Error = Literal["log", "squared"]


class CrossEntropy(Objective):
    """A linear layer of its own over embeddings, softmax, and the error of that to what the data say (role "target").

    "pair": features [|u - v|, u * v] of two views (b, 2 `width`), and targets in [0, 1]. A target y stands at
    y * (`classes` - 1) among the classes and is shared between the two beside it: 0.4 of 5 classes is 0.4 of class 1
    and 0.6 of class 2. "single": the embedding of the one view, and targets 0, 1, ..., `classes` - 1.

    `error` is -sum y log p ("log"), or the mean of (y - p)^2 over samples and classes ("squared"), as Deep Augmentation
    takes it for its "pair" of five classes.

    Raises ValueError for fewer than two classes, a width below 1, and other features or errors.
    """

    paper = "arXiv:1503.00075; for pairs of sentences arXiv:2303.14537"
    aim = "tells the labels apart"

    def __init__(self, classes: int, width: int, features: Features = "pair", error: Error = "log"):
        super().__init__()
        if classes < 2 or width < 1:
            raise ValueError(f"there are two classes or more, of embeddings of a width; got {classes=} and {width=}")
        for name, given, kinds in (("features", features, Features), ("error", error, Error)):
            if given not in get_args(kinds):
                raise ValueError(f"{name} is one of {', '.join(get_args(kinds))}; got {given!r}")
        self.classes, self.features, self.error = classes, features, error
        self.head = nn.Linear(2 * width if features == "pair" else width, classes)

    def forward(self, views: Views, teacher: Views) -> Terms:
        (target,) = (encoded.projection[:, 0] for encoded in views["target"])
        seen = [encoded.embedding for encoded in views["view"]]
        if self.features == "pair":
            u, v = seen
            logits, wanted = self.head(torch.cat([(u - v).abs(), u * v], 1)), self._shared(target)
        else:
            (u,) = seen
            logits, wanted = self.head(u), F.one_hot(target.long(), self.classes).to(u.dtype)
        if self.error == "log":
            return {"cross_entropy": F.cross_entropy(logits, wanted)}
        return {"squared_error": F.mse_loss(logits.softmax(1), wanted)}

    def _shared(self, target: Float[Tensor, " b"]) -> Float[Tensor, "b k"]:
        """The parts of each class in a number of [0, 1]."""
        place = target[:, None] * (self.classes - 1)
        return (1 - (place - torch.arange(self.classes, device=target.device)).abs()).clamp(min=0).to(target.dtype)
