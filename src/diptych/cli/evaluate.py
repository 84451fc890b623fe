"""`diptych evaluate`: a model beside TF-IDF and its untrained self, or models on tasks that the field judges by."""

import json as jsonlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from diptych import runs
from diptych.cli import suites
from diptych.cli.corpora import Column, corpus_for, things
from diptych.cli.progress import note
from diptych.core import Encoder, Precision
from diptych.data.documents import Documents
from diptych.data.graphs.store import Graphs
from diptych.data.images.store import Pictures
from diptych.judging import graphs, pictures, texts
from diptych.report.table import table, turned

app = App(name="evaluate", help="Judge a model: on a corpus, beside TF-IDF and its untrained self; or on a suite.")

Metric = Literal["knn", "knn_cosine", "linear", "v_measure", "crop_retrieval", "alignment", "uniformity"]
Suite = Literal["sts", "pairs", "transfer", "probing", "clustering", "retrieval", "knn", "linear"]


@dataclass(frozen=True)
class Asked:
    """What is asked of a model on a corpus."""

    text_column: Column = None
    """Column that holds the text, or the picture (found, if not given)."""
    label_column: str | None = None
    """Column that holds the label (found, if not given)."""
    only: list[Metric] | None = None
    """Metrics to take; all, if not given."""
    ignore: int | None = None
    """Of pictures with masks: the number of pixels that have no class (255, if not given)."""
    grid: bool = False
    """Of pictures with classes: also DINOv2's grid of linear heads, of which the best on validation is asked."""
    protocol: list[Literal["graphcl", "pygcl"]] | None = None
    """Of graphs: graphcl, an RBF SVM in ten folds, or pygcl, a linear one on a random 80/10/10; if not given,
    both, or of more than 2,000 graphs pygcl alone."""
    scaled: bool = False
    """Of graphs: divide columns by their standard deviation before the SVM, which neither protocol does."""
    seed: int | None = None
    """Decides the crops that are retrieved, and folds of graphs; 0, if not given."""


@dataclass(frozen=True)
class Tasks:
    """Tasks of the field, in the place of a corpus."""

    suite: Suite | None = None
    """Tasks to judge on, in place of a corpus."""
    data: str | None = None
    """The folder with the suite's files; or a data set of the hub, owner/name (:part, @revision), or for sts
    "hub", all nine sets. The network is asked for what is named so, and for nothing else."""
    mteb: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None
    """Names of tasks of mteb, which fetches their data, in place of a corpus or a suite."""
    beside: list[str] | None = None
    """Another model, judged on the suite or the tasks too."""
    tokenised: bool = False
    """Of `sts`: the text as SentEval cuts it, from NAME.senteval_tok.jsonl where there is one."""
    history: Path | None = None
    """A .jsonl file to which what the models scored on the suite is added."""
    page: Path | None = None
    """An .html file for the history, or without one for this call: models side by side."""


ALL, NO_TASKS = Asked(), Tasks()
OPTIONS = {"documents": ("only",), "pictures": ("ignore", "grid"), "graphs": ("protocol", "scaled")}


@app.default
def evaluate(
    model: str,
    corpus: str | None = None,
    *,
    asked: Annotated[Asked, Parameter(name="*")] = ALL,
    tasks: Annotated[Tasks, Parameter(name="*")] = NO_TASKS,
    precision: Precision | None = None,
    json: bool = False,
) -> None:
    """Judge a model on a corpus, or with --suite or --mteb on tasks that the field judges by.

    On a corpus: with labels where there are any, and without. knn is the protocol of arXiv:2508.03453:
    k = 10, Euclidean, embeddings of whole documents not normalised, a random tenth held out (random state
    42). The model and TF-IDF may have seen all texts; nobody sees labels.

    On a suite: the guide says which files each one reads. Embeddings are kept in the cache, so that a
    text is embedded once for all suites.

    Parameters
    ----------
    model
        A run, its model/, any sentence-transformers folder, or a hub id.
    corpus
        What to judge on, in any form that `train` reads.
    precision
        Numbers to compute embeddings in; auto is bf16 where the hardware multiplies it. If not given,
        what suits the kind of model.
    json
        Print one JSON object on stdout, and nothing else there.
    """
    if tasks.mteb or tasks.suite:
        of_corpus = _told(asked, "text_column", "label_column", "only", "ignore", "grid", "seed", "protocol", "scaled")
        _on_tasks(model, {"corpus": corpus, **of_corpus}, tasks, precision, json)
        return
    _refuse(_told(tasks, "data", "beside", "tokenised", "history", "page"), "a corpus", "a --suite")
    if corpus is None:
        raise ValueError("there is nothing to judge on: name a corpus, or a --suite with the folder of its --data")
    _on_corpus(model, corpus, asked, precision, json)


