"""`diptych choose`: which checkpoint, without labels; and where there are labels, which proxy to believe."""

import json as jsonlib
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from shlex import quote
from typing import Any

from cyclopts import App

from diptych import choosing, encoders, runs
from diptych.choosing import HIGHER, JUDGED, LABELS, Checkpoint, Correlation
from diptych.cli.progress import note
from diptych.data.docstrings import corpus_of
from diptych.evaluate import asked, suites
from diptych.plural import counted
from diptych.report.digits import fixed, score
from diptych.report.snippet import legible
from diptych.runs import Run

app = App(name="choose", help="Rank snapshots of runs without labels.")

TITLES = {
    "crop_retrieval": "crops",
    "alignment": "alignment",
    "uniformity": "uniformity",
    "both": "align+unif",
    "effective_rank": "eff. rank",
    "rank_phase": "rank phase",
    "stability": "stability",
    "step": "step (no proxy)",
    "knn": "k-NN",
    "sts": "STS",
}


@app.default
def choose(
    run: Path,
    *more: Path,
    corpus: str | None = None,
    text_column: str | None = None,
    label_column: str | None = None,
    sts: Path | None = None,
    documents: int = 5000,
    seed: int = 0,
    json: bool = False,
) -> None:
    """Rank the snapshots and models of runs by what can be known without labels.

    Snapshots are those of `diptych train --snapshots N`. None of the proxies is known to be right. Where there are
    labels, in the corpus (k-NN) or as --sts, Spearman's correlations say how each did here.

    Parameters
    ----------
    run
        A run folder, or a folder of runs (seed-0, seed-1, ...).
    more
        More of them.
    corpus
        What to rank on, in any form that `train` reads; what the runs were trained on, if not given.
    text_column
        Column that holds the text (found, if not given).
    label_column
        Column that holds the label (found, if not given).
    sts
        A folder of STS sets: the mean of Spearman's correlations over those that are there.
    documents
        Documents that are embedded, drawn at random, labelled ones first.
    seed
        Decides which, and their crops.
    json
        Print one JSON object on stdout, and nothing else there.
    """
    if documents < 20:
        raise ValueError(f"--documents is 20 or more; got {documents}")
    there = runs.find([run, *more])
    found = {each: choosing.checkpoints(each) for each in _named_apart(there)}
    _check(found)
    _of_texts(found)
    calls = {each.name: each.call for each in there}
    chosen = corpus or choosing.same_corpus(calls)
    if chosen is None:
        raise ValueError("the runs name no corpus of documents; say what to rank on: --corpus")
    told = [] if corpus else [call["arguments"] for call in calls.values()]
    columns = told[0] if told else {}
    read = corpus_of(chosen, text_column or columns.get("text_column"), label_column or columns.get("label_column"))
    note(*([] if corpus else runs.changed(there, read.fingerprint)))
    tasks = suites.tasks("sts", sts) if sts else []
    note(*asked.notes(tasks))
    held_out = bool(told) and all(arguments.get("train_only") for arguments in told)
    asking = choosing.questions(read, held_out, documents, tasks, seed)
    for each, some in found.items():
        choosing.measure(each, some, asking, lambda done: note(f"measured {done.name}"))
    every = [each for some in found.values() for each in some]
    (_tell_json if json else _tell)(chosen, every, asking.notes)


def _named_apart(there: Sequence[Run]) -> Sequence[Run]:
    """Raises ValueError for a run that is named twice."""
    folders = [each.folder.resolve() for each in there]
    if twice := {str(folder) for folder in folders if folders.count(folder) > 1}:
        raise ValueError(f"{min(twice)} is named twice; name each run once")
    return there


def _check(found: dict[Run, list[Checkpoint]]) -> None:
    """Names checkpoints apart. Raises ValueError where there is nothing to choose among."""
    for run in [run for run, some in found.items() if not some]:
        folder = quote(str(run.folder))
        note(f"{run.folder} has no model yet and is left out; `diptych train --resume {folder}` goes on")
        del found[run]
    if not found:
        raise ValueError("none of these runs has a model yet, so there is nothing to choose among")
    without = [str(each.folder) for each in found if not each.snapshots.is_dir()]
    if sum(map(len, found.values())) < 2:
        raise ValueError(
            f"{', '.join(map(str, (each.folder for each in found)))} has no snapshots, so there is nothing to choose "
            "among: `diptych train ... --snapshots 10` saves some, or name more runs"
        )
    note(*(f"{folder} has no snapshots (--snapshots), so its model alone is ranked" for folder in without))
    names = [each.name for each in found]
    for each, some in found.items():
        for checkpoint in some if names.count(each.name) > 1 else ():
            checkpoint.run = str(each.folder)


def _of_texts(found: dict[Run, list[Checkpoint]]) -> None:
    """Raises ValueError for a run on pictures or graphs: the proxies are of crops of documents."""
    for run, some in found.items():
        kind = {"vision": "pictures", "graph": "graphs"}.get(encoders.kind(some[0].folder))
        if kind:
            raise ValueError(
                f"{run.folder} is of {kind}, and checkpoints are ranked by crops of documents; "
                f"`diptych analyse {some[0].folder} ...` sets some of them side by side"
            )


