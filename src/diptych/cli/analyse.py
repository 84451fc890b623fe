"""`diptych analyse`: what models are like inside."""

import json as jsonlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from cyclopts import App

from diptych import runs
from diptych.analysis import items
from diptych.analysis.texts import Probe, probe
from diptych.analysis.texts import analyse as analyse_texts
from diptych.cli.corpora import Column, corpus_for, things
from diptych.cli.progress import note
from diptych.cli.suites import loaded
from diptych.core import Encoder
from diptych.data.documents import Documents
from diptych.data.graphs.store import COLUMN as COLUMN_OF_GRAPHS
from diptych.data.graphs.store import Graphs
from diptych.data.images.store import COLUMN as COLUMN_OF_PICTURES
from diptych.data.images.store import Pictures
from diptych.encoders.folder import locate
from diptych.evaluate import asked
from diptych.evaluate.suites import sts as sets
from diptych.measure.similarity import Kernel
from diptych.report import analysis, page
from diptych.report.board import short

app = App(name="analyse", help="Look inside models: spectrum, ranks, and what each layer is like.")


@app.default
def analyse(
    model: str,
    *more: str,
    corpus: str | None = None,
    text_column: Column = None,
    label_column: str | None = None,
    sts: Path | None = None,
    against: str | None = None,
    kernel: Kernel = "linear",
    texts: int = 1000,
    seed: int = 0,
    out: Path = Path("analysis.html"),
    json: bool = False,
) -> None:
    """Look inside models: the spectrum and ranks of their embeddings, and what each layer is like.

    Of every layer it says how good it is, how alike to the others (linear CKA, debiased), and how far from the
    same layer of another model. All of it is seen on the same documents of a corpus (pictures, graphs); layers are
    pooled by the mean.

    Parameters
    ----------
    model
        A run, its model/, any sentence-transformers folder, or a hub id.
    more
        More of them, side by side.
    corpus
        What to look at the models with, in any form that `train` reads; the corpus of the run, if not given.
    text_column
        Column that holds the text, or the picture (found, if not given).
    label_column
        Column that holds the label (found, if not given).
    sts
        A folder of tables as `evaluate --suite sts` reads them, to score every layer on.
    against
        Another model, from which the change of each layer is told; what a run started from, if not given.
    kernel
        Of CKA: linear, or rbf with the median of the squared distances as its bandwidth.
    texts
        Documents, pictures or graphs that are looked at, at most; drawn at random, labelled ones first.
    seed
        Decides which documents and crops.
    out
        Where the page goes: a file ending in .html. A page that is there is replaced.
    json
        Print one JSON object on stdout, and nothing else there.
    """
    if out.is_dir() or out.suffix != ".html":
        raise ValueError(f"--out is a page, a file whose name ends in .html; got {out}")
    if not 0 <= seed < 2**32:
        raise ValueError(f"--seed is from 0 to 2**32 - 1; got {seed}")
    models = list(dict.fromkeys([model, *more]))
    changes = _changes(models, against)
    every = list(dict.fromkeys([*models, *changes.values()]))
    for each in every:
        locate(each)
    names = dict(zip(every, short(every), strict=True))
    pairs = {names[one]: names[other] for one, other in changes.items()}
    paths = {names[each]: each for each in every}
    every_encoder = {name: loaded(each, "fp32") for name, each in paths.items()}
    _alike(every_encoder, paths)
    there = _corpus(models, every_encoder[names[model]], corpus, text_column, label_column)
    if isinstance(there, Documents):
        looked_at = _probe(there, texts, sts, kernel, seed)
        found = analyse_texts(every_encoder, looked_at, pairs, paths, note)
    elif sts:
        raise ValueError(f"--sts has pairs of sentences, and {model} is of {there.noun}s; leave it out")
    else:
        note(*there.notes)
        found = items.analyse(every_encoder, there, pairs, paths, texts, kernel, seed, note)
    note(*found.notes)
    page.write(out, analysis.page(found))
    if json:
        print(jsonlib.dumps({**asdict(found), "report": str(out)}, allow_nan=False))
    else:
        print(f"{analysis.text(found)}\n\nreport  {out}")


def _probe(documents: Documents, most: int, sts: Path | None, kernel: Kernel, seed: int) -> Probe:
    """What every model of texts is asked; says what is to be known of it."""
    tasks = [task for task in sets.tasks(sts) if isinstance(task, sets.Sts)] if sts else []
    note(*asked.notes(tasks))
    found = probe(documents, most, tasks, kernel, seed)
    note(*found.documents.notes)
    return found


def _alike(encoders: Mapping[str, Encoder], paths: Mapping[str, str]) -> None:
    """Raises ValueError for models of different things."""
    first, *others = encoders
    for other in others:
        one, another = (things(encoders[name]) for name in (first, other))
        if one != another:
            raise ValueError(
                f"{paths[first]} is for {one} and {paths[other]} for {another}; models are looked at with one corpus"
            )


def _changes(models: Sequence[str], against: str | None) -> dict[str, str]:
    """Models, and what each is compared with: the one given, or the start of the run that it is of."""
    starts = {each: against or runs.started_from(Path(each)) for each in models}
    return {each: str(other) for each, other in starts.items() if other and str(other) != each}


def _corpus(
    models: Sequence[str], encoder: Encoder, corpus: str | None, column: str | None, label: str | None
) -> Documents | Pictures | Graphs:
    """The corpus that is given, or that of the first run among the models."""
    if corpus is not None:
        return corpus_for(encoder, corpus, column, label)
    named = (Path(each).expanduser() for each in models)
    places = (folder for each in named for folder in (each, *each.absolute().parents[:2]))  # a snapshot lies two below
    run = next((folder for folder in places if (folder / "run.toml").is_file()), None)
    if run is None:
        raise ValueError("models are looked at with a corpus, and none of these is a run that names any: give --corpus")
    call = runs.Run(run).call
    told = call.get("arguments", {})
    known, seen = str(told.get("corpus") or "<"), {view.get("column") for view in call.get("views", [])}
    if known.startswith("<") or seen - {"text", COLUMN_OF_PICTURES, COLUMN_OF_GRAPHS}:
        raise ValueError(f"{run} did not learn from a corpus at a path, so it cannot be read: give --corpus")
    columns = column or told.get("text_column") or told.get("image_column"), label or told.get("label_column")
    found = corpus_for(encoder, known, *columns)
    if isinstance(found, Documents):
        note(*runs.changed([runs.Run(run)], found.fingerprint))
    return found
