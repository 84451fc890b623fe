"""A graph as a source has it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int, Shaped


@dataclass(frozen=True)
class Item:
    """`n` nodes, numbered from 0, and edges in one direction or both; what is known of nodes; the graph's class.

    `origin` tells a person where it is from. `partly` names what some of its nodes have and others lack, and which is
    therefore left out.
    """

    n: int
    edges: Int[np.ndarray, "2 e"]
    label: str | None = None
    nodes: Sequence[str] | Shaped[np.ndarray, " n"] | None = None  # a label of each
    attributes: Float[np.ndarray, "n a"] | None = None
    origin: str = ""
    partly: Sequence[str] = ()  # of "labels", "attributes"
