"""InfoNCE with a queue: what the teacher made of earlier batches is negative too."""

import torch
from torch import Tensor

from diptych.core import Objective, Terms, Views
from diptych.objectives.tiled import Block, cosine_cross_entropy


class MomentumQueue(Objective):
    """Cross-entropy of cosines: the first view chooses its second among the batch and a queue.

        logits = [ cos(z1_i, z2_j) | cos(z1_i, q_k) ] / t,  (b, b + size), label i

    After the loss, the teacher's projections of the first view (recipe: `by="both"`) go in, and the newest `size` rows
    stay. The queue begins empty. It is part of the checkpoint, and has no gradient. It grows in training mode alone,
    where an objective is called once per step.

    Raises ValueError for a temperature that is not above 0, a width or a size below 1.
    """

    paper = "arXiv:2109.04380"
    aim = "pulls the views of one sample together and pushes those of others, earlier ones among them, away"
    rows: Tensor
    count: Tensor

    def __init__(self, width: int, temperature: float = 0.05, size: int = 160):
        super().__init__()
        if not 0 < temperature < float("inf"):
            raise ValueError(f"a temperature is above 0; got {temperature}")
        if width < 1 or size < 1:
            raise ValueError(f"a queue has at least one row, of one number; got {size=} and {width=}")
        self.temperature, self.size = temperature, size
        self.register_buffer("rows", torch.zeros(size, width))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def forward(self, views: Views, teacher: Views) -> Terms:
        anchor, positive = (encoded.projection for encoded in views["view"])
        queued = self.rows[: int(self.count)].clone()  # the gradient needs them as they are now
        blocks = [Block(positive), Block(queued)] if len(queued) else [Block(positive)]
        right = torch.arange(len(anchor), device=anchor.device)
        loss = cosine_cross_entropy(anchor, blocks, right, self.temperature)
        if self.training:
            self._append(queued, teacher["view"][0].projection)
        return {"infonce": loss}

    @torch.no_grad()
    def _append(self, queued: Tensor, new: Tensor) -> None:
        """The oldest rows first."""
        left = torch.cat([queued, new.to(queued.dtype)])[-len(self.rows) :]
        self.rows[: len(left)] = left
        self.count.fill_(len(left))
