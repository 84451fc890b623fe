"""A graph and a change of it are a positive pair (GraphCL, arXiv:2010.13902)."""

from typing import TYPE_CHECKING, Literal, Unpack

from diptych.core import Recipe, recipe
from diptych.recipes.graphs import Method, Settings, build

if TYPE_CHECKING:
    from diptych.data.graphs.store import Graphs


@recipe
def graphcl(
    corpus: "str | Graphs",
    *,
    temperature: float = 0.2,
    changed: Literal["second", "both"] = "second",
    denominator: Literal["all", "others"] = "all",
    symmetric: bool = False,
    **settings: Unpack[Settings],
) -> Recipe:
    """A graph as it is and a change of it are a positive pair; changes of other graphs are negatives.

    A GIN of three blocks of 32 with batch normalisation, sums over the nodes of all blocks side by side, a projection
    head of the same width, InfoNCE at 0.2, Adam at 0.01 without a schedule, 128 graphs a step, 20 epochs. Layers are 0
    (features of nodes), 1 to 3 (after a block) and 4 (after the head). A graph has a draw of its own, and other graphs
    beside it at every step. As the authors' code: --denominator others. As PyGCL: --symmetric --depth 2.
    Source: GraphCL, arXiv:2010.13902.

    Parameters
    ----------
    corpus
        A TU folder, a .npz of arrays, .jsonl of edge lists or node-link graphs, or families:n=1000:kind=motifs.
    temperature
        Temperature of InfoNCE.
    changed
        Whether the second view alone is a change, as in the authors' code, or both are, as in their paper.
    denominator
        What a graph is told from: all candidates, or the others alone, so that the loss can be below 0.
    symmetric
        Let the second view be the anchor too.
    """
    from diptych.core import Model, View
    from diptych.data.graphs.store import COLUMN
    from diptych.encoders.heads import relu
    from diptych.objectives.decoupled import Decoupled
    from diptych.objectives.infonce import InfoNCE

    seed = settings.get("seed", 0)
    kind = Decoupled if denominator == "others" else InfoNCE
    method = Method(
        views=lambda network, change: [
            View(column=COLUMN, transform=change) if changed == "both" else View(column=COLUMN),
            View(column=COLUMN, transform=change),
        ],
        objective=lambda network: kind(temperature, symmetric),
        model=lambda network: Model(network, relu(network.dim, network.dim, network.dim, seed)),
    )
    return build(corpus, method, settings)
