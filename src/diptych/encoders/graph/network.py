"""GIN and its kin: graphs in, embeddings out. Convolutions are those of PyTorch Geometric.

Shapes: b graphs, n nodes of all of them, d width of a layer, f columns of features.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from diptych.core import Batch, Encoder, Graph
from diptych.encoders import folder as layout
from diptych.encoders.graph.convolution import GIN, made
from diptych.encoders.graph.neighbours import of_graphs
from diptych.encoders.heads import seeded
from diptych.graphs import objects
from diptych.graphs.batch import tensors
from diptych.graphs.features import Features

Pooling = Literal["sum", "mean"]
Readout = Literal["concat", "last"]
Norm = Literal["batch", "layer", "none"]
KIND = "diptych_graph"  # in the place of a model_type of `transformers`


class GraphNetwork(Encoder):
    """Blocks of a graph convolution, ReLU and a norm; the embedding is the sum or mean of their nodes.

    With `readout="concat"` it is that of every block, side by side, as in GIN (arXiv:1810.00826) and GraphCL
    (arXiv:2010.13902); with "last" of the last block alone. Layers are 0, the features of nodes, and 1.. after a block.
    A layer puts out the nodes of all graphs in one row (1 n d).

    `conv` is "GIN" (linear, ReLU, linear, of the node and the sum of its neighbours) or the import path of another, as
    "torch_geometric.nn:GATConv:heads=4:concat=false", that is made of two widths (and of such options)
    and called with nodes and edges. Batch normalisation reads the batch: all graphs that share a perturbation are then
    encoded in one pass. It is computed in fp32 whatever a machine says: at a width of 32, other numbers cost more than
    they save.

    `partial_stop` lets a gradient be stopped at a layer though the read-out goes round it: see `leaks`.

    Raises ValueError for a choice that there is not, ImportError without PyTorch Geometric.
    """

    paper = "arXiv:1810.00826"
    padded = False
    micro = 16_384

    def __init__(
        self,
        features: Features,
        width: int = 32,
        depth: int = 3,
        pooling: Pooling = "sum",
        readout: Readout = "concat",
        norm: Norm = "batch",
        conv: str = GIN,
        partial_stop: bool = False,
        seed: int = 0,
    ):
        super().__init__()
        for name, given, kinds in (
            ("pooling", pooling, Pooling),
            ("readout", readout, Readout),
            ("norm", norm, Norm),
        ):
            if given not in get_args(kinds):
                raise ValueError(f"{name} is one of {', '.join(get_args(kinds))}; got {given!r}")
        if width < 1 or depth < 1:
            raise ValueError(f"a network has a width and a depth of 1 or more; got {width} and {depth}")
        self.features, self.width, self.depth, self.conv = features, width, depth, conv
        self.pooling, self.readout, self.norm, self.partial_stop = pooling, readout, norm, partial_stop
        self.dim = width * (depth if readout == "concat" else 1)
        widths = [features.width, *[width] * depth]
        self.described = nn.Identity()
        with seeded(seed):
            self.blocks = nn.ModuleList(Block(conv, a, width, norm) for a in widths[:-1])
        self.states = nn.Identity()
        self._frozen: list[nn.Module] = []

    @property
    def layers(self) -> list[nn.Module]:
        return [self.described, *self.blocks]

    @property
    def patches(self) -> nn.Module:
        """What is pooled: the states of all nodes (1 n dim)."""
        return self.states

    @property
    def leaks(self) -> Mapping[int, str]:
        """With the read-out of all blocks, those below a layer are read beside it."""
        if self.readout == "last" or self.partial_stop:
            return {}
        told = "blocks before it are read out beside it; --readout last, or --partial-stop if that is meant"
        return dict.fromkeys(range(2, self.depth + 1), told)

    @property
    def together(self) -> bool:
        still = {id(m) for part in self._frozen for m in part.modules()}
        norms = [m for m in self.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        return any(id(m) not in still for m in norms)

    def freeze(self, train_last: int | None = None) -> None:
        """Trains the last `train_last` blocks only; all of them for None. What is frozen keeps its running means.

        Each call decides anew. Raises ValueError if there are not that many blocks.
        """
        if train_last is not None and not 1 <= train_last <= self.depth:
            raise ValueError(f"train_last is one of 1..{self.depth}, the blocks there are; got {train_last}")
        first = 0 if train_last is None else self.depth - train_last
        self._frozen = list(self.blocks[:first])
        for i, block in enumerate(self.blocks):
            block.requires_grad_(i >= first)
        self.train(self.training)

    def train(self, mode: bool = True) -> "GraphNetwork":
        super().train(mode)
        for part in self._frozen:
            part.eval()
        return self

    def prepare(self, raw: Sequence[Any]) -> list[Graph]:
        """Graphs; or those of NetworkX or PyTorch Geometric, as `graphs.objects.given` reads them.

        Labels and attributes of nodes are read where the network is told of them. Raises ValueError for what is no
        graph, or lacks these.
        """
        objects.several(raw)
        return [x if isinstance(x, Graph) else self._graph(x, i) for i, x in enumerate(raw)]

    def _graph(self, raw: Any, i: int) -> Graph:
        known = self.features
        try:
            found = objects.given(raw)
            if found.n < 1:
                raise ValueError("it has no node")
            labels = known.places(found.labels) if found.labels is not None and known.labels else None
            rows = found.attributes() if known.kind in ("attributes", "both") else None
            source, target = np.concatenate([found.edges, found.edges[::-1]], 1)
            edges = np.stack(np.divmod(np.unique(source * found.n + target), found.n)).astype(np.int32)
            return Graph(known.of(found.n, edges, labels, rows), edges)
        except ValueError as error:
            raise ValueError(f"graph {i}: {error}") from None

    def size(self, sample: Graph) -> int:
        """Its nodes."""
        return len(sample.nodes)

    def collate(self, samples: Sequence[Graph]) -> Batch:
        """As `graphs.batch.tensors`."""
        return tensors(samples, self.features.width)

    def forward(self, batch: Batch) -> Float[Tensor, "b d"]:
        with torch.autocast(batch["x"].device.type, enabled=False):
            h, states = self.described(batch["x"][None]), []
            for block in self.blocks:
                h = block(h, batch["starts"], batch["neighbours"])
                states.append(h)
            nodes = self.states(torch.cat(states, -1) if self.readout == "concat" else h)
            pooled = of_graphs(nodes[0], batch["edges"])
            return pooled if self.pooling == "sum" else pooled / batch["edges"].diff()[:, None]

    def settings(self) -> dict[str, Any]:
        """What makes a network like this one, before training."""
        names = ("width", "depth", "pooling", "readout", "norm", "conv", "partial_stop")
        return {name: getattr(self, name) for name in names}

    def save(self, folder: Path) -> None:
        """Writes config.json and model.safetensors, which `diptych.load` reads."""
        from safetensors.torch import save_file

        with layout.staged(folder) as new:
            told = {"model_type": KIND, "features": asdict(self.features), **self.settings()}
            layout.write_json(new / "config.json", told)
            save_file({k: x.contiguous() for k, x in self.state_dict().items()}, new / "model.safetensors")


class Block(nn.Module):
    """A convolution, ReLU, and then the norm, in the order of GraphCL's code; (1 n a) to (1 n d)."""

    def __init__(self, conv: str, a: int, d: int, norm: Norm):
        super().__init__()
        self.conv = made(conv, a, d)
        self.norm = {"batch": nn.BatchNorm1d, "layer": nn.LayerNorm, "none": nn.Identity}[norm](d)

    def forward(self, h: Float[Tensor, "1 n a"], starts: Tensor, neighbours: Tensor) -> Float[Tensor, "1 n d"]:
        x = self.conv(h[0], starts, neighbours)
        found: Tensor = self.norm(torch.relu(x))
        return found[None]


def load(folder: Path) -> GraphNetwork:
    """Reads what `save` wrote. Raises ValueError for weights that are missing or of another shape."""
    from safetensors.torch import load_file

    told = layout.config(folder)
    settings = {k: x for k, x in told.items() if k not in ("model_type", "features")}
    with layout.reading("network", folder, unless_named=True):
        features = {**told["features"], "labels": tuple(told["features"]["labels"])}
        network = GraphNetwork(Features(**features), **settings)
        network.load_state_dict(load_file(folder / "model.safetensors"))
    return network.eval()
