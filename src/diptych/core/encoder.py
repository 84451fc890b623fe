"""What ships: samples in, embeddings out; of as many at once as the memory of a processor or a GPU likes."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from diptych import allocator
from diptych.core.cuts import WASTE, cuts, encoding, fitting
from diptych.core.precision import Precision, has_bf16
from diptych.core.samples import Batch, Sample


class Encoder(nn.Module, ABC):
    """What ships: samples in, embeddings out. It knows of no view, head, teacher or objective."""

    dim: int
    padded: bool = True  # whether a batch is padded to its longest sample
    waste: float = WASTE  # padding for a real token; at 0, samples of different sizes are never together
    micro: int = 4096  # tokens of a micro-batch on a processor, unless the machine says otherwise
    threads: int | None = None  # of the processor; None is all of them
    precision: Precision = "fp32"  # of embedding; of training the machine decides
    recompute: bool = False  # in training: whether blocks keep nothing, and compute it again for the gradient
    recomputes: bool = False  # whether they can
    pads_as: str | None = None  # the type of device whose padding is used within the network, if not that of the batch

    @property
    @abstractmethod
    def layers(self) -> list[nn.Module]:
        """The input embedding, then each block: where views write and instruments read."""

    @abstractmethod
    def prepare(self, raw: Sequence[Any]) -> list[Sample]:
        """What a person has (strings, pictures) as samples (token ids, tensors)."""

    @abstractmethod
    def size(self, sample: Sample) -> int:
        """The cost of a sample: tokens, for text."""

    @abstractmethod
    def collate(self, samples: Sequence[Sample]) -> Batch:
        """Samples as tensors; adds what the network needs, such as special tokens and padding."""

    @abstractmethod
    def forward(self, batch: Batch) -> Float[Tensor, "b d"]: ...

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Writes a folder that other tools load."""

    @property
    def patches(self) -> nn.Module:
        """The module whose output (b t d) ends in the states of a picture's patches, row by row, as they are pooled.

        Raises ValueError if there is none.
        """
        raise ValueError(
            f"{type(self).__name__} has no patches, and masked patches are to be told; take a vision transformer"
        )

    @property
    def leaks(self) -> Mapping[int, str]:
        """Layers that gradients go round, and how: at these they can be neither stopped nor reversed."""
        return {}

    @property
    def fixed(self) -> Sequence[str]:
        """Names of weights that never learn and that lie elsewhere, so that no checkpoint needs them."""
        return ()

    @property
    def tables(self) -> Sequence[nn.Module]:
        """Modules of which a step looks up a few rows; an optimiser may set their `look`, to be told or asked."""
        return ()

    @property
    def together(self) -> bool:
        """Whether in training a sample's embedding depends on those beside it: all of one size are then one batch."""
        return False

    @property
    def noisy(self) -> bool:
        """Whether encoding one sample twice in training gives two embeddings."""
        return any(isinstance(m, nn.Dropout) and m.p > 0 for m in self.modules())

    def embed(self, samples: Sequence[Sample]) -> Float[np.ndarray, "b d"]:
        """Embeddings of samples in their order, without gradients, in the numbers of `precision`."""
        allocator.keep()
        out = np.empty((len(samples), self.dim), np.float32)
        was_training, device = self.training, next(self.parameters()).device
        lower = self.precision == "bf16" or (self.precision == "auto" and has_bf16(device.type))
        self.eval()
        try:
            with torch.inference_mode(), torch.autocast(device.type, torch.bfloat16, lower):
                for rows in portions(self, device, [self.size(s) for s in samples]):
                    batch = self.collate([samples[i] for i in rows])
                    out[rows] = self({k: x.to(device) for k, x in batch.items()}).float().cpu().numpy()
        finally:
            self.train(was_training)
        return out

    def encode(self, raw: Sequence[Any]) -> Float[np.ndarray, "b d"]:
        """Embeddings of what a person has, in its order."""
        return self.embed(self.prepare(raw))


ON_GPU = 16  # times as many tokens at once: launching its work takes longer there than doing it


def micro_of(encoder: Encoder, device: torch.device) -> int:
    """Tokens of a micro-batch on a device, unless the machine says otherwise."""
    return encoder.micro * (ON_GPU if device.type == "cuda" else 1)


def portions(encoder: Encoder, device: torch.device, sizes: Sequence[int]) -> list[Int[np.ndarray, " m"]]:
    """Rows of samples that are encoded together where nothing is kept for a gradient: `cuts` of two micro-batches.

    On a GPU they are smaller where the memory that is free has no room for these, what torch holds of it for later
    among it. A network without blocks, such as one table, keeps nothing for a token.
    """
    most = 2 * micro_of(encoder, device)
    found = cuts(sizes, most, encoder.padded, encoder.waste)
    if device.type != "cuda" or not (blocks := encoder.layers[1:]):
        return found
    held = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    attends = not any(isinstance(part, nn.Conv2d) for part in blocks[-1].modules())
    taken, tokens = encoding(sizes, encoder.dim, attends), np.asarray(sizes)
    worst = [(int(taken[rows].sum()), int(tokens[rows].sum())) for rows in found]
    fewer = fitting(worst, most, torch.cuda.mem_get_info(device)[0] + held)
    return found if fewer == most else cuts(sizes, fewer, encoder.padded, encoder.waste)
