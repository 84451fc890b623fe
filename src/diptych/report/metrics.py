"""The words for rows and metrics, and which way is better."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from diptych.report.card import Table
from diptych.report.digits import known


@dataclass(frozen=True)
class Metric:
    name: str
    meaning: str
    higher: bool = True


METRICS = {
    "knn": Metric("k-NN accuracy", "10 nearest documents vote; Euclidean, whole documents"),
    "knn_cosine": Metric("k-NN accuracy, cosine", "10 nearest documents vote, by direction"),
    "linear": Metric("Linear probe", "accuracy of a linear classifier on frozen embeddings"),
    "v_measure": Metric("k-means V-measure", "how well clusters agree with labels"),
    "crop_retrieval": Metric("Crop retrieval", "how often the other crop of a document is nearest; no labels"),
    "alignment": Metric("Alignment", "squared distance of two crops of a document", higher=False),
    "uniformity": Metric("Uniformity", "how evenly directions are spread", higher=False),
}
OF_PICTURES = {  # what a task of pictures is scored by; the data set stands before it
    "weighted_knn": Metric("weighted k-NN", "20 nearest pictures vote by exp(cosine / 0.07); per cent"),
    "linear": Metric("linear probe", "accuracy of a linear classifier on frozen embeddings; per cent"),
    "linear_grid": Metric("grid of linear heads", "the best on validation, asked once on the test; per cent"),
    "mean_iou": Metric("mean IoU", "linear segmentation on frozen patches; per cent"),
    "rmse": Metric("RMSE", "linear depth on frozen patches; metres", higher=False),
    "delta1": Metric("delta 1", "part of pixels within a factor of 1.25 of their depth; per cent"),
    "invariance": Metric("invariance", "cosine of augmentations of a picture, less that of different pictures"),
    "cosine_within": Metric("cosine within", "of augmentations of a picture"),
    "cosine_between": Metric("cosine between", "of different pictures", higher=False),
}
ROWS = {"model": "this model", "tfidf": "TF-IDF"}


def metric(name: str) -> Metric:
    """What is known of a metric; one we do not know keeps its name, and higher is better."""
    if name in METRICS:
        return METRICS[name]
    ends = [end for end in OF_PICTURES if name.endswith(f"_{end}")]
    if not ends:
        return Metric(name.replace("_", " "), "")
    end = max(ends, key=len)
    known = OF_PICTURES[end]
    return replace(known, name=f"{name.removesuffix(f'_{end}').replace('_', ' ')}, {known.name}")


def row_name(row: str) -> str:
    return ROWS.get(row, row)


def present(tables: Iterable[Table]) -> list[str]:
    """The metrics that have a number somewhere, in the order of METRICS, then as they come."""
    found = [m for table in tables for row in table.values() for m, x in (row or {}).items() if known(x)]
    return sorted(dict.fromkeys(found), key=lambda m: list(METRICS).index(m) if m in METRICS else len(METRICS))


def value(table: Table, row: str, name: str) -> float | None:
    """A cell, or None where there is no finite number."""
    x = (table.get(row) or {}).get(name)
    return x if known(x) else None