def _tell_json(corpus: str, found: Sequence[Checkpoint], notes: Sequence[str]) -> None:
    labels = [label for label in LABELS if label in found[0].scores]
    mean = choosing.places(found)
    told = {
        "corpus": corpus,
        "checkpoints": [
            {"run": each.run, "step": each.step, "folder": str(each.folder), "place": place, **each.scores}
            for each, place in zip(found, mean, strict=True)
        ],
        "suggestions": {proxy: str(each.folder) for proxy, each in choosing.suggestions(found).items()},
        "correlations": {
            label: {proxy: asdict(rho) for proxy, rho in choosing.correlations(found, label).items()}
            for label in labels
        },
        "notes": [*notes],
    }
    print(jsonlib.dumps(told, allow_nan=False))


def _tell(corpus: str, found: Sequence[Checkpoint], notes: Sequence[str]) -> None:
    labels = [label for label in LABELS if label in found[0].scores]
    many = len({each.run for each in found})
    print(legible(f"{counted(len(found), 'checkpoint')} of {counted(many, 'run')} on {corpus}"))
    print(*(legible(line) for line in notes), sep="\n")
    print(f"\n{_ranking(found, labels)}\n\n{_suggested(found, labels)}\n\n{_known(found, labels)}")


def _ranking(found: Sequence[Checkpoint], labels: Sequence[str]) -> str:
    """Checkpoints by their mean place over proxies; the best of each column is marked."""
    mean, best = choosing.places(found), choosing.suggestions(found)
    lines = [["", "step", "place", *(f"{TITLES[name]} " for name in [*HIGHER, *labels])]]
    top = {label: max(each.scores[label] for each in found) for label in labels}
    for place, each in sorted(zip(mean, found, strict=True), key=lambda x: x[0]):
        cells = [f"{_digits(name, each)}{'*' if best.get(name) is each else ' '}" for name in HIGHER]
        cells += [f"{_digits(name, each)}{'*' if each.scores[name] == top[name] else ' '}" for name in labels]
        lines.append([each.run, f"{each.step:,}", f"{place:.1f}", *cells])
    return f"{_aligned(lines)}\n\nplace: mean over the proxies, all counted alike; * the best of a column"


def _digits(name: str, each: Checkpoint) -> str:
    value = each.scores.get(name)
    return fixed(value, 1) if name in ("effective_rank", "sts") and value is not None else score(value)


def _suggested(found: Sequence[Checkpoint], labels: Sequence[str]) -> str:
    """What each proxy would choose, what that costs by labels, and how it orders checkpoints beside them."""
    best = choosing.suggestions(found)
    titles = [x for label in labels for x in (f"{TITLES[label]} lost", "ρ within runs", "ρ over all")]
    lines = [["proxy", "suggests", *titles]]
    rho = {label: choosing.correlations(found, label) for label in labels}
    for proxy in JUDGED:
        line = [TITLES[proxy], f"{best[proxy].run} {best[proxy].step:,}" if proxy in best else "– (constant)"]
        for label in labels:
            each = rho[label][proxy]
            loss = choosing.lost(found, best[proxy], label) if proxy in best else None
            line += [score(loss), _within(each), _overall(each)]
        lines.append(line)
    return _aligned(lines, left=2)


def _within(rho: Correlation) -> str:
    if rho.within is None:
        return "–"
    spread = f" ± {rho.spread:.2f}" if rho.spread is not None else ""
    return f"{_signed(rho.within)}{spread} ({rho.runs})"


def _overall(rho: Correlation) -> str:
    return "–" if rho.overall is None else f"{_signed(rho.overall)} ({rho.n})"


def _signed(x: float) -> str:
    return fixed(x, 2, signed=True)


def _known(found: Sequence[Checkpoint], labels: Sequence[str]) -> str:
    """What these numbers do and do not say."""
    if not labels:
        return (
            "There are no labels here, so no proxy was checked: none of these checkpoints is known to be better.\n"
            "A corpus with labels, or --sts FOLDER, would tell."
        )
    told = [
        "ρ: Spearman's correlation of the proxy (turned so that higher is better) with the labelled score; in brackets",
        "the runs, or checkpoints, that it is over, ± the standard deviation over runs; – where fewer than 3",
        "checkpoints, or a constant, order nothing. lost: what the suggested checkpoint has less than the best one.",
    ]
    if error := max(each.scores.get("knn_error", 0) for each in found):
        apart = max(each.scores["knn"] for each in found) - min(each.scores["knn"] for each in found)
        told.append(f"k-NN has a standard error of {error:.3f}, and its best and worst differ by {apart:.3f} here.")
    return "\n".join(told)


def _aligned(lines: Sequence[Sequence[Any]], left: int = 1) -> str:
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = [
        "  ".join(x.ljust(w) if i < left else x.rjust(w) for i, (x, w) in enumerate(zip(line, widths, strict=True)))
        for line in lines
    ]
    return legible("\n".join(row.rstrip() for row in rows))
