"""The rank of a batch as a term of the loss."""

from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor

from diptych.core import Objective, Terms, Views, compared
from diptych.measure.phase import TOLERANCE, Peak
from diptych.measure.rank import effective_rank, entropy

Definition = Literal["entropy", "effective"]
When = Literal["all", "1", "2"]
Matrix = Literal["embedding", "projection"]
Rows = Literal["first", "both"]
MEASURES = {"entropy": entropy, "effective": effective_rank}
INERTIA = 0.95  # of the moving mean of ranks: about twenty steps
PATIENCE = 50  # steps below the peak that tell a fall from a wobble


class RankReduction(Objective):
    """S = -sum lambda log lambda of a batch's unit rows, lambda their parts of sum sigma^2: the log of effective rank.

    In a sum of objectives its weight says the direction: above 0 lowers the rank, below 0 raises it. The sibling code
    of the paper's authors subtracts S, and ours adds it. `definition="effective"` takes exp(S). `matrix` is what the
    rank is of (what ships, or what the objective compares), `views` the first view or both together, as 2b rows.

    `phase` "1" is while the rank rises, "2" after its peak. A peak is passed when a moving mean of the batch's
    effective rank has been `patience` steps below its highest by more than `tolerance`, a part of it; or after
    `boundary` steps, if that is given. What it has seen is part of the checkpoint. The term is 0 in the other phase.

    Raises ValueError for other names, a patience below 1, a tolerance or a boundary below 0.
    """

    paper = "arXiv:2405.11297"
    aim = "weighs how many directions a batch spreads over"
    steps: Tensor
    mean: Tensor
    peak: Tensor

    def __init__(
        self,
        definition: Definition = "entropy",
        phase: When = "all",
        matrix: Matrix = "embedding",
        views: Rows = "first",
        centred: bool = False,
        patience: int = PATIENCE,
        tolerance: float = TOLERANCE,
        boundary: int | None = None,
    ):
        super().__init__()
        named = {
            "definition": (definition, Definition), "phase": (phase, When), "matrix": (matrix, Matrix),
            "views": (views, Rows),
        }  # fmt: skip
        for name, (given, kinds) in named.items():
            if given not in get_args(kinds):
                raise ValueError(f"{name} of a rank's reduction is one of {', '.join(get_args(kinds))}; got {given!r}")
        if boundary is not None and boundary < 0:
            raise ValueError(f"a boundary is after 0 steps or more; got {boundary}")
        Peak(patience, tolerance)
        self.definition, self.phase, self.matrix, self.views, self.centred = definition, phase, matrix, views, centred
        self.patience, self.tolerance, self.boundary = patience, tolerance, boundary
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mean", torch.zeros((), dtype=torch.float64))
        self.register_buffer("peak", torch.tensor([0.0, 0.0, 0.0], dtype=torch.float64))  # step, rank, looks below

    def forward(self, views: Views, teacher: Views) -> Terms:
        seen = compared(views)[: 1 if self.views == "first" else 2]
        x = torch.cat([getattr(encoded, self.matrix) for encoded in seen])
        name = f"rank_{self.definition}"
        if not bool(x.isfinite().all()):
            return {name: x.sum() * torch.nan}  # the loop says that the run has diverged
        found: Float[Tensor, ""] = MEASURES[self.definition](x, self.centred)
        rank = found.detach() if self.definition == "effective" else found.detach().exp()
        second = self._second(float(rank))
        wanted = self.phase == "all" or (self.phase == "2") == second
        return {name: found.to(x.dtype) if wanted else found.detach().to(x.dtype) * 0}

    @torch.no_grad()
    def _second(self, rank: float) -> bool:
        """Whether a step is of the second phase; in training, it is counted."""
        peak = Peak(self.patience, self.tolerance)
        if self.steps:
            step, highest, below = self.peak.tolist()
            peak.step, peak.rank, peak.below = int(step), highest, int(below)
        if self.training:
            self.mean += (1 - INERTIA if self.steps else 1.0) * (rank - self.mean)
            peak.see(int(self.steps), float(self.mean))
            self.peak.copy_(torch.tensor([peak.step, peak.rank, peak.below], dtype=torch.float64))
            self.steps += 1
        return peak.passed if self.boundary is None else int(self.steps) > self.boundary
