"""Nodes agree with their own graph, and with no other (InfoGraph, arXiv:1908.01000)."""

from typing import TYPE_CHECKING, Unpack

from diptych.core import Recipe, recipe
from diptych.recipes.graphs import Method, Settings, build

if TYPE_CHECKING:
    from diptych.data.graphs.store import Graphs


@recipe
def infograph(corpus: "str | Graphs", **settings: Unpack[Settings]) -> Recipe:
    """One view of a graph: the states of its nodes agree with its embedding, and not with those of other graphs.

    The Jensen-Shannon estimate of their mutual information, between heads of three layers for nodes and for graphs,
    which are thrown away; the network and the rest as in `graphcl`. Graphs are as they are, unless --augmentation says
    otherwise. Source: InfoGraph, arXiv:1908.01000.

    Parameters
    ----------
    corpus
        A TU folder, a .npz of arrays, .jsonl of edge lists or node-link graphs, or families:n=1000:kind=motifs.
    """
    from diptych.core import Model, View
    from diptych.data.graphs.store import COLUMN
    from diptych.encoders.heads import FeedForward
    from diptych.objectives.infograph import InfoGraph

    seed = settings.get("seed", 0)
    method = Method(
        views=lambda network, change: [View(column=COLUMN, transform=change)],
        objective=lambda network: InfoGraph(FeedForward(network.dim, seed), FeedForward(network.dim, seed + 1)),
        model=lambda network: Model(network),
        augmentation="none",
    )
    return build(corpus, method, settings)
