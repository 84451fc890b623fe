"""What a network is told of a node: its label, its attributes, both, its degree, or nothing.

Shapes: n nodes, e edges in both directions, a attributes, f columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import numpy as np
from jaxtyping import Float, Int

from diptych.labels import label_of

Kind = Literal["labels", "attributes", "both", "degree", "constant"]
WORDS = {
    "labels": "a column for each of the {} node labels",
    "attributes": "the {} attributes of a node",
    "both": "a column for each node label and the attributes, {} in all",
    "degree": "a column for each of {} degrees, the last also of higher ones",
    "constant": "the number 1 for every node: {} column",
}


@dataclass(frozen=True)
class Features:
    """`width` is the number of columns; `labels` are the node labels that have one, in the order of the columns.

    Raises ValueError for another kind, or a width that does not go with it.
    """

    kind: Kind
    width: int
    labels: Sequence[str] = field(default=())

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise ValueError(f"features of nodes are one of {', '.join(get_args(Kind))}; got {self.kind!r}")
        if self.width < 1 or (self.kind == "labels" and self.width != len(self.labels)):
            raise ValueError(f"nodes have one column or more, and of labels one each; got {self.width} for {self.kind}")

    def __str__(self) -> str:
        return WORDS[self.kind].format(self.width)

    def of(
        self,
        n: int,
        edges: Int[np.ndarray, "2 e"],
        labels: Int[np.ndarray, " n"] | None = None,
        attributes: Float[np.ndarray, "n a"] | None = None,
    ) -> Float[np.ndarray, "n f"] | Int[np.ndarray, " n"]:
        """What `Graph.nodes` holds. Labels are places among `labels`.

        Raises ValueError where they are not there, and for attributes of another shape.
        """
        if self.kind == "constant":
            return np.zeros(n, np.int32)
        if self.kind == "degree":
            return np.minimum(np.bincount(edges[0], minlength=n), self.width - 1).astype(np.int32)
        missing = [
            name
            for name, x in (("labels", labels), ("attributes", attributes))
            if x is None and self.kind in (name, "both")
        ]
        if missing:
            raise ValueError(f"nodes are described by {self.kind}, and this graph has no node {missing[0]}")
        if self.kind == "labels":
            assert labels is not None, "see above"
            return labels
        assert attributes is not None, "see above"
        due = [n, self.width - len(self.labels)]
        if [*attributes.shape] != due:
            raise ValueError(f"attributes of nodes are {due}; got {[*attributes.shape]}")
        if self.kind == "attributes":
            return attributes
        assert labels is not None, "see above"
        return np.concatenate([dense(labels, len(self.labels)), attributes], 1)

    def places(self, names: Sequence[object]) -> Int[np.ndarray, " n"]:
        """Where each label is among `labels`. Raises ValueError for one that is not."""
        known, found = {name: i for i, name in enumerate(self.labels)}, [label_of(name) for name in names]
        if unknown := [name for name, label in zip(names, found, strict=True) if label not in known]:
            raise ValueError(f"the network knows no node label {unknown[0]!r}")
        return np.array([known[str(label)] for label in found], np.int32)


def dense(numbers: Int[np.ndarray, " n"], width: int) -> Float[np.ndarray, "n f"]:
    """A row for each number, with a 1 in its column; of -1 all are 0. Raises ValueError for a number without one."""
    if len(numbers) and not -1 <= numbers.min() <= numbers.max() < width:
        raise ValueError(f"a node is of column {numbers.max()}, and the network knows columns 0 to {width - 1}")
    out = np.zeros((len(numbers), width + 1), np.float32)
    out[np.arange(len(numbers)), numbers] = 1  # -1 is the last, which is cut off
    return out[:, :width]
