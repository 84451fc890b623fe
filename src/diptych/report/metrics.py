"""The words for rows and metrics, which way is better, and how many digits are told."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from diptych.report.card import Table
from diptych.report.digits import known


@dataclass(frozen=True)
class Metric:
    """`higher` says which way is better; None that neither is."""

    name: str
    meaning: str
    higher: bool | None = True
    percent: bool = False


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
    "weighted_knn": Metric("weighted k-NN", "20 nearest pictures vote by exp(cosine / 0.07); per cent", percent=True),
    "linear": Metric("linear probe", "accuracy of a linear classifier on frozen embeddings; per cent", percent=True),
    "linear_grid": Metric("grid of linear heads", "the best on validation, asked once; per cent", percent=True),
    "mean_iou": Metric("mean IoU", "linear segmentation on frozen patches; per cent", percent=True),
    "rmse": Metric("RMSE", "linear depth on frozen patches; metres", higher=False),
    "delta1": Metric("delta 1", "part of pixels within a factor of 1.25 of their depth; per cent", percent=True),
    "invariance": Metric("invariance", "cosine within less cosine between; no score of quality", higher=None),
    "cosine_within": Metric("cosine within", "of augmentations of a picture; no score of quality", higher=None),
    "cosine_between": Metric("cosine between", "of different pictures; no score of quality", higher=None),
}
OF_GRAPHS = {  # the same of graphs
    "svm_graphcl": Metric("svm graphcl", "RBF SVM on frozen embeddings, in ten folds; per cent", percent=True),
    "svm_pygcl": Metric("svm pygcl", "linear SVM on frozen embeddings, asked a random tenth; per cent", percent=True),
    "svm_pygcl_macro_f1": Metric("svm pygcl macro f1", "F1 of the same, mean over classes; per cent", percent=True),
}
FINE = 0.095  # an error that one decimal does not tell
ROWS = {"model": "this model", "tfidf": "TF-IDF"}


def metric(name: str) -> Metric:
    """What is known of a metric; one we do not know keeps its name, and higher is better."""
    if name in METRICS:
        return METRICS[name]
    for those, between in ((OF_PICTURES, ", "), (OF_GRAPHS, " ")):
        if ends := [end for end in those if name.endswith(f"_{end}")]:
            end = max(ends, key=len)
            stem = name.removesuffix(f"_{end}").replace("_", " ")
            return replace(those[end], name=f"{stem}{between}{those[end].name}")
    return Metric(name.replace("_", " "), "")


def places(name: str, errors: Table | None = None) -> int:
    """Decimals that are told of a score: three; of one in per cent one, or two where an error asks for it."""
    if not metric(name).percent:
        return 3
    known_errors = (value(errors or {}, row, name) for row in errors or {})
    return 2 if any(x is not None and 0 < x < FINE for x in known_errors) else 1


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
