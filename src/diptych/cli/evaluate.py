"""`diptych evaluate`: a model beside TF-IDF and its untrained self, or models on tasks that the field judges by."""

import json as jsonlib
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from cyclopts import App, Parameter

from diptych import runs
from diptych.cli import graphs, suites
from diptych.cli.corpora import corpus_for
from diptych.cli.progress import note
from diptych.core import Encoder, Precision
from diptych.data.images.store import Pictures
from diptych.fitting import examine, examine_pictures
from diptych.report.table import table, turned

app = App(name="evaluate", help="Judge a model: on a corpus, beside TF-IDF and its untrained self; or on a suite.")

Metric = Literal["knn", "knn_cosine", "linear", "v_measure", "crop_retrieval", "alignment", "uniformity"]
Suite = Literal["sts", "pairs", "transfer", "probing", "clustering", "retrieval", "knn", "linear"]


@app.default
def evaluate(
    model: str,
    corpus: str | None = None,
    *,
    text_column: str | None = None,
    label_column: str | None = None,
    only: list[Metric] | None = None,
    ignore: int | None = None,
    protocol: list[Literal["graphcl", "pygcl"]] | None = None,
    scaled: bool = False,
    seed: int | None = None,
    suite: Suite | None = None,
    data: str | None = None,
    mteb: Annotated[list[str] | None, Parameter(consume_multiple=True)] = None,
    beside: list[str] | None = None,
    tokenised: bool = False,
    history: Path | None = None,
    page: Path | None = None,
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
    text_column
        Column that holds the text (found, if not given).
    label_column
        Column that holds the label (found, if not given).
    only
        Metrics to take; all, if not given.
    ignore
        Of pictures with masks: the number of pixels that have no class (255, if not given).
    protocol
        Of graphs: graphcl, an RBF SVM in ten folds, or pygcl, a linear one on a random 80/10/10; both, if not given.
    scaled
        Of graphs: divide columns by their standard deviation before the SVM, which neither protocol does.
    seed
        Decides the crops that are retrieved, and folds of graphs; 0, if not given.
    suite
        Tasks to judge on, in place of a corpus.
    data
        The folder with the suite's files; or a data set of the hub, owner/name (:part, @revision), or for sts
        "hub", all nine sets. The network is asked for what is named so, and for nothing else.
    mteb
        Names of tasks of mteb, which fetches their data, in place of a corpus or a suite.
    beside
        Another model, judged on the suite or the tasks too.
    tokenised
        Of `sts`: the text as SentEval cuts it, from NAME.senteval_tok.jsonl where there is one.
    history
        A .jsonl file to which what the models scored on the suite is added.
    page
        An .html file for the history, or without one for this call: models side by side.
    precision
        Numbers to compute embeddings in; auto is bf16 where the hardware multiplies it. If not given,
        what suits the kind of model.
    json
        Print one JSON object on stdout, and nothing else there.
    """
    of_corpus: dict[str, Any] = {"corpus": corpus, "text_column": text_column, "label_column": label_column}
    of_corpus |= {"only": only, "ignore": ignore, "seed": seed, "protocol": protocol, "scaled": scaled}
    of_suite = {"data": data, "beside": beside, "tokenised": tokenised, "history": history, "page": page}
    models = [model, *(beside or [])]
    if mteb:
        other = {**of_corpus, "suite": suite, "data": data, "tokenised": tokenised}
        _refuse(other, "tasks of mteb", "a corpus or a --suite")
        suites.evaluate_mteb(suites.Call("mteb", "", models, precision, history=history, page=page, json=json), mteb)
        return
    if suite:
        _refuse(of_corpus, f"the suite {suite}", "a corpus")
        if data is None:
            raise ValueError(f"--suite {suite} needs --data, the folder with its files, or a data set of the hub")
        suites.evaluate(suites.Call(suite, data, models, precision, tokenised, history, page, json))
        return
    _refuse(of_suite, "a corpus", "a --suite")
    if corpus is None:
        raise ValueError("there is nothing to judge on: name a corpus, or a --suite with the folder of its --data")
    if graphs.is_network(model):
        _refuse({"text_column": text_column, "label_column": label_column, "only": only}, "graphs", "documents")
        _refuse({"ignore": ignore}, "graphs", "pictures")
        graphs.evaluate(model, corpus, protocol, seed or 0, scaled, json)
        return
    _refuse({"protocol": protocol, "scaled": scaled}, "documents", "graphs")
    _on_corpus(model, corpus, text_column, label_column, only, ignore, seed or 0, precision, json)


def _refuse(given: dict[str, Any], judged: str, other: str) -> None:
    """Raises ValueError for arguments that belong to the other way of judging."""
    wrong = [f"--{name.replace('_', '-')}" for name, x in given.items() if x is not None and x is not False]
    if wrong:
        raise ValueError(f"{', '.join(wrong)} belongs to judging on {other}, and this call judges on {judged}")


def _on_corpus(
    model: str,
    corpus: str,
    text_column: str | None,
    label_column: str | None,
    only: list[Metric] | None,
    ignore: int | None,
    seed: int,
    precision: Precision | None,
    json: bool,
) -> None:
    if not 0 <= seed < 2**32:
        raise ValueError(f"--seed is from 0 to 2**32 - 1; got {seed}")
    encoder = suites.loaded(model, precision)
    documents = corpus_for(encoder, corpus, text_column, label_column)
    note(*documents.notes)
    if isinstance(documents, Pictures):
        if only:
            raise ValueError(f"--only {only[0]} is a metric of documents, and this corpus holds pictures; leave it out")
        pictures = documents if ignore is None else documents.ignoring(ignore)
        _on_pictures(model, corpus, encoder, pictures, seed, precision, json)
        return
    _refuse({"ignore": ignore}, "documents", "pictures")
    start = runs.started_from(Path(model))
    untrained = suites.loaded(str(start), precision) if start else None
    judgement = examine(encoder, untrained, documents, only=only, seed=seed)
    note(*judgement.notes)
    if json:
        print(jsonlib.dumps({"model": model, "corpus": corpus, **asdict(judgement)}, allow_nan=False))
    else:
        print(table(judgement.scores, judgement.errors))


def _on_pictures(
    model: str,
    corpus: str,
    encoder: Encoder,
    pictures: Pictures,
    seed: int,
    precision: Precision | None,
    json: bool,
) -> None:
    start = runs.started_from(Path(model))
    told = examine_pictures(encoder, suites.loaded(str(start), precision) if start else None, pictures, seed=seed)
    note(*told["notes"])
    print(jsonlib.dumps({"model": model, "corpus": corpus, **told}) if json else turned(told["scores"]))
