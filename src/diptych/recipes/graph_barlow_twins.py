"""Features of two changes of a graph agree, each with itself and with no other (Barlow Twins, arXiv:2103.03230)."""

from typing import TYPE_CHECKING, Unpack

from diptych.core import Recipe, recipe
from diptych.recipes.graphs import Method, Settings, build

if TYPE_CHECKING:
    from diptych.data.graphs.store import Graphs


@recipe
def graph_barlow_twins(
    corpus: "str | Graphs",
    *,
    off_diagonal: float | None = None,
    projection: int = 128,
    **settings: Unpack[Settings],
) -> Recipe:
    """Two changes of a graph; the correlations of their features are to be those of the identity.

    A projector of three layers with batch normalisation, thrown away; network, changes and training as in `graphcl`.
    Source: Barlow Twins, arXiv:2103.03230.

    Parameters
    ----------
    corpus
        A TU folder, a .npz of arrays, .jsonl of edge lists or node-link graphs, or families:n=1000:kind=motifs.
    off_diagonal
        Weight of what is beside the diagonal (1 over the projection's width).
    projection
        Width of what is compared.
    """
    from diptych.core import Model, View
    from diptych.data.graphs.store import COLUMN
    from diptych.encoders.heads import projector
    from diptych.objectives.barlow_twins import BarlowTwins
    from diptych.objectives.headed import Headed

    seed, weight = settings.get("seed", 0), 1 / projection if off_diagonal is None else off_diagonal
    method = Method(
        views=lambda network, change: [View(column=COLUMN, transform=change)] * 2,
        objective=lambda network: Headed(BarlowTwins(weight), projector(network.dim, projection, projection, 3, seed)),
        model=lambda network: Model(network),
    )
    return build(corpus, method, settings)
