"""Dropout or PCA at one layer of a network for graphs, with a stop of the gradient, as the augmentation."""

from typing import TYPE_CHECKING, Any, Unpack

from diptych.core import Recipe, recipe
from diptych.recipes.graphs import Method, Settings, build
from diptych.recipes.usual import options

if TYPE_CHECKING:
    from diptych.data.graphs.store import Graphs

LAYER = 2  # of the three blocks that there are unless others are asked for


@recipe
def graph_deep_augmentation(
    corpus: "str | Graphs", *, temperature: float = 0.2, **settings: Unpack[Settings]
) -> Recipe:
    """A graph twice, of which half of the views pass through noise at one layer, below which nothing learns from them.

    Dropout of a half at layer 2 of three, on all nodes of the graphs that are touched, drawn for each graph; symmetric
    InfoNCE at 0.2; network and training as in `graphcl`, but that the last block alone is read out: what is read of
    earlier blocks would go round the stop (--readout concat --partial-stop, or --perturb-gradient pass). --perturb-*
    change the noise, --sweep perturb_layer=0..4 tries all layers, --augmentation changes graphs besides. Layers are 0
    (features of nodes), 1 to 3 (after a block) and 4 (after the head); the paper's numbers for graphs are not known.
    Source: arXiv:2303.14537.

    Parameters
    ----------
    corpus
        A TU folder, a .npz of arrays, .jsonl of edge lists or node-link graphs, or families:n=1000:kind=motifs.
    temperature
        Temperature of InfoNCE.
    """
    from diptych.core import Model, View
    from diptych.data.graphs.store import COLUMN
    from diptych.encoders.heads import relu
    from diptych.objectives.infonce import InfoNCE

    seed = settings.get("seed", 0)
    method = Method(
        views=lambda network, change: [View(column=COLUMN, transform=change)] * 2,
        objective=lambda network: InfoNCE(temperature, symmetric=True),
        model=lambda network: Model(network, relu(network.dim, network.dim, network.dim, seed)),
        augmentation="none",
        network={"readout": "last"},
    )
    layer: dict[str, Any] = {"perturb_layer": min(LAYER, settings.get("depth") or LAYER)}
    return build(corpus, method, {**layer, **options(settings, Settings.__annotations__)})
