"""Alignment and uniformity of the batch, as the objective saw it (arXiv:2005.10242)."""

from collections.abc import Mapping

from diptych.core import Snapshot, compared
from diptych.measure.geometry import alignment, uniformity


class Geometry:
    """How close the first two views are, and how evenly the first is spread; on unit vectors."""

    def __call__(self, snapshot: Snapshot) -> Mapping[str, float]:
        views = compared(snapshot.views)
        if len(views) < 2 or len(views[0].projection) < 2:
            return {}
        first, second = (encoded.projection.float() for encoded in views[:2])
        return {"alignment": float(alignment(first, second)), "uniformity": float(uniformity(first))}
