"""What the benchmark scripts share: train one arm, take its k-NN, keep a line of it."""

import json
import math
import statistics
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from diptych.core import Encoder, Machine, Recipe
from diptych.data.documents import Documents
from diptych.evaluate.knn import knn as one_split
from diptych.evaluate.split import labelled
from diptych.evaluate.suite import Encode, judge
from diptych.train.loop import train

T_975 = {2: 12.706, 3: 4.303, 4: 3.182, 5: 2.776, 6: 2.571, 7: 2.447, 8: 2.365, 9: 2.306, 10: 2.262}


def trained(recipe: Recipe, machine: Machine = Machine(checkpoint=1e9)) -> tuple[Encoder, float]:  # noqa: B008
    """The encoder of a recipe after training, and the seconds that took."""
    started = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        train(recipe, Path(folder), machine)
    return recipe.model.encoder, time.perf_counter() - started


def knn(encode: Encode, documents: Documents) -> dict[str, float]:
    """k-NN accuracy by the paper's protocol (and by cosine), in percent."""
    scores = judge({"row": encode}, documents, only=("knn", "knn_cosine")).scores["row"]
    assert scores is not None
    return {name: 100 * scores[name] for name in ("knn", "knn_cosine")}  # type: ignore[operator]


def folded(encode: Encode, documents: Documents, folds: int) -> dict[str, float]:
    """The same accuracy over every labelled document: each fold is asked of all others."""
    asked = documents.select(labelled(documents.labels).tolist())
    _, classes = np.unique(np.array(asked.labels), return_inverse=True)
    rows, parts = encode(asked.texts), np.array_split(np.random.default_rng(42).permutation(len(asked)), folds)
    right = [
        one_split(rows, classes, np.concatenate(parts[:i] + parts[i + 1 :]), part).value * len(part)
        for i, part in enumerate(parts)
    ]
    return {"knn": 100 * sum(right) / len(asked)}


class Results:
    """Lines of JSON, one per trained arm; what is there already is not run again."""

    def __init__(self, path: Path):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = path.read_text().splitlines() if path.exists() else []
        self.rows: list[dict[str, Any]] = [json.loads(line) for line in lines]

    def once(self, key: Mapping[str, Any], run: Callable[[], Mapping[str, Any]]) -> None:
        """Runs an arm unless a line with this key is there."""
        if any(all(row.get(k) == x for k, x in key.items()) for row in self.rows):
            return
        row = {**key, **run()}
        self.rows.append(row)
        with self.path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(json.dumps(row), flush=True)

    def values(self, name: str, **key: Any) -> list[float]:
        """A field of all lines that match, by seed."""
        fitting = [row for row in self.rows if all(row.get(k) == x for k, x in key.items())]
        return [row[name] for row in sorted(fitting, key=lambda row: row.get("seed", 0))]


def mean(values: Sequence[float]) -> str:
    """Mean and sample standard deviation over seeds."""
    if not values:
        return ""
    spread = f" ± {statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{statistics.fmean(values):.1f}{spread}"


def paired(a: Iterable[float], b: Iterable[float]) -> str:
    """Mean of a - b over paired seeds with its 95 % interval (t)."""
    differences = [x - y for x, y in zip(a, b, strict=True)]
    if len(differences) < 2:
        return ""
    centre = statistics.fmean(differences)
    half = T_975[len(differences)] * statistics.stdev(differences) / math.sqrt(len(differences))
    return f"{centre:+.1f} [{centre - half:+.1f}, {centre + half:+.1f}]"
