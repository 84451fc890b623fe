"""`retrieval`: are the relevant documents of a query the nearest, by cosine?

A folder in the layout of BEIR, arXiv:2104.08663, or a folder of such folders:

    corpus.jsonl       {"_id": ..., "title": ..., "text": ...}; title and text are one document; no title is fine
    queries.jsonl      {"_id": ..., "text": ...}
    qrels/test.tsv     query-id, corpus-id, score, with these names in the first row

Scores are means over the queries with a relevant document (score above 0). Equal cosines, by the corpus's order. A
document that is the query itself, by id and text, is not counted. Judgements of a query or a document that is in no
file are left out, as if they had not been made, and counted.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from diptych.core import DataError
from diptych.data.columns import listed
from diptych.evaluate.columns import Columns, columns, strings
from diptych.evaluate.interval import bootstrap
from diptych.evaluate.task import Look, Result, Task
from diptych.measure.neighbours import neighbours
from diptych.measure.ranking import ndcg, recall, reciprocal_rank
from diptych.plural import counted

FILES = ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv")
DEEPEST = 100
Relevant = dict[int, float]  # how relevant a document is, by its place in the corpus

METRICS: dict[str, Callable[[Float[np.ndarray, " k"], Float[np.ndarray, " r"]], float]] = {
    "ndcg@10": lambda gains, ideal: ndcg(gains, ideal, 10),
    "recall@10": lambda gains, ideal: recall(gains, len(ideal), 10),
    "recall@100": lambda gains, ideal: recall(gains, len(ideal), 100),
    "mrr@10": lambda gains, ideal: reciprocal_rank(gains, 10),
}


def tasks(folder: Path) -> list[Task]:
    """The task of a folder, or of each folder in it that is one.

    Raises FileNotFoundError if there is no such folder, DataError if it holds none, or what cannot be used.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"there is no folder {folder}")
    there = [folder] if (folder / FILES[0]).exists() else sorted(x.parent for x in folder.glob(f"*/{FILES[0]}"))
    if not there:
        raise DataError(f"there is no {FILES[0]} in {folder}, nor in a folder in it; needed are {', '.join(FILES)}")
    return [Retrieval.read(place) for place in there]


@dataclass(frozen=True)
class Retrieval:
    """`relevant[i]` are the relevant documents of query i, `itself[i]` the place of the document that it is, or -1."""

    name: str
    queries: list[str]
    documents: list[str]
    relevant: list[Relevant]
    itself: Int[np.ndarray, " q"]
    unjudged: int  # queries of the qrels without a relevant document
    read_notes: Sequence[str] = ()  # what happened to rows of the files

    @classmethod
    def read(cls, folder: Path) -> "Retrieval":
        """Raises DataError for a file that is missing, an id that is there twice, or no relevant document."""
        for name in FILES:
            if not (folder / name).exists():
                raise DataError(f"{folder} has no {name}; a retrieval task has {', '.join(FILES)}")
        notes: list[str] = []
        corpus, bodies, titles = _texts(folder / FILES[0], notes)
        queries, asked, _ = _texts(folder / FILES[1], notes)
        relevant = _relevant(folder / FILES[2], queries, corpus, notes)
        chosen = [query for query, found in relevant.items() if found]
        own = [corpus.get(query, -1) for query in chosen]
        texts = [asked[queries[query]] for query in chosen]
        itself = np.array([i if i >= 0 and bodies[i] == text else -1 for i, text in zip(own, texts, strict=True)])
        documents = [f"{title} {text}".strip() for title, text in zip(titles, bodies, strict=True)]
        judged = [relevant[query] for query in chosen]
        return cls(folder.resolve().name, texts, documents, judged, itself, len(relevant) - len(chosen), notes)

    @property
    def texts(self) -> Sequence[str]:
        return [*self.queries, *self.documents]

    @property
    def notes(self) -> Sequence[str]:
        left = self.unjudged
        told = (
            [f"{self.name}: {counted(left, 'query has', 'queries have')} no relevant document, and no part in this"]
            if left
            else []
        )
        return [*(f"{self.name}/{note}" for note in self.read_notes), *told]

    def score(self, look: Look) -> list[Result]:
        k = min(DEEPEST + 1, len(self.documents))  # one more, for the query itself
        near, _ = neighbours(look(self.queries), look(self.documents), k, cosine=True)
        found = [places[places != own][:DEEPEST] for places, own in zip(near, self.itself, strict=True)]
        gains = [np.array([r.get(int(i), 0.0) for i in x]) for x, r in zip(found, self.relevant, strict=True)]
        ideals = [np.array([*r.values()]) for r in self.relevant]
        return [
            self._line(name, np.array([metric(x, ideal) for x, ideal in zip(gains, ideals, strict=True)]))
            for name, metric in METRICS.items()
        ]

    def _line(self, metric: str, values: Float[np.ndarray, " q"]) -> Result:
        low, high = bootstrap(100 * values)
        how = f"bootstrap over {counted(len(values), 'query')}, {counted(len(self.documents), 'document')}"
        return Result(self.name, metric, 100 * float(values.mean()), len(values), low, high, how, metric == "ndcg@10")


