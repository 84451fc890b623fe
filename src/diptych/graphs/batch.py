"""Graphs end to end as tensors: what a micro-batch carries to the device.

    x (n f)              features of all nodes
    edges (b+1)          where the nodes of each graph begin: as of texts in one row, whatever the name says here
    starts (n+1), neighbours (e)     the neighbours of node i are neighbours[starts[i] : starts[i + 1]], sorted

Shapes: b graphs, n nodes of all, e edges in both directions, f columns.
"""

from collections.abc import Sequence

import numpy as np
import torch

from diptych.core import Batch, Graph
from diptych.graphs.change import Together, changed


def tensors(graphs: Sequence[Graph], width: int) -> Batch:
    """Graphs, changed as they want, as a batch. Raises ValueError for features of another width than `width`."""
    whole = changed(Together.of(graphs, width), [graph.changes for graph in graphs])
    starts = np.zeros(whole.nodes + 1, np.int32)
    np.cumsum(np.bincount(whole.source, minlength=whole.nodes), out=starts[1:])
    return {
        "x": torch.from_numpy(whole.features()),
        "edges": torch.from_numpy(whole.starts),
        "starts": torch.from_numpy(starts),
        "neighbours": torch.from_numpy(whole.target.astype(np.int32)),
    }
