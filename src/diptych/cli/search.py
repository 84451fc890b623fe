"""`diptych search`: the documents nearest to a query."""

import json as jsonlib
import shutil
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from cyclopts import App

from diptych import encoders
from diptych.cli.corpora import Column, corpus_for, things
from diptych.cli.progress import Counter
from diptych.data.corpus import SURROGATES
from diptych.data.documents import Documents
from diptych.data.graphs.store import Graphs
from diptych.data.images.store import Pictures
from diptych.encoders.graph.network import GraphNetwork
from diptych.index import Index
from diptych.report.snippet import legible

app = App(name="search", help="Find the documents nearest to a query.")


@app.default
def search(
    model: str,
    corpus: str,
    query: str,
    *more: str,
    k: int = 5,
    text_column: Column = None,
    json: bool = False,
) -> None:
    """Find the documents of a corpus that are nearest to a query, by cosine.

    The corpus is embedded once and kept; asking again takes a moment.

    Parameters
    ----------
    model
        A run, its model/, any sentence-transformers folder, or a hub id.
    corpus
        Documents, in any form that `train` reads; "docstrings" for those of the demo. For an encoder of pictures,
        pictures.
    query
        What to look for: a text, or the path of a picture.
    more
        More queries.
    k
        Documents per query.
    text_column
        Column that holds the text, or the picture (found, if not given).
    json
        Print one JSON object on stdout, and nothing else there.
    """
    if k < 1:
        raise ValueError(f"--k is the number of documents to show, 1 or more; got {k}")
    encoder = encoders.load(model)
    if isinstance(encoder, GraphNetwork):
        raise ValueError("a query is a text or a picture, and the model is a network for graphs")
    documents = corpus_for(encoder, corpus, text_column)
    assert not isinstance(documents, Graphs)
    index = Index.of(model, documents, Counter("embedding", noun=things(encoder)), encoder)
    queries = [SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text) for text in (query, *more)]
    answers = {text: found(index, documents, text, k) for text in queries}
    if json:
        told = [{"query": text, "documents": many} for text, many in answers.items()]
        print(jsonlib.dumps({"model": model, "corpus": corpus, "answers": told}))
        return
    for text, many in answers.items():
        print(f"\n{legible(text)}\n\n{shown(many)}")


def found(index: Index, documents: Documents | Pictures, query: str, k: int) -> list[dict[str, Any]]:
    """The k nearest documents: their numbers, cosines, labels, and texts, or where pictures are from."""
    rows, cosines = index.nearest(query, k)
    told, texts = ("text", documents.texts) if isinstance(documents, Documents) else ("picture", documents.origins)
    return [
        {
            "document": i,
            "cosine": round(float(cosine), 4),
            "label": documents.labels[i] if documents.labels else None,
            told: texts[i],
        }
        for i, cosine in zip(rows.tolist(), cosines, strict=True)
    ]


def shown(answers: Sequence[Mapping[str, Any]]) -> str:
    """A line per document, as wide as the terminal."""
    width = shutil.get_terminal_size((100, 20)).columns
    lines = []
    for answer in answers:
        head = legible(f"  {answer['cosine']:z.2f}  " + (f"{answer['label']}  " if answer["label"] else ""))
        text = legible(" ".join(str(answer.get("text", answer.get("picture"))).split()))
        lines.append(head + textwrap.shorten(text, max(30, width - len(head)), placeholder=" ..."))
    return "\n".join(lines)
