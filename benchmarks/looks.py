"""What the benchmarks of the inside ask of an encoder: STS, neighbours on labelled corpora, and its layers."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from diptych.core import Encoder

SEVEN, DEV, TEST = "mean_of_7_spearman", "stsb/dev_spearman", "stsb_spearman"
CORPORA = ("arxiv_lite", "bbc_news", "iclr2021_papers")
SENTENCES = 1024  # of STS-B dev, whose ranks are taken
BESIDE = 512  # of them, on which layers are compared with layers


@cache
def tasks(data: Path, pairs: int | None = None) -> list[Any]:
    """Seven STS sets, STS-B dev and the mean; at most so many test pairs of a set, evenly spaced."""
    from diptych.evaluate import suites

    every = suites.tasks("sts", data / "sts")
    if pairs is None:
        return every
    sets = {task.name: _fewer(task, pairs) for task in every if hasattr(task, "parts")}
    return [
        *sets.values(),
        *(replace(task, there=sets) for task in every if f"{task.name}_spearman".replace(" ", "_") == SEVEN),
    ]


def _fewer(task: Any, pairs: int) -> Any:
    rows = task.parts[task.name]
    some = rows[np.unique(np.linspace(0, len(rows) - 1, min(pairs, len(rows))).astype(int))]
    dev = {part: asked for part, asked in task.parts.items() if part.endswith("/dev")}
    return replace(task, parts={task.name: some, **dev}, subsets=[])


@cache
def pairs(data: Path) -> tuple[list[str], list[str], np.ndarray]:
    """STS-B dev: two sentences and their score."""
    rows = [json.loads(line) for line in (data / "sts" / "stsb.jsonl").read_text().splitlines()]
    dev = [row for row in rows if row["split"] == "dev"]
    return [r["sentence1"] for r in dev], [r["sentence2"] for r in dev], np.array([r["score"] for r in dev], float)


def sentences(data: Path) -> list[str]:
    """Sentences of STS-B dev, each once."""
    one, other, _ = pairs(data)
    return list(dict.fromkeys(text for pair in zip(one, other, strict=True) for text in pair))[:SENTENCES]


@cache
def corpus(data: Path, name: str) -> Any:
    from diptych.data.documents import read

    return read(next(iter(sorted((data / "text").glob(f"{name}.*")))))


def neighbours(rows: np.ndarray, documents: Any) -> float:
    """k-NN accuracy in percent, every document asked, in ten parts."""
    from arms import folded

    asked = dict(zip(documents.texts, rows, strict=True))
    return folded(lambda texts: np.stack([asked[text] for text in texts]), documents, 10)["knn"]


def knn(encoder: Encoder, data: Path, names: Sequence[str]) -> dict[str, float]:
    """k-NN on labelled corpora."""
    return {name: neighbours(encoder.encode(corpus(data, name).texts), corpus(data, name)) for name in names}


def few(data: Path, name: str | None) -> Callable[[Any], Mapping[str, float]]:
    """What is asked along the way: STS-B dev, and k-NN on the corpus that is learned from, if it is labelled."""
    from diptych.evaluate import along

    stsb = [task for task in tasks(data) if task.name == "stsb"]

    def ask(encode: Any) -> Mapping[str, float]:
        found = {DEV: along.scores(stsb, encode)[DEV]}
        documents = corpus(data, name) if name in CORPORA else None
        return found if documents is None else found | {"knn": neighbours(encode(documents.texts), documents)}

    return ask


def layers(encoder: Encoder, data: Path, name: str | None) -> dict[str, Any]:
    """STS-B dev and k-NN by layer (means over tokens), and how alike layers are: debiased linear CKA."""
    from diptych.encoders.hidden import hidden
    from diptych.measure import similarity
    from diptych.measure.correlation import spearman

    one, other, score = pairs(data)
    states = hidden(encoder, encoder.prepare([*one, *other]))
    quality = [100 * spearman(_cosines(x[: len(one)], x[len(one) :]), score) for x in states]
    beside = [x[:BESIDE] for x in hidden(encoder, encoder.prepare(sentences(data)))]
    out = {"sts": _round(quality), "cka": round(similarity.mean_off_diagonal(similarity.table(beside)) or 0.0, 4)}
    if name in CORPORA:
        documents = corpus(data, name)
        out["knn"] = _round([neighbours(x, documents) for x in hidden(encoder, encoder.prepare(documents.texts))])
    return out


def change(after: Encoder, before: Encoder) -> list[float]:
    """How far the weights of each layer went."""
    from diptych.measure.weights import changes

    return _round(changes(after.layers, before.to(next(after.parameters()).device).layers), 5)


def _cosines(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x * y).sum(1) / np.maximum(np.linalg.norm(x, axis=1) * np.linalg.norm(y, axis=1), 1e-12)


def _round(values: Sequence[float], digits: int = 2) -> list[float]:
    return [round(float(x), digits) for x in values]
