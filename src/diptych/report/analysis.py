"""Models from inside, as a page and as a table for a terminal."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from diptych.plural import counted
from diptych.report import digits
from diptych.report.anatomy import PARTS, Analysis, Anatomy, Layer, Numbers
from diptych.report.atlas import COLOURS
from diptych.report.metrics import metric
from diptych.report.page import render
from diptych.report.plots import Plot, Points, plot
from diptych.report.snippet import legible
from diptych.report.table import aligned
from diptych.report.verdict import listed

NAMES = {"sts": "STS", "effective_rank": "Effective rank", "mean_cosine": "Mean cosine", "isotropy": "Isotropy"}
LAYERED = ("knn", "crop_retrieval", "sts", "effective_rank", "mean_cosine", "uniformity")  # what is plotted
COLUMNS = ("knn", "crop_retrieval", "sts", "alignment", "uniformity", "mean_cosine", "isotropy", "effective_rank")
BEST = ("knn", "crop_retrieval", "sts")  # more is better, whatever else is said
FLOOR = 1e-4  # of the largest singular value: what is below is not drawn
MEANINGS = {
    "effective rank": "exp of the entropy of σ² / Σσ²: how many equally strong directions would have it",
    "energy rank": "the fewest directions that hold that part of the sum of σ², or of σ",
    "isotropy": "least partition function over greatest, arXiv:1702.01417: 1 where all directions are alike",
    "mean cosine": "of distinct documents: 0 where directions cancel out, 1 in a collapse",
    "CKA": "debiased: 0 on average for what is independent, and at times a little below",
    "layers alike": "the mean of CKA over pairs of different layers",
    "weights moved": "the length of the difference of a layer's weights, over their length in the other model",
}
PAIRS = {"document": "crops", "picture": "augmentations"}  # what alignment and uniformity are of

Row = tuple[str, Sequence[str], bool]  # its name, its cells, whether it is the model itself


@dataclass(frozen=True)
class Heat:
    """A table of CKA: rows are the layers of one model, columns those of one, which may be another."""

    title: str
    down: str
    across: str
    numbers: Numbers
    note: str = ""


def page(found: Analysis) -> str:
    """The analysis as an HTML page."""
    coloured = [(i % COLOURS + 1 if len(found.models) > 1 else 0, each) for i, each in enumerate(found.models)]
    return render(
        "analysis.html",
        title=listed([each.name for each in found.models]),
        kind="analysis",
        sentence=sentence(found),
        found=found,
        figures=_figures(found.models),
        key_models=coloured if len(found.models) > 1 else [],
        key_changes=[(colour, each) for colour, each in coloured if each.change] if len(found.models) > 2 else [],
        spectra=_spectra(coloured),
        ranks=_ranks(found.models),
        shapes=_shapes(found.models),
        layered=_layered(coloured),
        tables={each.name: _table(each) for each in found.models if each.layers},
        best={each.name: _best(each) for each in found.models if each.layers},
        changes=_changes(coloured),
        heats=(heats := _heats(found.models)),
        large=max((len(each.numbers[0]) for each in heats), default=0) > 8,
        judged=_judged(found),
        pairs=PAIRS.get(found.noun),
        parts_of=PARTS[found.noun],
    )


def text(found: Analysis) -> str:
    """Models side by side, then the layers of each, for a terminal."""
    models = found.models
    lines = [["", *(each.name for each in models)], ["Dimensions", *(digits.count(each.dim) for each in models)]]
    for name, cells in _ranks(models):
        lines += [[name, *(plain for plain, _ in cells)], [f"{name}, centred", *(centred for _, centred in cells)]]
    lines += [[name, *cells] for name, cells in _shapes(models)]
    parts = [sentence(found), "\n".join(aligned(lines))]
    for each in models:
        if each.layers:
            head, rows = _table(each)
            parts.append("\n".join(aligned([[each.name, *head], *([name, *cells] for name, cells, _ in rows)])))
    return legible("\n\n".join(parts))


def sentence(found: Analysis) -> str:
    """How many directions the embeddings fill, of how many they could."""
    told = [f"{_tenth(each.scores['effective_rank'])} of {counted(each.bound, 'direction')}" for each in found.models]
    if len(told) > 1:
        told = [f"{those} in {each.name}" for those, each in zip(told, found.models, strict=True)]
    return f"Embeddings of {counted(found.documents, found.noun)} fill {listed(told)} (effective rank)."


def name_of(score: str) -> str:
    return NAMES.get(score) or metric(score).name


def written(score: str, x: float | None, error: float | None = None) -> str:
    """Correlations x 100 and ranks with one decimal, all else with three."""
    if score in ("sts", "effective_rank"):
        return _tenth(x)
    return digits.with_error(x, error)


def _two(x: float | None) -> str:
    """Two digits that count."""
    return digits.NONE if not digits.known(x) else f"{x:.2f}" if x >= 0.1 else f"{x:.2g}"


def _tenth(x: float | None) -> str:
    return digits.fixed(x, 1) if digits.known(x) else digits.NONE


# ---------------------------------------------------------------- parts of the page


def _figures(models: Sequence[Anatomy]) -> list[tuple[str, str, str]]:
    """The key numbers of the first model, beside those of what it is compared with; none of models side by side."""
    first = models[0]
    other = next((each for each in models if first.change and each.name == first.change.against), None)
    if len(models) > 1 and not other:
        return []

    def beside(score: str) -> str:
        if other:
            return f"{written(score, other.scores.get(score))} in {other.name}"
        error = first.errors.get(score)
        return f"of {first.bound:,}" if score == "effective_rank" else f"± {digits.score(error)}" if error else ""

    told = ("effective_rank", "mean_cosine", "crop_retrieval", "knn", "sts")
    there = [score for score in told if digits.known(first.scores.get(score))]
    figures = [(name_of(score), written(score, first.scores[score]), beside(score)) for score in there]
    if first.off_diagonal is not None:
        more = f"{digits.score(other.off_diagonal)} in {other.name}" if other else "mean CKA"
        figures.append(("Layers alike", digits.score(first.off_diagonal), more))
    return figures


def _spectra(models: Sequence[tuple[int, Anatomy]]) -> list[Plot]:
    def logs(sigma: Sequence[float]) -> Points:
        parts = ((i, x / sigma[0]) for i, x in enumerate(sigma, 1) if sigma[0] > 0)
        return [(i, math.log10(part)) for i, part in parts if part >= FLOOR]

    def shares(sigma: Sequence[float]) -> Points:
        whole = math.fsum(x * x for x in sigma) or 1
        return [(0, 0), *((i, held / whole) for i, held in enumerate(accumulate(x * x for x in sigma), 1))]

    plots = [
        plot(
            title,
            [(each.name, colour, points(each.spectra[kind])) for colour, each in models],
            logs=points is logs,
        )
        for title, kind, points in (
            ("Singular values", "plain", logs),
            ("Singular values, centred", "centred", logs),
            ("Share of σ², centred", "centred", shares),
        )
    ]
    return [each for each in plots if each]


def _ranks(models: Sequence[Anatomy]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Every definition as a line; for each model, of embeddings as they are and centred."""

    def told(name: str, x: float) -> str:
        return _tenth(x) if name.startswith("effective") else digits.count(x)

    return [
        (
            ranks[0].name[:1].upper() + ranks[0].name[1:],
            [(told(each.name, each.plain), told(each.name, each.centred)) for each in ranks],
        )
        for ranks in zip(*(each.ranks for each in models), strict=True)
    ]


