"""`diptych cite`: what a run used, as BibTeX."""

import json as jsonlib
from dataclasses import asdict
from pathlib import Path

from cyclopts import App

from diptych import citations, runs
from diptych.report.snippet import legible

app = App(name="cite", help="Print BibTeX of what a run used.")


@app.default
def cite(run: Path, *more: Path, json: bool = False) -> None:
    """Print BibTeX of what runs used: recipe, objective, views, encoder, optimiser, memory and measures.

    Only papers whose method was in use are printed, each under a comment that says what for. A source without an
    entry is a comment of its own.

    Parameters
    ----------
    run
        A run folder, or a folder of runs (seed-0, seed-1, ...).
    more
        More of them.
    json
        Print one JSON object on stdout, and nothing else there.
    """
    found = runs.find([run, *more])
    uses = [use for each in found for use in citations.of_run(each.call, each.metrics, each.scores)]
    if not json:
        print(legible(citations.bibtex(uses)))
        return
    known, unknown = citations.cited(uses)
    papers = [{**asdict(citations.papers()[name]), "used_for": what} for name, what in known.items()]
    told = {"runs": [str(each.folder) for each in found], "papers": papers, "unknown": [*map(asdict, unknown)]}
    print(jsonlib.dumps(told))