def _on_tasks(model: str, of_corpus: dict[str, Any], tasks: Tasks, precision: Precision | None, json: bool) -> None:
    """Judges on tasks of mteb, or on a suite. Raises ValueError for arguments of a corpus."""
    models = [model, *(tasks.beside or [])]
    rest: dict[str, Any] = {"history": tasks.history, "page": tasks.page, "json": json}
    if tasks.mteb:
        other = {**of_corpus, **_told(tasks, "suite", "data", "tokenised")}
        _refuse(other, "tasks of mteb", "a corpus or a --suite")
        suites.evaluate_mteb(suites.Call("mteb", "", models, precision, **rest), tasks.mteb)
        return
    _refuse(of_corpus, f"the suite {tasks.suite}", "a corpus")
    if tasks.data is None:
        raise ValueError(f"--suite {tasks.suite} needs --data, the folder with its files, or a data set of the hub")
    suites.evaluate(suites.Call(str(tasks.suite), tasks.data, models, precision, tasks.tokenised, **rest))


def _told(options: Asked | Tasks, *names: str) -> dict[str, Any]:
    return {name: getattr(options, name) for name in names}


def _refuse(given: dict[str, Any], judged: str, other: str) -> None:
    """Raises ValueError for arguments that belong to the other way of judging."""
    wrong = [f"--{name.replace('_', '-')}" for name, x in given.items() if x is not None and x is not False]
    if wrong:
        raise ValueError(f"{', '.join(wrong)} belongs to judging on {other}, and this call judges on {judged}")


def _on_corpus(model: str, corpus: str, asked: Asked, precision: Precision | None, json: bool) -> None:
    seed = asked.seed or 0
    if not 0 <= seed < 2**32:
        raise ValueError(f"--seed is from 0 to 2**32 - 1; got {seed}")
    encoder = suites.loaded(model, precision)
    kind = things(encoder)
    for other, names in OPTIONS.items():
        if other != kind:
            _refuse(_told(asked, *names), kind, other)
    there = corpus_for(encoder, corpus, asked.text_column, asked.label_column)
    note(*there.notes)
    start = runs.started_from(Path(model))
    told = _judged(encoder, suites.loaded(str(start), precision) if start else None, there, asked, seed)
    note(*told["notes"])
    if json:
        print(jsonlib.dumps({"model": model, "corpus": corpus, **told}, allow_nan=False))
    else:
        print(table(told["scores"], told["errors"]) if kind == "documents" else turned(told["scores"]))


def _judged(
    encoder: Encoder, start: Encoder | None, corpus: Documents | Pictures | Graphs, asked: Asked, seed: int
) -> dict[str, Any]:
    if isinstance(corpus, Pictures):
        shown = corpus if asked.ignore is None else corpus.ignoring(asked.ignore)
        return pictures.examine(encoder, start, shown, seed=seed, grid=asked.grid)
    if isinstance(corpus, Graphs):
        return graphs.examine(encoder, start, corpus, protocols=asked.protocol, seed=seed, scaled=asked.scaled)
    return asdict(texts.examine(encoder, start, corpus, only=asked.only, seed=seed))
