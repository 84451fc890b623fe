"""Cosines that are what people said."""

import torch.nn.functional as F

from diptych.core import Objective, Terms, Views


class CosineRegression(Objective):
    """The mean squared error of the cosine of two views to a number in [0, 1], which the view of role "target" holds.

    The number is given by the data (`View("target", column, by="data")`), one for each sample.
    """

    paper = "arXiv:1908.10084"
    aim = "fits the cosine of a pair to its score"

    def forward(self, views: Views, teacher: Views) -> Terms:
        first, second = (encoded.projection for encoded in views["view"])
        (target,) = views["target"]
        return {"regression": F.mse_loss(F.cosine_similarity(first, second), target.projection[:, 0])}
