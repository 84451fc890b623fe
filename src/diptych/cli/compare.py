"""`diptych compare`: runs side by side."""

import json as jsonlib
from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from cyclopts import App

from diptych import runs
from diptych.cli.progress import note
from diptych.core import DataError
from diptych.report import page
from diptych.report.card import Card, Comparison
from diptych.report.compared import compared, told, unlike
from diptych.report.comparison import comparison
from diptych.report.sidebyside import side_by_side
from diptych.report.verdict import listed
from diptych.report.written import card

app = App(name="compare", help="Put runs side by side: a table and a page.")


@app.default
def compare(
    run: Path,
    *more: Path,
    baseline: str | None = None,
    anyway: bool = False,
    out: Path = Path("compare.html"),
    json: bool = False,
) -> None:
    """Compare runs: mean and spread over seeds, paired differences and tests, curves and cost.

    Runs that differ in nothing but their seed are one group, named by what differs from the others.

    Parameters
    ----------
    run
        A run folder, or a folder of runs (seed-0, seed-1, ...).
    more
        More of them.
    baseline
        The group that the others are compared with, by its name or a part of it; the first, if not given.
    anyway
        Compare runs on different data.
    out
        Where the page goes: a file ending in .html. Its folder is made; a page that is there is replaced.
    json
        Print one JSON object on stdout, and nothing else there.
    """
    if out.is_dir():
        raise ValueError(f"--out is the page's own name, and {out} is a folder; perhaps --out {out / 'compare.html'}")
    if out.suffix != ".html":
        raise ValueError(f"--out is a page, so its name ends in .html; got {out}")
    cards, notes = _read(runs.find([run, *more]))
    if parts := unlike(cards):
        said = _of_data(parts)
        if not anyway:
            raise ValueError(f"{said}; a difference may be that of the data. --anyway compares them")
        notes.append(f"{said}.")
    found = compared(Comparison("Comparison", cards, baseline, notes))
    page.write(out, comparison(found))
    if json:
        print(jsonlib.dumps({**told(found), "report": str(out)}))
        return
    print(side_by_side(found))
    print(f"\nreport  {out}")


def _read(found: Sequence[runs.Run]) -> tuple[list[Card], list[str]]:
    """The cards of finished runs, each of them once, named by its folder, and what was left out."""
    found = [*{run.folder.resolve(): run for run in found}.values()]
    ended = [run for run in found if run.finished]
    others = [run for run in found if not run.finished]
    notes = [f"Left out, for it is not finished: {run.folder}." for run in others]
    for run in others:
        note(f"{run.folder} is not finished and left out; `diptych train --resume {quote(str(run.folder))}` goes on")
    if not ended:
        raise DataError(f"none of these runs is finished: {', '.join(str(run.folder) for run in found)}")
    return [card(run, str(run.folder)) for run in ended], notes


def _of_data(parts: Sequence[Sequence[Card]]) -> str:
    """Which runs are about which data."""
    each = [f"{(many[0].documents or many[0].fingerprint)[:12]} in {_few(many)}" for many in parts]
    return f"these runs are about different data, by their fingerprints: {listed(each)}"


def _few(cards: Sequence[Card]) -> str:
    more = f" and {len(cards) - 2} more" if len(cards) > 2 else ""
    return ", ".join(card.name for card in cards[:2]) + more
