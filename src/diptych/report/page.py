"""Numbers to one self-contained page: nothing is loaded from elsewhere, and every string is escaped.

The same input gives the same bytes.
"""

import base64
import functools
import hashlib
import json
import re
import shlex
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from markupsafe import Markup, escape

from diptych.plural import counted
from diptych.report import board, digits
from diptych.report import gallery as pictures
from diptych.report.atlas import SIZE, Atlas, atlas, sample
from diptych.report.card import Card, Cost, Evidence, Gallery
from diptych.report.examples import examples
from diptych.report.history import Entry
from diptych.report.inside import inside
from diptych.report.metrics import metric, places, present, row_name, value
from diptych.report.plots import Bar, Plot, bars, curves, plot
from diptych.report.snippet import snippet
from diptych.report.steps import alike, steps
from diptych.report.table import best_rows
from diptych.report.verdict import headline_metric, sentence, verdicts
from diptych.runs import whole

if TYPE_CHECKING:
    import jinja2

TEMPLATES = Path(__file__).parent / "templates"
CURVES = {"loss": "Loss", "alignment": "Alignment", "uniformity": "Uniformity"}


def write(path: Path, text: str) -> None:
    """Writes a page, whole or not at all; what UTF-8 cannot hold becomes a question mark."""
    with whole(path) as part:
        part.write_bytes(text.encode("utf-8", "replace"))


def page(card: Card, evidence: Evidence | None = None, seed: int = 0, gallery: Gallery | None = None) -> str:
    """A run as an HTML page, with evidence of documents, or a gallery of pictures. What is not known is left out.

    With evidence of 3,000 documents (more are sampled), the maps take some seconds each.
    """
    names = present([card.scores])
    headline = headline_metric(card)
    shown = sample(evidence, seed=seed) if evidence else None
    found = atlas(shown, seed) if shown else None
    things = card.things
    return render(
        "run.html",
        title=card.name,
        kind=f"{card.method} run" if card.method else "run",
        card=card,
        sentence=sentence(card),
        views=alike(card.views),
        figures=_figures(card, headline, things),
        metrics=names,
        headline=headline,
        verdicts=verdicts(card, headline) if headline else [],
        paired=bool(headline and card.paired.get(headline)),
        bars={name: _bars(card, name) for name in names},
        best={name: best_rows(card.scores, name, card.errors) for name in names},
        unranked=any(metric(name).higher is None for name in names),
        digits={name: places(name, card.errors) for name in names},
        plots=_plots([("", 0, card)]),
        inside=inside(card),
        steps=max((line.get("step", 0) for line in card.history), default=0),
        examples=examples(shown, seed=seed) if shown else [],
        labelled=bool(shown and shown.labels),
        things=things,
        costs=_costs(card, things),
        judged=_judged(card, things),
        provenance=_provenance(card),
        atlas=found,
        gallery=pictures.words(gallery, seed) if gallery else None,
        **(_drawn(found, shown) if found and shown else {}),
    )


def suites(entries: Sequence[Entry]) -> str:
    """A history of suites as an HTML page: a table for each suite and data. Raises ValueError if it is empty."""
    if not entries:
        raise ValueError("a page of suites needs at least one entry of a history")
    found = board.boards(entries)
    models = len({entry.fingerprint for entry in entries})
    return render(
        "suites.html",
        title=", ".join(dict.fromkeys(each.suite for each in found)),
        kind="suites",
        sentence=f"{counted(models, 'model')}, judged on files that others use too.",
        boards=found,
    )


# ---------------------------------------------------------------- parts of a run's page


def _figures(card: Card, headline: str | None, things: str) -> list[tuple[str, str, str]]:
    """The key numbers: name, number, and what follows it in small."""
    cost, found = card.cost, []
    if headline:
        error, many = value(card.errors, "model", headline), places(headline, card.errors)
        told = f"± {digits.score(error, places=many)}" if error is not None else ""
        found.append((metric(headline).name, digits.score(value(card.scores, "model", headline), places=many), told))
    documents = cost.documents or card.judged.get("documents")
    found += [(things.capitalize(), digits.count(documents), "")] if documents else []
    found += [("Training", digits.duration(cost.seconds), "")] if digits.known(cost.seconds) else []
    found += (
        [("Parameters", digits.count(cost.parameters), digits.part(cost.trained, cost.parameters))]
        if cost.parameters
        else []
    )
    return found


def _bars(card: Card, name: str) -> list[Bar]:
    rows = ((row, value(card.scores, row, name), value(card.errors, row, name)) for row in card.scores)
    return bars([(row, x, error) for row, x, error in rows if x is not None])


def _plots(runs: Sequence[tuple[str, int, Card]]) -> list[Plot]:
    """A plot for each field of CURVES that the runs have; a run is (name, colour, card)."""
    found = (
        plot(title, [(name, colour, curves(card.history, field)) for name, colour, card in runs])
        for field, title in CURVES.items()
    )
    return [each for each in found if each]


