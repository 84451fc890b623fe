"""Predict a teacher's projection of another change of a graph (BYOL, arXiv:2006.07733)."""

from typing import TYPE_CHECKING, Unpack

from diptych.core import Recipe, recipe
from diptych.recipes.graphs import Method, Settings, build

if TYPE_CHECKING:
    from diptych.data.graphs.store import Graphs


@recipe
def graph_byol(
    corpus: "str | Graphs",
    *,
    momentum: float = 0.99,
    projection: int = 128,
    **settings: Unpack[Settings],
) -> Recipe:
    """Two changes of a graph; from one the model predicts what its teacher makes of the other. There are no negatives.

    Projector and predictor have two layers with batch normalisation; the teacher's momentum rises to 1 by half a
    cosine. Network, changes and training as in `graphcl`. Source: BYOL, arXiv:2006.07733.

    Parameters
    ----------
    corpus
        A TU folder, a .npz of arrays, .jsonl of edge lists or node-link graphs, or families:n=1000:kind=motifs.
    momentum
        Momentum of the teacher at the first step.
    projection
        Width of what is compared.
    """
    from diptych.core import Model, Teacher, Twin, View
    from diptych.data.graphs.store import COLUMN
    from diptych.encoders.heads import projector
    from diptych.objectives.byol import BYOL

    seed = settings.get("seed", 0)
    method = Method(
        views=lambda network, change: [View(column=COLUMN, transform=change, by="both")] * 2,
        objective=lambda network: BYOL(
            Twin(projector(network.dim, 2 * projection, projection, 2, seed)),
            projector(projection, 2 * projection, projection, 2, seed + 1),
        ),
        model=lambda network: Model(network),
        teacher=Teacher(momentum, schedule="cosine"),
    )
    return build(corpus, method, settings)
