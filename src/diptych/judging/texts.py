"""Models of texts, judged on documents and on tasks beside their start and TF-IDF."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from diptych.core import Encoder, Recipe
from diptych.data.documents import Documents
from diptych.data.pairs import crop_pairs
from diptych.embedding import write_npy
from diptych.evaluate import along
from diptych.evaluate.split import thinned
from diptych.evaluate.suite import Encode, Judgement, judge
from diptych.evaluate.tfidf import TfIdf
from diptych.plural import counted
from diptych.train import processes

MOST = 30_000  # documents that are judged
SHOWN = 3_000  # documents that the report shows
QUICK = ("knn", "knn_cosine", "crop_retrieval", "alignment", "uniformity")  # judged after training


def judged(recipe: Recipe, encoder: Encoder, start: Encoder, beside: Mapping[str, Encoder]) -> dict[str, Any]:
    """Scores of a run on documents, on tasks, or on both. Several processes share the encoding."""
    told: dict[str, Any] = {"scores": {}, "errors": {}, "notes": []}
    if recipe.documents is not None:
        told = dataclasses.asdict(examine(encoder, start, recipe.documents, beside, QUICK))
    if recipe.tasks:
        told = _with_tasks(told, along.table(recipe.tasks, _rows(encoder, start, beside)))
    return told


def examine(
    encoder: Encoder,
    start: Encoder | None,
    documents: Documents,
    beside: Mapping[str, Encoder] | None = None,
    only: Sequence[str] | None = None,
    seed: int = 0,
) -> Judgement:
    """Scores of an encoder, of what it started from, and of TF-IDF, on the same documents and crops.

    Of a corpus of more than MOST documents, a random part of that size is judged, labelled ones first.
    Several processes share the encoding.
    """
    note = []
    if len(documents) > MOST:
        first = ", labelled ones first" if documents.labels else ""
        note = [f"Judged on {MOST:,} of {counted(len(documents), 'document')}, drawn at random{first}."]
        documents = documents.select(thinned(len(documents), documents.labels, MOST, seed))
    rows, pairs = _rows(encoder, start, beside or {}), crop_pairs(documents.texts, seed=seed)
    judgement = judge(rows, documents, pairs, only, seed)
    judgement.notes[:0] = note
    return judgement


def _rows(encoder: Encoder, start: Encoder | None, beside: Mapping[str, Encoder]) -> dict[str, Encode | None]:
    """What is judged: ways to turn texts into numbers. Several processes share the encoding."""
    named, world = {"model": encoder, **beside, "untrained": start}, processes.world()
    rows: dict[str, Encode | None] = {
        name: partial(world.rows, each.encode) if each else None for name, each in named.items()
    }
    return {**rows, "tfidf": TfIdf()}


def _with_tasks(judged: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """Scores of documents and of tasks in one table."""
    scores = {row: {**(judged["scores"].get(row) or {}), **(told or {})} for row, told in asked["scores"].items()}
    return {**judged, "scores": scores, "results": asked["results"], "notes": [*judged["notes"], *asked["notes"]]}


def gather(folder: Path, recipe: Recipe, encoder: Encoder, start: Encoder) -> None:
    """Some documents, drawn at random, and where they lie before and after."""
    documents: Documents = recipe.documents
    chosen = np.random.default_rng(0).permutation(len(documents))[:SHOWN]
    documents = documents.select(np.sort(chosen).tolist())
    folder.mkdir()
    for name, each in (("after.npy", encoder), ("before.npy", start)):
        vectors = each.encode(documents.texts)
        write_npy(folder / name, vectors.shape, [vectors])
    labels = documents.labels or [None] * len(documents)
    lines = [{"text": text[:400], "label": label} for text, label in zip(documents.texts, labels, strict=True)]
    (folder / "documents.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