def _costs(card: Card, things: str) -> list[tuple[str, str]]:
    cost, last = card.cost, (card.history[-1] if card.history else {})
    if cost == Cost() and not last:
        return []
    seen = cost.tokens or cost.samples
    speed = None if cost.samples else last.get("tokens_per_second")
    if seen and digits.known(cost.seconds) and cost.seconds > 0:
        speed = seen / cost.seconds
    padding, unit = (None, things) if cost.samples else (last.get("padding"), "tokens")
    found = {
        "training": digits.duration(cost.seconds),
        things: digits.count(cost.documents),
        f"{unit} seen": digits.count(seen),
        f"{unit} per second": digits.count(speed),
        "padding": f"{padding:.2f} tokens computed per real one" if digits.known(padding) else digits.NONE,
        "parameters": " ".join(
            filter(None, [digits.count(cost.parameters), digits.part(cost.trained, cost.parameters)])
        ),
        "machine": cost.machine or digits.NONE,
    }
    return [(name, told) for name, told in found.items() if told != digits.NONE]


def _judged(card: Card, things: str) -> list[tuple[str, str]]:
    names = {
        "documents": things,
        "labelled": "with a label",
        "classes": "classes",
        "test": "held out for the test",
        "pairs": "pairs of crops",
    }
    counts = [(names.get(name, name), digits.count(n)) for name, n in card.judged.items()]
    means = [(metric(m).name, metric(m).meaning) for m in present([card.scores]) if metric(m).meaning]
    return counts + means


def _provenance(card: Card) -> list[tuple[str, str]]:
    call = [(name.replace("_", "-"), digits.plain(x)) for name, x in card.arguments.items() if x is not None]
    rest = {
        "recipe": card.recipe,
        "seed": "" if "seed" in card.arguments else str(card.seed),
        "data": card.fingerprint,
        "commit": card.commit,
        "versions": " · ".join(f"{name} {told}" for name, told in card.versions.items()),
    }
    known = [(name, told) for name, told in rest.items() if told]
    return [*known[:1], *call, *known[1:]]


def _drawn(found: Atlas, evidence: Evidence) -> dict[str, Any]:
    """A map in the words of its template: dots, their radius, names in place, and what they say."""
    panels = {
        title: [(f"{x:.0f}", f"{y:.0f}", c) for (x, y), c in zip(xy, found.colours.tolist(), strict=True)]
        for title, xy in found.panels.items()
    }
    labels = [snippet(label or "", 60) for label in evidence.labels or [""] * len(evidence.texts)]
    return {
        "panels": panels,
        "radius": round(min(13.0, max(5.0, 260 / len(evidence.texts) ** 0.5)), 1),
        "names": _names(found),
        "documents": {"texts": [snippet(text) for text in evidence.texts], "labels": labels},
    }


def _names(found: Atlas, letter: float = 12.5, height: float = 30) -> list[tuple[str, str, str]]:
    """Names of colours at the densest place of each, the larger first; one that would cover another is left out."""
    import numpy as np

    taken: list[tuple[float, float, float]] = []
    told = []
    for group in (g for g in found.groups if g.colour):
        name, xy = snippet(group.name, 30), found.panels["After"][found.colours == group.colour]
        close = ((xy[:, None] - xy[None]) ** 2).sum(-1) < (SIZE / 12) ** 2
        x, y = xy[np.flatnonzero(close.sum(1) == close.sum(1).max())[0]].tolist()
        half = len(name) * letter / 2
        x = min(max(x, half - 40), SIZE + 40 - half)
        if all(abs(x - u) > half + v or abs(y - w) > height for u, w, v in taken):
            taken.append((x, y, half))
            told.append((f"{x:.0f}", f"{y + 8:.0f}", name))
    return told


# ---------------------------------------------------------------- from words to a page


def render(template: str, **words: Any) -> str:
    """A template of this room, filled in; every string is escaped."""
    script = (TEMPLATES / "map.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return _environment().get_template(template).render(script=Markup(script), script_hash=f"sha256-{digest}", **words)


@functools.cache
def _environment() -> "jinja2.Environment":
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    filters: dict[str, Callable[..., Any]] = {
        "score": digits.score,
        "signed": functools.partial(digits.score, signed=True),
        "p_value": digits.p_value,
        "fixed": digits.fixed,
        "count": digits.count,
        "counted": counted,
        "row": row_name,
        "metric": lambda name: metric(name).name,
        "meaning": lambda name: metric(name).meaning,
        "lower_is_better": lambda name: metric(name).higher is False,
        "cell": value,
        "shell": lambda x: shlex.quote(str(x)),
        "quoted": lambda x: json.dumps(str(x), ensure_ascii=False),
        "cited": _cited,
        "steps": steps,
        "scored": board.value,
        "interval": board.interval,
    }
    environment.filters |= filters
    return environment


def _cited(paper: str) -> Markup:
    """A paper with its arXiv numbers as links."""
    link = Markup(r'<a href="https://arxiv.org/abs/\1">arXiv:\1</a>')
    return Markup(re.sub(r"arXiv:(\d{4}\.\d{4,5})", link, str(escape(paper))))
