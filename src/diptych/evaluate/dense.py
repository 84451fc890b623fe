"""One linear layer on every patch, trained against maps of pixels: what segmentation and depth share.

Patches are standardised by those of the training images (what a batch normalisation before the layer comes to). The
layer is trained by AdamW, whose rate falls to zero by a cosine; its last step is judged.

Shapes: n images, (h w) patches of width d, (y x) pixels, o outputs of the layer.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Shaped
from torch import Tensor, nn

RATE, DECAY, BATCH, STEPS = 1e-2, 1e-4, 8, 500

Patches = Float[np.ndarray, "n h w d"]
Maps = Shaped[np.ndarray, "n y x"]


@dataclass(frozen=True)
class Dense:
    """A trained layer, with the mean and spread that patches are standardised by."""

    mean: Float[np.ndarray, " d"]
    spread: Float[np.ndarray, " d"]
    layer: nn.Linear

    @torch.no_grad()
    def __call__(self, patches: Patches) -> Float[Tensor, "n o h w"]:
        return self.outputs(self.seen(patches))

    def seen(self, patches: Patches) -> Float[Tensor, "n h w d"]:
        return torch.from_numpy(((patches - self.mean) / self.spread).astype(np.float32))

    def outputs(self, seen: Float[Tensor, "n h w d"]) -> Float[Tensor, "n o h w"]:
        return self.layer(seen).permute(0, 3, 1, 2)


def fit(
    patches: Patches,
    maps: Maps,
    outputs: int,
    loss: Callable[[Float[Tensor, "b o h w"], Tensor], Tensor],
    steps: int = STEPS,
    seed: int = 0,
    rate: float = RATE,
) -> Dense:
    """A layer of `outputs` numbers a patch, of least `loss(outputs, maps)` on batches of whole images.

    Raises ValueError if patches and maps are not of the same images, or there is none.
    """
    if len(patches) != len(maps) or not len(maps) or patches.ndim != 4 or maps.ndim != 3:
        raise ValueError(
            f"patches [n, h, w, d] and maps [n, y, x] are of the same images, one or more; got {patches.shape} and "
            f"{maps.shape}"
        )
    x = np.asarray(patches, np.float64)
    mean, spread = x.mean((0, 1, 2)), x.std((0, 1, 2))
    layer = nn.utils.skip_init(nn.Linear, x.shape[-1], outputs)  # draws from no global generator
    made = Dense(mean, np.where(spread > 1e-6 * np.abs(mean), spread, np.inf), layer)
    nn.init.normal_(made.layer.weight, std=0.01, generator=torch.Generator().manual_seed(seed))
    nn.init.zeros_(made.layer.bias)
    seen, truth = made.seen(patches), torch.from_numpy(np.ascontiguousarray(maps))
    adam = torch.optim.AdamW(made.layer.parameters(), rate, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, steps)
    rng = np.random.default_rng(seed)
    for _ in range(steps):
        rows = torch.from_numpy(rng.permutation(len(maps))[:BATCH])
        adam.zero_grad()
        loss(made.outputs(seen[rows]), truth[rows]).backward()
        adam.step()
        schedule.step()
    return made


def stride(size: tuple[int, int], grid: tuple[int, int], fewest: int = 4) -> int:
    """Pixels from one to the next that are learned from, odd: 1, or more where a patch is many pixels wide.

    The pixels (s - 1) / 2 + i s are then the middles of an image s times smaller. At least `fewest` a patch's side are
    left, and nothing is cut off.
    """
    most = min(a // (fewest * b) for a, b in zip(size, grid, strict=True))
    return max((s for s in range(1, most + 1, 2) if not any(a % s for a in size)), default=1)


def upsampled(x: Float[Tensor, "n o h w"], size: tuple[int, int]) -> Float[Tensor, "n o y x"]:
    """Bilinear, a patch being a square whose middle has its number; constant beyond the outermost middles."""
    return F.interpolate(x, size, mode="bilinear", align_corners=False)
