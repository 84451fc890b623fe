"""`diptych embed`: a corpus to vectors."""

import json as jsonlib
from pathlib import Path

from cyclopts import App

from diptych import encoders
from diptych.cli.corpora import Column, corpus_for, things
from diptych.cli.progress import Counter, note
from diptych.data.documents import Documents
from diptych.data.graphs.store import Graphs
from diptych.embedding import apart, check
from diptych.embedding import embed as embed_corpus
from diptych.encoders.graph.network import GraphNetwork

app = App(name="embed", help="Turn a corpus into embeddings.")


@app.default
def embed(
    model: str,
    corpus: str,
    *,
    out: Path,
    shard: int = 1_000_000,
    text: bool = False,
    text_column: Column = None,
    json: bool = False,
) -> None:
    """Turn a corpus into embeddings, one row per document, in the corpus's order; in .parquet and .jsonl with the
    file or row that each picture or graph is from.

    A call that was interrupted goes on where it stopped when it is repeated.

    Parameters
    ----------
    model
        A run, its model/, any sentence-transformers folder, or a hub id.
    corpus
        Documents, in any form that `train` reads; for an encoder of pictures, pictures.
    out
        A file ending in .npy, .parquet or .jsonl.
    shard
        Documents per file; a larger corpus goes to OUT-00000-of-00003 and so on.
    text
        Put the texts beside the vectors (.parquet, .jsonl).
    text_column
        Column that holds the text, or the picture (found, if not given).
    json
        Print one JSON object on stdout, and nothing else there.
    """
    check(out, shard, text)
    apart(out, corpus)
    encoder = encoders.load(model)
    documents = corpus_for(encoder, corpus, text_column)
    if isinstance(documents, Graphs) and isinstance(encoder, GraphNetwork):
        documents = documents.told_by(encoder.features)
    if text and not isinstance(documents, Documents):
        raise ValueError(f"--text puts texts beside vectors, and this corpus holds {documents.noun}s; leave it out")
    note(*documents.notes)
    watch = Counter("embedding", noun=things(encoder))
    files = embed_corpus(model, encoder, documents, out, shard=shard, text=text, watch=watch)
    if json:
        print(jsonlib.dumps({"files": [str(f) for f in files], "documents": len(documents), "dim": encoder.dim}))
    else:
        print("\n".join(map(str, files)))
