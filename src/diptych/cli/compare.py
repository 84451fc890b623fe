"""`diptych compare`: runs side by side."""

import json as jsonlib
from dataclasses import asdict
from pathlib import Path

from cyclopts import App

from diptych import runs
from diptych.report import page
from diptych.report.card import Comparison
from diptych.report.metrics import present
from diptych.report.spread import difference, grouped, spread
from diptych.report.table import table
from diptych.report.written import card

app = App(name="compare", help="Put runs side by side: a table and a page.")


@app.default
def compare(
    run: Path, *more: Path, baseline: str | None = None, out: Path = Path("compare.html"), json: bool = False
) -> None:
    """Compare runs: mean and spread over seeds, and paired differences.

    Runs that differ in nothing but their seed are one group.

    Parameters
    ----------
    run
        A run folder, or a folder of runs (seed-0, seed-1, ...).
    more
        More of them.
    baseline
        The group that the others are compared with; the first, if not given.
    out
        Where the page goes: a file ending in .html. Its folder is made; a page that is there is replaced.
    json
        Print one JSON object on stdout, and nothing else there.
    """
    if out.is_dir():
        raise ValueError(f"--out is the page's own name, and {out} is a folder; perhaps --out {out / 'compare.html'}")
    if out.suffix != ".html":
        raise ValueError(f"--out is a page, so its name ends in .html; got {out}")
    cards = [card(found) for found in runs.find([run, *more])]
    page.write(out, page.comparison(Comparison("Comparison", cards, baseline)))
    groups = grouped(cards)
    names = present([each.scores for each in cards])
    means = {group: {name: spread(many, "model", name) for name in names} for group, many in groups.items()}
    if json:
        base = groups[baseline or next(iter(groups))]
        told = {
            group: {
                name: {
                    "model": asdict(found) if (found := means[group][name]) else None,
                    "difference": asdict(d) if (d := difference(many, base, name)) else None,
                }
                for name in names
            }
            for group, many in groups.items()
        }
        print(jsonlib.dumps({"groups": told, "report": str(out)}))
        return
    rows = {group: {name: found for name, found in row.items() if found} for group, row in means.items()}
    centre = {group: {name: found.mean for name, found in row.items()} for group, row in rows.items()}
    spreads = {group: {name: found.deviation for name, found in row.items()} for group, row in rows.items()}
    print(table(centre, spreads))
    print(f"\n± is the standard deviation over seeds\nreport  {out}")
