"""`diptych evaluate`: a model beside TF-IDF and its untrained self."""

import json as jsonlib
from dataclasses import asdict
from pathlib import Path
from typing import Literal

from cyclopts import App

from diptych import encoders, runs
from diptych.cli.progress import note
from diptych.data.docstrings import corpus_of
from diptych.fitting import examine
from diptych.report.table import table

app = App(name="evaluate", help="Judge a model on a corpus, beside TF-IDF and its untrained self.")

Metric = Literal["knn", "knn_cosine", "linear", "v_measure", "crop_retrieval", "alignment", "uniformity"]


@app.default
def evaluate(
    model: str,
    corpus: str,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    only: list[Metric] | None = None,
    seed: int = 0,
    json: bool = False,
) -> None:
    """Judge a model on a corpus: with labels where there are any, and without.

    knn is the protocol of arXiv:2508.03453: k = 10, Euclidean, embeddings of whole documents not
    normalised, a random tenth held out (random state 42). The model and TF-IDF may have seen all
    texts; nobody sees labels.

    Parameters
    ----------
    model
        A run, its model/, any sentence-transformers folder, or a hub id.
    corpus
        What to judge on, in any form that `train` reads.
    text_column
        Column that holds the text (found, if not given).
    label_column
        Column that holds the label (found, if not given).
    only
        Metrics to take; all, if not given.
    seed
        Decides the crops that are retrieved.
    json
        Print one JSON object on stdout, and nothing else there.
    """
    if not 0 <= seed < 2**32:
        raise ValueError(f"--seed is from 0 to 2**32 - 1; got {seed}")
    encoder = encoders.load(model)
    documents = corpus_of(corpus, text_column, label_column)
    note(*documents.notes)
    start = runs.started_from(Path(model))
    judgement = examine(encoder, encoders.load(start) if start else None, documents, only=only, seed=seed)
    note(*judgement.notes)
    if json:
        print(jsonlib.dumps({"model": model, "corpus": corpus, **asdict(judgement)}, allow_nan=False))
    else:
        print(table(judgement.scores, judgement.errors))
