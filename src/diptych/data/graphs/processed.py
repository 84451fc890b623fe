"""A data set of PyTorch Geometric: one .pt file of all graphs end to end (`InMemoryDataset.save`), or a list of them.

It is read as weights are: of tensors, numbers, and the class of PyTorch Geometric that holds them. A file that names
anything else is refused, and nothing of it is run. Of a graph `edge_index`, `x`, `y` and `num_nodes` are used.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diptych.core import DataError
from diptych.data.graphs.item import Item
from diptych.data.graphs.memory import Memory
from diptych.data.tally import Tally
from diptych.graphs import edges
from diptych.graphs.geometric import library
from diptych.graphs.objects import array
from diptych.labels import label_of
from diptych.plural import counted

SUFFIXES = (".pt", ".pth")
ASIDE = ("pre_transform.pt", "pre_filter.pt")  # that lie beside it
USED = ("edge_index", "x", "y")
NODES = "_num_nodes"  # where it keeps the number of each


@dataclass(frozen=True)
class Processed:
    name: str
    digest: str
    path: Path

    def items(self, tally: Tally) -> tuple[str, Iterator[Item]]:
        """Raises DataError for what is no such file, ModuleNotFoundError without PyTorch Geometric."""
        told = self._read()
        if isinstance(told, list):
            names = {name for graph in told if hasattr(graph, "to_dict") for name in graph.to_dict()}
            _unused(names - {"label"}, tally)
            return "a list of PyTorch Geometric", Memory(told, origin=f"{self.path.name}, ").items(tally)[1]
        try:
            if not isinstance(told, tuple):
                raise TypeError(f"it is a {type(told).__name__}")
            data, slices = _checked(*told[:2])
        except (ValueError, TypeError, AttributeError, KeyError, IndexError, RuntimeError) as error:
            raise DataError(
                f"{self.path} holds no data set of graphs as InMemoryDataset.save writes it, nor a list of Data: "
                f"{error}"
            ) from None
        _unused({*told[1]}, tally)
        return "a data set of PyTorch Geometric", self._items(data, slices, tally)

    def _read(self) -> Any:
        """What the file holds: all graphs end to end and where each part of each begins, or a list of graphs."""
        import torch

        library()
        from torch_geometric.data import data, storage

        classes = [data.Data, data.DataEdgeAttr, data.DataTensorAttr, storage.GlobalStorage]  # of an older file
        try:
            with torch.serialization.safe_globals(classes):
                return torch.load(self.path, "cpu", weights_only=True)
        except Exception:  # a file can be anything, and torch's advice would be to run its code
            raise DataError(
                f"{self.path} is no data set of PyTorch Geometric that can be read without running code of its own; "
                "write its graphs by InMemoryDataset.save, as plain Data and no class of one's own, or as .jsonl"
            ) from None

    def _items(self, data: Mapping[str, Any], slices: Mapping[str, np.ndarray], tally: Tally) -> Iterator[Item]:
        for i in range(len(slices["edge_index"]) - 1):
            between = {name: slice(*slices[name][i : i + 2]) for name in USED if name in data}
            x, y = (data[name][between[name]] if name in data else None for name in ("x", "y"))
            origin = f"{self.path.name}, graph {i}"
            try:
                found = edges.of_index(data["edge_index"][:, between["edge_index"]])
                known = [] if x is None else [len(x)]
                n = edges.count(data[NODES][i]) if data[NODES] is not None else edges.implied(found, known)
            except ValueError as error:
                raise DataError(f"{origin}: {error}") from None
            label = label_of(y.item()) if y is not None and y.size == 1 else None
            tally.add("graph", "without a class: its y is no single number", int(y is not None and y.size != 1))
            rows = x if x is None or x.ndim == 2 else x.reshape(len(x), math.prod(x.shape[1:]))
            yield Item(n, found, label, None, rows, origin)


def _unused(names: set[str], tally: Tally) -> None:
    for name in sorted(names - {*USED, "num_nodes"}):
        tally.add("part", f"of graphs not used: {name}")


def _checked(data: Any, slices: Any) -> tuple[Mapping[str, Any], Mapping[str, np.ndarray]]:
    """The parts of graphs that are used, as arrays. Raises ValueError, and others, for what does not go together."""
    if slices is None:
        raise ValueError("it is one graph")
    told = data if isinstance(data, dict) else data.to_dict()
    found = {name: array(told[name]) for name in USED if told.get(name) is not None and name in slices}
    ends = {name: edges.whole(np.asarray(slices[name]), name) for name in found}
    if "edge_index" not in found or found["edge_index"].ndim != 2:
        raise ValueError("it has no edge_index [2, edges]")
    many = len(ends["edge_index"])
    for name, x in found.items():
        last = x.shape[1] if name == "edge_index" else len(x)
        if len(ends[name]) != many or (np.diff(ends[name]) < 0).any() or ends[name][0] != 0 or ends[name][-1] != last:
            raise ValueError(f"slices of {name} do not go from 0 to {last} in {counted(many - 1, 'graph')}")
        if x.dtype.kind not in "iufb":
            raise ValueError(f"{name} is of {x.dtype}")
    if told.get(NODES) is not None and len(told[NODES]) != many - 1:
        raise ValueError(f"{counted(many - 1, 'graph')} and {counted(len(told[NODES]), 'number')} of nodes")
    return {**found, NODES: told.get(NODES)}, ends
