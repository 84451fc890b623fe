"""Graphs per second: GraphCL or InfoGraph by diptych and by a plain loop of PyTorch Geometric, interleaved.

    python benchmarks/graph_training.py --corpus graphs/PROTEINS.npz [--steps 60] [--rounds 5] [--change drop-edges]

The same graphs, features, GIN, widths, batch, loss and optimiser. The rival is written as its users write it: a
DataLoader of Data objects (in memory, made before the clock starts), GINConv with edge_index, global_add_pool, the
loss from the whole matrix, torch's Adam. GraphCL's second view is drawn once for the whole batch, by `dropout_edge` or
`dropout_node`, as PyGCL does, which is less work than a draw for each graph. Ours has a draw for each graph, with the
same parts, in a thread of its own, and logs as `diptych train` does. Both process each of the two views of a graph;
InfoGraph (--change none) has one, and asks every node of a batch about every graph of it.
"""

import argparse
import json
import math
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from arena import interleaved, ratios, spread

BATCH, WIDTH, DEPTH, LR, TEMPERATURE, RATIO = 128, 32, 3, 0.01, 0.2, 0.1
DIM = WIDTH * DEPTH


def diptych(corpus: str, steps: int, change: str, threads: int) -> Mapping[str, float]:
    from diptych import recipes
    from diptych.core import Machine
    from diptych.data.graphs.corpus import graphs
    from diptych.train.loop import train

    torch.set_num_threads(threads)
    settings = {"steps": steps, "batch": BATCH, "width": WIDTH, "depth": DEPTH}
    found = graphs(corpus)
    if change == "none":
        recipe = recipes.infograph(found, **settings)
    else:
        recipe = recipes.graphcl(found, augmentation=change, ratio=RATIO, **settings)
    seen: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        watch = lambda line: seen.append(float(line["loss"]))  # noqa: E731
        train(recipe, Path(folder), Machine(checkpoint=1e9, precision="fp32"), watch=watch)
        seconds = time.perf_counter() - start
    return {"seconds": seconds, "graphs_per_second": steps * recipe.batch / seconds, "loss": seen[-1]}


def geometric(corpus: str, steps: int, change: str, threads: int) -> Mapping[str, float]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from torch_geometric.loader import DataLoader

    torch.set_num_threads(threads)
    torch.manual_seed(0)
    data = of_geometric(corpus)
    model, heads = gin(data[0].x.shape[1]), torch.nn.ModuleList(FeedForward() for _ in range(2))
    if change != "none":
        heads = torch.nn.ModuleList([Projection()])
    optimiser = torch.optim.Adam([*model.parameters(), *heads.parameters()], lr=LR)
    batch = min(BATCH, len(data))
    loader = DataLoader(data, batch_size=batch, shuffle=True, drop_last=True)
    done, start = 0, time.perf_counter()
    while done < steps:
        for each in loader:
            loss = infograph(model, heads, each) if change == "none" else graphcl(model, heads[0], each, change)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            done += 1
            if done == steps:
                break
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "graphs_per_second": steps * batch / seconds, "loss": float(loss.detach())}


def of_geometric(corpus: str) -> list[Any]:
    """A corpus as Data objects in memory."""
    from torch_geometric.data import Data

    from diptych.data.graphs.corpus import graphs
    from diptych.graphs.features import dense

    found = graphs(corpus)
    return [
        Data(
            x=torch.from_numpy(dense(graph.nodes, found.features.width)),
            edge_index=torch.from_numpy(graph.edges.astype("int64")),
        )
        for graph in found.items
    ]


def gin(width: int) -> torch.nn.Module:
    """A GIN that gives the states of nodes after all blocks (n d), and their sums over each graph (b d)."""
    import torch_geometric.nn as gnn

    class Gin(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            widths = [width, *[WIDTH] * DEPTH]
            self.convs = torch.nn.ModuleList(
                gnn.GINConv(torch.nn.Sequential(torch.nn.Linear(a, b), torch.nn.ReLU(), torch.nn.Linear(b, b)))
                for a, b in pairwise(widths)
            )
            self.norms = torch.nn.ModuleList(torch.nn.BatchNorm1d(b) for b in widths[1:])

        def forward(self, x: Any, edges: Any, which: Any, many: int) -> tuple[Any, Any]:
            states = []
            for conv, norm in zip(self.convs, self.norms, strict=True):
                x = norm(torch.relu(conv(x, edges)))
                states.append(x)
            return torch.cat(states, 1), torch.cat([gnn.global_add_pool(x, which, many) for x in states], 1)

    return Gin()


class Projection(torch.nn.Sequential):
    def __init__(self) -> None:
        super().__init__(torch.nn.Linear(DIM, DIM), torch.nn.ReLU(), torch.nn.Linear(DIM, DIM))


class FeedForward(torch.nn.Module):
    """Three layers and a shortcut, as in InfoGraph."""

    def __init__(self) -> None:
        super().__init__()
        layers = [part for _ in range(3) for part in (torch.nn.Linear(DIM, DIM), torch.nn.ReLU())]
        self.block, self.shortcut = torch.nn.Sequential(*layers), torch.nn.Linear(DIM, DIM)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = self.block(x) + self.shortcut(x)
        return found


def graphcl(model: Any, head: Any, each: Any, change: str) -> torch.Tensor:
    from torch_geometric.utils import dropout_edge, dropout_node

    many, x, edges = each.num_graphs, each.x, each.edge_index
    if change == "drop-edges":
        edges = dropout_edge(edges, RATIO, force_undirected=True)[0]
    else:
        edges = dropout_node(edges, RATIO, num_nodes=len(x))[0]
    one = head(model(each.x, each.edge_index, each.batch, many)[1])
    other = head(model(x, edges, each.batch, many)[1])
    one, other = (torch.nn.functional.normalize(z, dim=1) for z in (one, other))
    return torch.nn.functional.cross_entropy(one @ other.T / TEMPERATURE, torch.arange(many))


def infograph(model: Any, heads: Any, each: Any) -> torch.Tensor:
    nodes, pooled = model(each.x, each.edge_index, each.batch, each.num_graphs)
    scores = heads[0](nodes) @ heads[1](pooled).T
    mine = torch.nn.functional.one_hot(each.batch, each.num_graphs).bool()
    own = (math.log(2) - torch.nn.functional.softplus(-scores[mine])).mean()
    others = scores[~mine]
    return (torch.nn.functional.softplus(-others) + others - math.log(2)).mean() - own


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", required=True)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--change", default="drop-edges", choices=["drop-edges", "drop-nodes", "none"])
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if not Path(args.corpus).exists():
        parser.error(f"--corpus {args.corpus}: there is no such corpus")
    common = (args.corpus, args.steps, args.change, args.threads)
    rows = interleaved({"diptych": (diptych, common), "pyg": (geometric, common)}, args.rounds)
    speed = {name: [row["graphs_per_second"] for row in many] for name, many in rows.items()}
    out = {
        "corpus": Path(args.corpus).name,
        "change": args.change,
        "ratio_vs_pyg": spread(ratios(rows, "graphs_per_second", "diptych", "pyg")),
        "graphs_per_second": {name: round(statistics.median(many)) for name, many in speed.items()},
        "peak_mb": {name: round(max(row["peak_mb"] for row in many)) for name, many in rows.items()},
        "threads": args.threads,
        "steps": args.steps,
        "rounds": args.rounds,
    }
    print(json.dumps(out) if args.json else json.dumps(out, indent=1))


if __name__ == "__main__":
    main()