def _shapes(models: Sequence[Anatomy]) -> list[tuple[str, list[str]]]:
    """Scores of the embeddings, a line each; those that no model has are left out."""
    names = [score for score in reversed(COLUMNS) if score != "effective_rank"]
    there = [score for score in names if any(digits.known(each.scores.get(score)) for each in models)]
    lines = [(name_of(s), [written(s, each.scores.get(s), each.errors.get(s)) for each in models]) for s in there]
    alike = [digits.score(each.off_diagonal) for each in models]
    return lines + ([("Layers alike, mean CKA", alike)] if {*alike} != {digits.NONE} else [])


def _layered(models: Sequence[tuple[int, Anatomy]]) -> list[Plot]:
    """A plot for each score that layers have."""
    found = (
        plot(
            name_of(score),
            [
                (
                    each.name,
                    colour,
                    [(i, x) for i, layer in enumerate(each.layers) if digits.known(x := layer.scores.get(score))],
                )
                for colour, each in models
            ],
        )
        for score in LAYERED
    )
    return [each for each in found if each]


def _table(model: Anatomy) -> tuple[list[str], list[Row]]:
    """The layers of a model, a row each, and below them the model itself."""
    rows: list[Layer | Anatomy] = [*model.layers, model]
    there = [score for score in COLUMNS if any(digits.known(row.scores.get(score)) for row in rows)]
    moved, same = (model.change.weights, model.change.same) if model.change else (None, None)
    head = ["width", *map(name_of, there)]
    head += ["weights moved"] if moved else []
    head += [f"CKA with {model.change.against}"] if model.change and same else []
    lines: list[Row] = []
    for i, row in enumerate(rows):
        own = row is model
        cells = [str(model.dim if own else model.layers[i].width)]
        cells += [written(score, row.scores.get(score), row.errors.get(score)) for score in there]
        cells += [digits.NONE if own else _two(moved[i])] if moved else []
        cells += [digits.score(None if own else same[i])] if same else []
        lines.append(("the model" if own else f"layer {i}", cells, own))
    return head, lines


