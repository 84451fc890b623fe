"""A trained run, judged and written up: a file for each kind of corpus says how it is judged and what is shown."""

from collections.abc import Mapping
from typing import Any

from diptych import encoders, runs
from diptych.core import Encoder, Recipe
from diptych.data.graphs.store import Graphs
from diptych.data.images.store import Pictures
from diptych.judging import graphs, pictures, texts
from diptych.judging.pages import pages
from diptych.runs import Run, whole
from diptych.train import processes

KINDS: dict[type, Any] = {Pictures: pictures, Graphs: graphs}  # of a corpus; all else is texts


def write_up(run: Run, recipe: Recipe, beside: Mapping[str, Encoder]) -> list[str]:
    """Writes scores, evidence, report and model card of a trained run; returns what a person should know.

    It is judged on its corpus, on tasks, or on both; without either the report shows how it learned. Several processes
    share the encoding of texts; all else the first does alone.
    """
    kind = next((kind for corpus, kind in KINDS.items() if isinstance(recipe.documents, corpus)), texts)
    first = processes.world().first
    if not first and kind is not texts:
        return []
    encoder, start = encoders.load(run.model), encoders.load(run.start)
    told = kind.judged(recipe, encoder, start, beside)
    notes: list[str] = told["notes"]
    if not first:
        return notes
    runs.write_json(run.folder / "scores.json", told)
    if recipe.documents is not None:
        with whole(run.evidence) as part:
            kind.gather(part, recipe, encoder, start)
    pages(run)
    return notes
