"""What data are called where something is said of them: texts, pictures, graphs."""

from dataclasses import dataclass

from diptych.core import Graph, Picture, Recipe, Text


@dataclass(frozen=True)
class Called:
    """A sample and a member of the corpus in a word each, and how views that are alike are made to differ."""

    sample: str
    member: str
    apart: str


TEXT = Called("text", "document", "crop the text (`diptych train crop`), perturb a layer, or give the encoder dropout")
PICTURE = Called("picture", "picture", "augment pictures more (--augmentation original), or perturb a layer")
GRAPH = Called("graph", "graph", "change more of a graph (--augmentation, --ratio), or perturb a layer")
OTHER = Called("sample", "sample", "let the views be made of other parts, or perturb a layer")


def called(recipe: Recipe) -> Called:
    """The words for what a recipe learns from."""
    given = recipe.data[0].get(recipe.views[0].column)
    kinds = {Text: TEXT, Picture: PICTURE, Graph: GRAPH}
    return next((words for kind, words in kinds.items() if isinstance(given, kind)), OTHER)
