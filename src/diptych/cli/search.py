"""`diptych search`: the documents nearest to a query."""

import json as jsonlib
import shutil
import textwrap

import numpy as np
from cyclopts import App

from diptych.cli.progress import note
from diptych.data.documents import read
from diptych.index import Index

app = App(name="search", help="Find the documents nearest to a query.")


@app.default
def search(
    model: str,
    corpus: str,
    query: str,
    *more: str,
    k: int = 5,
    text_column: str | None = None,
    json: bool = False,
) -> None:
    """Find the documents of a corpus that are nearest to a query, by cosine.

    The corpus is embedded once and kept; asking again takes a moment.

    Parameters
    ----------
    model
        A run, its model/, any sentence-transformers folder, or a hub id.
    corpus
        Documents, in any form that `train` reads; "docstrings" for those of the demo.
    query
        What to look for.
    more
        More queries.
    k
        Documents per query.
    text_column
        Column that holds the text (found, if not given).
    json
        Print one JSON object on stdout, and nothing else there.
    """
    if k < 1:
        raise ValueError(f"--k is the number of documents to show, 1 or more; got {k}")
    documents = read_corpus(corpus, text_column)
    index = Index.of(model, documents, say=note)
    answers = []
    for text in (query, *more):
        rows, cosines = index.nearest(text, k)
        found = [
            {"document": int(i), "cosine": round(float(c), 4), "text": documents.texts[i], "label": _label(documents, i)}
            for i, c in zip(rows, cosines, strict=True)
        ]
        answers.append({"query": text, "documents": found})
    if json:
        print(jsonlib.dumps({"model": model, "corpus": corpus, "answers": answers}))
        return
    for answer in answers:
        print(f"\n{answer['query']}\n")
        print(shown(answer["documents"]))