def _texts(path: Path, notes: list[str]) -> tuple[dict[str, int], list[str], list[str]]:
    """The place of each id, the texts, and the titles; adds to the notes. Raises DataError for an id twice."""
    table, told = columns(path, ["_id", "text"], ["title"])
    notes += told
    places: dict[str, int] = {}
    for row, given in enumerate(table["_id"]):
        if given is None:
            raise DataError(f"{path}, row {row + 1} has no '_id'")
        name = str(given)
        if places.setdefault(name, row) != row:
            raise DataError(f"{path}, row {row + 1}: the id {name!r} is that of row {places[name] + 1} too")
    titles = [title or "" for title in table.get("title", [""] * len(places))]
    return places, strings(path, "text", table["text"]), strings(path, "title", titles)


def _relevant(path: Path, queries: dict[str, int], corpus: dict[str, int], notes: list[str]) -> dict[str, Relevant]:
    """The relevant documents of each query, in the order of the file; adds to the notes.

    Judgements that name an id that is nowhere are left out and counted. Raises DataError if no
    document is relevant.
    """
    table, told = columns(path, ["query-id", "corpus-id", "score"])
    lost = list(_lost(path, table, {"query-id": (queries, FILES[1]), "corpus-id": (corpus, FILES[0])}))
    notes += [*told, *lost]
    relevant: dict[str, Relevant] = {}
    for row, (query, document, score) in enumerate(zip(*table.values(), strict=True), 2):
        if str(query) not in queries or str(document) not in corpus:
            continue
        try:
            gain = float(score)
        except (TypeError, ValueError):
            raise DataError(f"{path}, line {row}: a score is a number; got {score!r}") from None
        if not np.isfinite(gain):
            raise DataError(f"{path}, line {row}: a score is a number; got {score!r}")
        found = relevant.setdefault(str(query), {})
        if gain > 0:
            found[corpus[str(document)]] = gain
    if not any(relevant.values()):
        raise DataError(f"{path} names no relevant document: {'; '.join(lost) or 'no score is above 0'}")
    return relevant


def _lost(path: Path, table: Columns, known: dict[str, tuple[dict[str, int], str]]) -> Iterator[str]:
    """How many judgements name an id that is nowhere, and which ids, a sentence for each of the two files."""
    for name, (there, file) in known.items():
        unknown = Counter(x for x in map(str, table[name]) if x not in there)
        if unknown:
            n, ids = sum(unknown.values()), listed(list(unknown)[:5])
            which = ids if len(unknown) <= 5 else f"{ids} and {counted(len(unknown) - 5, 'other')}"
            left = f"{n:,} of {counted(len(table[name]), 'judgement')}"
            yield f"{path.name}: {left} have a {name} that is not in {file} and are left out: {which}"
