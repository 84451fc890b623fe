"""Linear heads on frozen features: many learning rates at once, by stochastic gradient descent.

Softmax regression with momentum 0.9, no weight decay, and a learning rate that falls to zero by a cosine. Nothing of
training is looked at but its end, so no epoch is chosen.

Shapes: n rows, d columns, c classes, h heads.
"""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from diptych.plural import counted

MOMENTUM = 0.9
SPREAD = 0.01  # of the weights at the start


def train(
    x: Float[np.ndarray, "n d"],
    y: Int[np.ndarray, " n"],
    classes: int,
    rates: Sequence[float],
    steps: int,
    batch: int,
    seed: int = 0,
) -> tuple[Float[Tensor, "h d c"], Float[Tensor, "h 1 c"]]:
    """Weights and biases of a head for each learning rate, all trained on the same batches.

    A batch is the next `batch` rows of an order that is drawn anew for every pass. Raises ValueError for no rows, no
    step, or a rate that is not above 0.
    """
    if not len(y) or steps < 1 or batch < 1 or not all(rate > 0 for rate in rates):
        told = f"got {counted(len(y), 'row')}, {steps} steps, batches of {batch}, rates {[*rates]}"
        raise ValueError(f"heads are trained on a row or more, for a step or more, with rates above 0; {told}")
    data, target = torch.from_numpy(np.ascontiguousarray(x, np.float32)), torch.from_numpy(y)
    start = torch.randn(data.shape[1], classes, generator=torch.Generator().manual_seed(seed)) * SPREAD
    weights, bias = start.repeat(len(rates), 1, 1), torch.zeros(len(rates), 1, classes)
    rate = torch.tensor(rates)[:, None, None]
    moved = torch.zeros_like(weights), torch.zeros_like(bias)
    with torch.no_grad():
        for step, rows in enumerate(_batches(len(y), batch, steps, seed)):
            now = rate * (0.5 + 0.5 * np.cos(np.pi * step / steps))
            one = F.one_hot(target[rows], classes)
            wrong = ((data[rows] @ weights + bias).softmax(-1) - one) / len(rows)  # the gradient of the mean
            for parameter, speed, gradient in zip(
                (weights, bias), moved, (data[rows].T @ wrong, wrong.sum(1, keepdim=True)), strict=True
            ):
                speed.mul_(MOMENTUM).add_(gradient)
                parameter.sub_(now * speed)
    return weights, bias


def _batches(rows: int, batch: int, steps: int, seed: int) -> list[Tensor]:
    rng, size = np.random.default_rng(seed), min(batch, rows)
    per = max(1, rows // size)  # whole batches of a pass; what is left over waits for another order
    passes = (rng.permutation(rows)[: per * size].reshape(per, size) for _ in range(-(-steps // per)))
    return [torch.from_numpy(part) for order in passes for part in order][:steps]


def predicted(
    x: Float[np.ndarray, "n d"], weights: Float[Tensor, "h d c"], bias: Float[Tensor, "h 1 c"]
) -> Int[np.ndarray, "h n"]:
    """What each head says of each row; a head that diverged says class 0."""
    told = torch.from_numpy(np.ascontiguousarray(x, np.float32)) @ weights + bias
    return torch.nan_to_num(told, nan=-torch.inf, posinf=-torch.inf).argmax(-1).numpy()
