"""Removal of a principal direction of the batch, as a view made inside the network (arXiv:2303.14537).

Shapes: b samples, t tokens, m rows of all samples, d width, k directions.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from diptych.core import Batch

AUTHORS = 6  # directions that the authors' code computes
NOTHING = 1e-6  # a part of the largest variance that is rounding


@dataclass(frozen=True)
class RemovePrincipal:
    """x <- x - C C^T (x - mean): what lies along principal directions C of the batch is removed, the mean is kept.

    `component` K > 0 removes the first K directions; K < 0 the last |K| of the six that are computed, as the authors'
    later runs do; of as many as there are, in a batch that varies along fewer. Rows are tokens, without padding; where
    the layer's output is an embedding or a picture's map, a row is a sample. Directions come from an exact
    decomposition; `exact=False` estimates six of them by a randomised one with two power iterations, as the authors do,
    which gives a poor sixth. They count as constants: no gradient flows through them. Raises ValueError for component
    0, or beyond six from the end.
    """

    component: int = 1
    exact: bool = True

    def __post_init__(self) -> None:
        if self.component == 0 or self.component < -AUTHORS:
            raise ValueError(
                f"a component is 1, 2, ... (so many of the first directions) or -1 ... -{AUTHORS} (the last of six); "
                f"got {self.component}"
            )

    def fitted(self, h: Tensor, batch: Batch) -> "Removed":
        with torch.autocast(h.device.type, enabled=False):
            rows = real(h, batch).detach().float()
            mean = rows.mean(0)
            return Removed(mean, self._directions(rows - mean))

    def _directions(self, rows: Float[Tensor, "m d"]) -> Float[Tensor, "d k"]:
        most = min(rows.shape)
        if self.exact:
            found = _leading(rows, min(most, max(self.component, AUTHORS)))
        else:
            with torch.random.fork_rng([rows.device] if rows.is_cuda else []):
                torch.manual_seed(0)
                found = torch.svd_lowrank(rows, q=min(most, max(self.component, AUTHORS)), niter=2)[2]
        return found[:, : self.component] if self.component > 0 else found[:, self.component :]


def _leading(rows: Float[Tensor, "m d"], k: int) -> Float[Tensor, "d k"]:
    """The k leading right singular vectors, or as many as rows vary along, from the smaller Gram matrix."""
    m, d = rows.shape
    squares, vectors = torch.linalg.eigh(rows.T @ rows if d <= m else rows @ rows.T)
    vectors = vectors[:, squares > NOTHING * squares.amax()].flip(1)[:, :k]
    return vectors if d <= m else torch.nn.functional.normalize(rows.T @ vectors, dim=0)


@dataclass(frozen=True)
class Removed:
    """The noise that takes directions (orthonormal columns) away."""

    mean: Float[Tensor, " d"]
    directions: Float[Tensor, "d k"]

    def __call__(self, h: Tensor, key: Int[Tensor, " b"]) -> Tensor:
        with torch.autocast(h.device.type, enabled=False):
            x = h.float().flatten(1) if h.ndim == 4 else h.float()
            return (x - (x - self.mean) @ self.directions @ self.directions.T).view_as(h)


def real(h: Tensor, batch: Batch) -> Float[Tensor, "m d"]:
    """The rows of hidden states that are no padding: tokens, or whole samples."""
    if h.ndim == 3 and "edges" in batch:
        return h[0, : int(batch["edges"][-1])]
    if h.ndim == 3 and "mask" in batch:
        return h[batch["mask"].bool()]
    return h.flatten(0, 1) if h.ndim == 3 else h.flatten(1)
