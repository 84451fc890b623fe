"""The words for rows and metrics, and which way is better."""

from collections.abc import Iterable
from dataclasses import dataclass

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
ROWS = {"model": "this model", "tfidf": "TF-IDF"}


def metric(name: str) -> Metric:
    """What is known of a metric; one we do not know keeps its name, and higher is better."""
    return METRICS.get(name, Metric(name.replace("_", " "), ""))


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
