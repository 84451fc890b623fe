"""Cosines of the batch, as the objective saw it: of pairs that belong together, and of those that do not."""

from collections.abc import Mapping

from diptych.core import Snapshot, compared
from diptych.measure.rows import unit


class Cosines:
    """positive_cosine    mean cosine of a sample's first two views
    negative_cosine    mean cosine of the first view of a sample and the second of another
    std                standard deviation of unit embeddings of the first view over the batch, mean over columns;
                       1 / sqrt(d) where all directions are used alike, 0 for a collapse (SimSiam, arXiv:2011.10566)
    """

    def __call__(self, snapshot: Snapshot) -> Mapping[str, float]:
        views = compared(snapshot.views)[:2]
        if len(views) < 2 or len(views[0].projection) < 2:
            return {}
        x, y = (unit(encoded.projection.float()) for encoded in views)
        n, positive = len(x), (x * y).sum(1)
        negative = (x.sum(0).double() @ y.sum(0).double() - positive.sum()) / (n * (n - 1))
        first = x if views[0].embedding is views[0].projection else unit(views[0].embedding.float())
        deviation = (first - first.mean(0)).square().mean(0).sqrt().mean()  # as std(0), which is slow down a column
        return {"positive_cosine": float(positive.mean()), "negative_cosine": float(negative), "std": float(deviation)}
