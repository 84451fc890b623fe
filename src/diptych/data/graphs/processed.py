"""A data set as PyTorch Geometric keeps it: one .pt file of all graphs end to end (`InMemoryDataset.save`).

It is read as weights are: of tensors, numbers and the classes of PyTorch Geometric. A file that names anything else is
refused, and nothing of it is run. Of a graph `edge_index`, `x`, `y` and `num_nodes` are used.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from diptych.core import DataError
from diptych.data.columns import label_of
from diptych.data.graphs.item import Item
from diptych.data.tally import Tally
from diptych.graphs import edges
from diptych.graphs.geometric import library

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
        data, slices = self._read()
        for name in sorted(slices.keys() - {*USED, "num_nodes"}):
            tally.add("part", f"of graphs not used: {name}")
        return "a data set of PyTorch Geometric", self._items(data, slices)

    def _read(self) -> tuple[Mapping[str, Any], Mapping[str, np.ndarray]]:
        """All graphs end to end, and where each part of each begins."""
        import torch

        library()  # which says what of its classes may be read
        try:
            data, slices = torch.load(self.path, "cpu", weights_only=True)[:2]
            told = data if isinstance(data, dict) else data.to_dict()
            found = {name: told[name].numpy() for name in USED if told.get(name) is not None}
            ends = {name: edges.whole(np.asarray(x), name) for name, x in slices.items()}
            if "edge_index" not in found or "edge_index" not in ends:
                raise ValueError("it has no edge_index")
            return {**found, NODES: told.get(NODES)}, ends
        except Exception as error:  # a file can be anything
            raise DataError(
                f"{self.path} is no data set of PyTorch Geometric that can be read without running code of its own "
                f"({str(error).partition(chr(10))[0]:.120}); write its graphs by InMemoryDataset.save or as .jsonl"
            ) from None

    def _items(self, data: Mapping[str, Any], slices: Mapping[str, np.ndarray]) -> Iterator[Item]:
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
            yield Item(n, found, label, None, None if x is None else x.reshape(len(x), -1).astype(float), origin)
