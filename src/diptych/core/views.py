"""Where views come from: data, a transform at the input, a perturbation in the network."""

from dataclasses import dataclass
from typing import Literal, Protocol, get_args, runtime_checkable

import torch
from jaxtyping import Int
from torch import Tensor

from diptych.core.samples import Batch, Sample
from diptych.draws import Draw, at, places, uniform


class Transform(Protocol):
    """Makes a view of a sample at the input. It returns its own kind and reads no global."""

    def __call__(self, sample: Sample, draw: Draw, /) -> Sample: ...


class Noise(Protocol):
    """A noisy copy of hidden states (b ... d); the noise of sample i is decided by key i alone."""

    def __call__(self, h: Tensor, key: Int[Tensor, " b"], /) -> Tensor: ...


@runtime_checkable
class Fitted(Protocol):
    """A noise that first looks at all hidden states of a batch. Such a batch is encoded in one pass."""

    def fitted(self, h: Tensor, batch: Batch, /) -> Noise: ...


def unchanged(sample: Sample, draw: Draw) -> Sample:
    return sample


Gradient = Literal["stop", "pass", "reverse"]
Unit = Literal["row", "pair", "batch"]


@dataclass(frozen=True)
class Perturb:
    """Replaces the output of one layer by a noisy copy, for a fraction of the samples.

    Layers are numbered 0 (input embedding), 1..L (after block L), L+1 (after the head). With `gradient="stop"`, nothing
    at or below the layer learns from the samples it touched; with "reverse" it learns the opposite. What is touched is
    chosen by `unit`: every view of a sample for itself ("row"), a sample with all its views ("pair"), or a whole
    "batch". Source: Deep Augmentation, arXiv:2303.14537.
    """

    paper = "arXiv:2303.14537"

    layer: int
    noise: Noise | Fitted
    fraction: float = 0.5
    gradient: Gradient = "stop"
    unit: Unit = "row"

    def __post_init__(self) -> None:
        if not 0 < self.fraction <= 1:
            raise ValueError(f"Perturb.fraction is a part of the samples, in (0, 1]; got {self.fraction}")
        for name, kinds in (("gradient", Gradient), ("unit", Unit)):
            if (given := getattr(self, name)) not in get_args(kinds):
                raise ValueError(f"Perturb.{name} is one of {', '.join(get_args(kinds))}; got {given!r}")

    def __call__(self, h: Tensor, batch: Batch) -> Tensor:
        """Samples are the first axis of `h`; with "edges" in the batch they may lie end to end in one row (1 t d)."""
        key, edges = batch["key"], batch.get("edges")
        touched = uniform(~batch.get("unit", key), 1, 1).flatten() < self.fraction
        noise = self.noise.fitted(h, batch) if isinstance(self.noise, Fitted) else self.noise
        rows = h
        if edges is not None and h.ndim == 3:
            sample, place = places(edges, h.shape[1])
            touched, key, rows = touched[sample], at(key[sample], place), h[0][:, None]
        noisy = noise(rows, key).to(h.dtype)
        if self.gradient == "stop":
            noisy = noisy.detach()
        elif self.gradient == "reverse":
            noisy = 2 * noisy.detach() - noisy
        return torch.where(touched.view(-1, *[1] * (rows.ndim - 1)), noisy, rows).view_as(h)


@dataclass(frozen=True)
class View:
    """One row of a method: where one of its views comes from, and what it is for."""

    role: str = "view"  # the part it plays in the objective
    column: str = "text"  # given by data
    transform: Transform = unchanged  # made at the input
    perturb: Perturb | None = None  # made in the network
    by: Literal["model", "teacher", "both", "data"] = "model"  # which network encodes it; none, for a number to learn