def _best(model: Anatomy) -> dict[str, set[int]]:
    """The best layers of a column, to the digits that are shown."""
    found = {}
    for score in BEST:
        values = {i: round(x, 3) for i, layer in enumerate(model.layers) if digits.known(x := layer.scores.get(score))}
        found[name_of(score)] = {i for i, x in values.items() if x == max(values.values())}
    return found


def _changes(models: Sequence[tuple[int, Anatomy]]) -> list[Plot]:
    changed = [(f"{each.name}, from {c.against}", colour, c) for colour, each in models if (c := each.change)]
    weights = [
        (name, colour, [(i, x) for i, x in enumerate(c.weights or ()) if x is not None]) for name, colour, c in changed
    ]
    same = [(name, colour, [*enumerate(c.same or ())]) for name, colour, c in changed]
    plots = plot("Weights moved, relative", weights), plot("CKA with the same layer", same)
    return [each for each in plots if each]


def _heats(models: Sequence[Anatomy]) -> list[Heat]:
    """Layers beside layers: of each model, and of each with the one that it is compared with."""
    within = [
        Heat(each.name, each.name, each.name, each.alike, f"mean off the diagonal {digits.score(each.off_diagonal)}")
        for each in models
        if each.alike
    ]
    between = [
        Heat(f"{each.name} beside {c.against}", each.name, c.against, c.across)
        for each in models
        if (c := each.change) and c.across and len(c.across) > 1
    ]
    return within + between


def _judged(found: Analysis) -> list[tuple[str, str]]:
    drawn = f", of {found.of:,}" if found.of > found.documents else ""
    counts = [
        ("corpus", found.corpus),
        (f"{found.noun}s", f"{found.documents:,}{drawn}"),
        ("with a label", digits.count(found.labelled)),
        *([(f"pairs of {PAIRS[found.noun]}", digits.count(found.pairs))] if found.noun in PAIRS else []),
        ("kernel of CKA", "Gaussian, bandwidth by the median" if found.kernel == "rbf" else found.kernel),
    ]
    return [*counts, *((name, told.replace("documents", f"{found.noun}s")) for name, told in MEANINGS.items())]
