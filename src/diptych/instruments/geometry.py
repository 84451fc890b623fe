"""Alignment and uniformity of the batch, as the objective saw it (arXiv:2005.10242)."""

from collections.abc import Mapping

from diptych.core import Snapshot, compared
from diptych.measure.geometry import alignment, uniformity
from diptych.measure.rows import spaced

ROWS = 256  # of a batch, evenly spaced, whose uniformity is taken: its pairs are as many as rows times rows


class Geometry:
    """How close the first two views are, and how evenly the first is spread; on unit vectors.

    Uniformity is that of all samples in a batch of up to 256, and of 256 of them in a larger one.
    """

    def __call__(self, snapshot: Snapshot) -> Mapping[str, float]:
        views = compared(snapshot.views)
        if len(views) < 2 or len(views[0].projection) < 2:
            return {}
        first, second = (encoded.projection.float() for encoded in views[:2])
        some = spaced(len(first), ROWS, first.device)
        return {"alignment": float(alignment(first, second)), "uniformity": float(uniformity(first[some]))}
