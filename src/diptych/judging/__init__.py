"""A trained run, judged and written up: a file for each kind of corpus."""

from collections.abc import Mapping

from diptych.core import Encoder, Recipe
from diptych.data.graphs.store import Graphs
from diptych.data.images.store import Pictures
from diptych.judging import graphs, pictures, texts
from diptych.runs import Run


def write_up(run: Run, recipe: Recipe, beside: Mapping[str, Encoder]) -> list[str]:
    """Writes scores, evidence, report and model card of a trained run; returns what a person should know.

    Several processes share the encoding of texts; all else the first does alone.
    """
    if isinstance(recipe.documents, Pictures):
        return pictures.write_up(run, recipe, recipe.documents, beside)
    if isinstance(recipe.documents, Graphs):
        return graphs.write_up(run, recipe.documents, beside)
    return texts.write_up(run, recipe.documents, beside, recipe.tasks)
