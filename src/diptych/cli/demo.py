"""`diptych demo`: the whole thing on what every machine has."""

import json as jsonlib
import shlex
import time
from collections.abc import Mapping
from pathlib import Path

from cyclopts import App

from diptych import encoders, recipes
from diptych.cli.progress import Counter, Live, note
from diptych.cli.search import found, shown
from diptych.data.docstrings import NAME, docstrings
from diptych.fitting import fit
from diptych.index import Index
from diptych.plural import counted
from diptych.recipes.settings import Settings
from diptych.report.metrics import row_name
from diptych.report.table import table

app = App(name="demo", help="From the docstrings on this machine to an embedding model, in minutes.")

QUERIES = ("read a file line by line", "shuffle the rows of an array", "wait for a process to finish")


@app.default
def demo(*, out: Path = Path("runs/demo"), seed: int = 0, json: bool = False) -> None:
    """Build a corpus from the docstrings of the installed packages, and learn to embed it.

    Trains a static encoder by crops, another by dropout, and judges both beside the untrained one and
    TF-IDF by k-NN on the module that a docstring comes from. Labels are used to judge, never to learn.

    Parameters
    ----------
    out
        Where the run goes; an earlier demo there is replaced.
    seed
        Decides the weights and the crops.
    json
        Print one JSON object on stdout, and nothing else there.
    """
    started = time.perf_counter()
    documents = docstrings()
    note(*documents.notes)
    settings: Settings = {"seed": seed}
    rival = fit(
        recipes.dropout(NAME, rule="halves", **settings),
        out / "dropout",
        force=True,
        judged=False,
        watch=Live("dropout"),
    )
    run = fit(
        recipes.crop(NAME, rule="halves", **settings),
        out / "crop",
        force=True,
        beside={"dropout": encoders.load(rival.model)},
        watch=Live("crops"),
        say=note,
    )
    told = run.scores or {}
    scores = {"crop" if row == "model" else row: values for row, values in told["scores"].items()}
    errors = {"crop" if row == "model" else row: values for row, values in told["errors"].items()}
    index = Index.of(run.model, documents, Counter("embedding"))
    seconds = round(time.perf_counter() - started, 1)
    if json:
        counts = {"documents": told["documents"], "classes": told["classes"], "seconds": seconds}
        print(jsonlib.dumps({"scores": scores, "errors": errors, **counts, "report": str(run.report)}))
        return
    print(
        f"\n{counted(told['documents'], 'docstring')} of {counted(told['classes'], 'module')}, "
        f"{counted(seconds, 'second', digits='.0f')}\n"
    )
    print(table(scores, errors))
    print(f"\n{_verdict(scores)}")
    for query in QUERIES:
        print(f"\n{query}\n\n{shown(found(index, documents, query, 3))}")
    print(f"\nreport  {run.report}\nsearch  {shlex.join(['diptych', 'search', str(run.folder), NAME, QUERIES[0]])}")


def _verdict(scores: Mapping[str, Mapping[str, float]]) -> str:
    """Who won by k-NN, said plainly."""
    knn = {row_name(row): values["knn"] for row, values in scores.items() if row != "crop"}
    best = max(knn, key=lambda row: knn[row])
    own = scores["crop"]["knn"]
    if own > knn[best]:
        return f"On this machine's docstrings crops ({own:.3f}) beat all beside them; next {best} ({knn[best]:.3f})."
    return f"On this machine's docstrings {best} ({knn[best]:.3f}) beats crops ({own:.3f})."
