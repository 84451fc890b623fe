"""Any vision network of `transformers`, with pooling: pictures and their plans in, embeddings out.

Shapes: b pictures, t tokens (those before the patches, then the patches row by row), d width, c channels, h w pixels.
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from diptych.core import Batch, Encoder, Picture
from diptych.encoders import folder as layout
from diptych.encoders.image import depth, family
from diptych.encoders.quiet import quiet
from diptych.encoders.recompute import recomputed
from diptych.pictures import plan, read
from diptych.pictures.render import render

if TYPE_CHECKING:
    from transformers import PreTrainedModel

Pooling = Literal["cls", "mean"]  # the token of the whole picture; the mean over patches, or over a map of features
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # of the pictures of ImageNet, by channel
CELL = 64  # pixels that count as a token, for networks without patches
BICUBIC = 3  # Pillow's number of it
PROCESSOR = "preprocessor_config.json"
OURS = "diptych.json"  # what no file of `transformers` has a place for


class Vision(Encoder):
    """A network of `transformers` for pictures of `side` x `side`; others where their plan says so.

    Colours are standardised by `mean` and `std`. Layers are 0, the input embedding (the stem of a network of
    convolutions), then every block (stage). Batch normalisation reads the batch: all pictures of one size that share a
    perturbation are then encoded in one pass.

    Raises ValueError for a pooling that the network cannot have, or a side that its patches do not fill.
    """

    precision = "auto"
    recomputes = True
    waste = 0.0
    mean: Float[Tensor, "3 1 1"]
    std: Float[Tensor, "3 1 1"]

    def __init__(
        self,
        network: "PreTrainedModel",
        side: int,
        pooling: Pooling | None = None,
        mean: Sequence[float] = MEAN,
        std: Sequence[float] = STD,
    ):
        super().__init__()
        self.network, self.side = network, side
        sizes = getattr(network.config, "hidden_sizes", None)
        self.dim = int(sizes[-1] if sizes else network.config.hidden_size)
        self.layers  # noqa: B018 - says which network cannot be read
        self.before = family.before(network)
        self.pooling = pooling or ("cls" if self._has_cls else "mean")
        self.register_buffer("mean", torch.tensor(mean)[:, None, None], persistent=False)
        self.register_buffer("std", torch.tensor(std)[:, None, None], persistent=False)
        self._frozen: list[nn.Module] = []
        self.filled(side)
        depth.replace(network)
        if (pooler := getattr(network, "pooler", None)) is not None:
            pooler.requires_grad_(False)  # its weights are kept for other tools, and never trained

    @property
    def _has_cls(self) -> bool:
        return getattr(family.embedding(self.network), "cls_token", None) is not None

    @property
    def pooling(self) -> Pooling:
        return self._pooling

    @pooling.setter
    def pooling(self, how: Pooling) -> None:
        if how not in get_args(Pooling):
            raise ValueError(f"pooling is one of {', '.join(get_args(Pooling))}; got {how!r}")
        if how == "cls" and not self._has_cls:
            raise ValueError(f"{type(self.network).__name__} has no token for the whole picture; pool by mean")
        self._pooling: Pooling = how

    @functools.cached_property
    def patch(self) -> int | None:
        """Pixels of a patch's side; None for a network of convolutions."""
        given = getattr(self.network.config, "patch_size", None) if self._tokens else None
        return int(given[0] if isinstance(given, Sequence) else given) if given else None

    @functools.cached_property
    def _tokens(self) -> bool:
        """Whether all hidden states are tokens, as many in each block, and no maps of features."""
        return isinstance(getattr(self.network.config, "num_attention_heads", None), int)

    @functools.cached_property
    def _maps(self) -> bool:
        """Whether the last hidden state is a map (b c h w), and no tokens (b t d); where heads differ, it is tried."""
        if self._tokens or not hasattr(self.network.config, "num_attention_heads"):
            return not self._tokens
        training = self.training
        with torch.no_grad():
            found = self.eval().network(pixel_values=self.mean.new_zeros(1, 3, self.side, self.side))
        self.train(training)
        return found.last_hidden_state.ndim == 4

    def filled(self, side: int) -> None:
        """Raises ValueError for a side that patches do not fill."""
        if side < 1 or (self.patch and side % self.patch):
            raise ValueError(
                f"patches of {self.patch} pixels do not fill a side of {side}; choose one that {self.patch} divides"
                if self.patch
                else f"a picture is 1 pixel wide or more; got {side}"
            )

    @property
    def layers(self) -> list[nn.Module]:
        return [family.embedding(self.network), *family.blocks(self.network)]

    @property
    def patches(self) -> nn.Module:
        """The norm behind the last block: its output (b t d) ends in the states of the patches, row by row."""
        if not self.patch:
            return super().patches
        return family.norm(self.network)

    @property
    def together(self) -> bool:
        still = {id(m) for part in self._frozen for m in part.modules()}
        norms = [m for m in self.network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        return any(id(m) not in still for m in norms)

    @property
    def noisy(self) -> bool:
        parts = [*self.network.modules()]
        return super().noisy or any(isinstance(m, depth.Depth) and m.rate > 0 for m in parts)

    def freeze(self, train_last: int | None = None) -> None:
        """Trains the last `train_last` blocks (stages) only, and the norm behind them; all of them for None.

        What is frozen has no noise, and keeps its running means. Each call decides anew. Raises ValueError if there
        are not that many blocks.
        """
        blocks = self.layers[1:]
        if train_last is not None and not 1 <= train_last <= len(blocks):
            raise ValueError(f"train_last is one of 1..{len(blocks)}, the blocks there are; got {train_last}")
        first = 0 if train_last is None else len(blocks) - train_last
        self._frozen = [self.layers[0], *blocks[:first]] if first else []
        self.network.requires_grad_(True)
        for part in [*self._frozen, *filter(None, [getattr(self.network, "pooler", None)])]:
            part.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> "Vision":
        super().train(mode)
        for part in self._frozen:
            part.eval()
        return self

    def prepare(self, raw: Sequence[Any]) -> list[Picture]:
        """Paths, bytes, images of Pillow, arrays, or pictures. Raises as `pictures.read.pixels` does."""
        return [x if isinstance(x, Picture) else self._picture(read.pixels(x)) for x in raw]

    def _picture(self, pixels: read.Pixels) -> Picture:
        """A picture much larger than the network wants is resized at once, to be held in little memory."""
        if min(pixels.shape[:2]) <= 2 * self.side:
            return Picture(pixels)
        from PIL import Image

        return Picture(np.asarray(Image.fromarray(pixels).resize((self.side, self.side), Image.Resampling.BICUBIC)))

    def size(self, sample: Picture) -> int:
        h, w = plan.size(sample, self.side)
        if self.patch:
            return (h // self.patch) * (w // self.patch) + self.before
        return -(-h * w // CELL)

    def collate(self, samples: Sequence[Picture]) -> Batch:
        """As `pictures.plan.tensors`; all samples are of one size."""
        return plan.tensors(samples, self.side)

    def forward(self, batch: Batch) -> Float[Tensor, "b d"]:
        x, key = (render(batch) - self.mean) / self.std, batch.get("key")
        with depth.keyed(key), self._recomputed(lambda block: depth.keyed(key)):
            return self._pooled(self.network(pixel_values=self._laid(x), **self._told(batch)).last_hidden_state)

    def _laid(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 h w"]:
        """In the order in memory that the network is fastest with. Weights stay as a checkpoint holds them."""
        return x if self.patch else x.contiguous(memory_format=torch.channels_last)

    def _told(self, batch: Batch) -> dict[str, Any]:
        """What the network is told beside the pixels: which patches are hidden, and that pictures may be of any size.

        Raises ValueError for a network that has nothing to put in the place of a hidden patch.
        """
        told: dict[str, Any] = {}
        if "interpolate_pos_encoding" in self._reads:
            told["interpolate_pos_encoding"] = True
        if (masked := batch.get("masked")) is not None:
            if getattr(family.embedding(self.network), "mask_token", None) is None:
                raise ValueError(
                    f"patches are masked, and {type(self.network).__name__} has no token for what is hidden; take a "
                    "network of DINOv2's kind (dinov2-tiny, ...), or mask nothing"
                )
            told["bool_masked_pos"] = masked
        return told

    @functools.cached_property
    def _reads(self) -> frozenset[str]:
        return frozenset(inspect.signature(self.network.forward).parameters)

    def _pooled(self, hidden: Tensor) -> Float[Tensor, "b d"]:
        """In fp32: a token, the mean over patches (b t d), or the mean over a map (b c h w)."""
        if hidden.ndim == 4:
            return hidden.float().mean((2, 3))
        return hidden[:, 0].float() if self.pooling == "cls" else hidden[:, self.before :].float().mean(1)

    @property
    def embedding(self) -> str:
        """Where an embedding is in what the network gives, as Python."""
        if self._maps:
            return "last_hidden_state.mean((2, 3))"
        return "last_hidden_state[:, 0]" if self.pooling == "cls" else f"last_hidden_state[:, {self.before}:].mean(1)"

    def _recomputed(self, again: Callable[[nn.Module], AbstractContextManager[Any]]) -> AbstractContextManager[None]:
        """Blocks that keep nothing, if that is wanted and there is something to keep."""
        wanted = self.recompute and self.training and torch.is_grad_enabled()
        return recomputed(self.layers[1:], again) if wanted else nullcontext()

    def save(self, folder: Path) -> None:
        """Writes the folder that `AutoModel` and `AutoImageProcessor` of `transformers` load.

        A ResNet with the stem for small pictures comes with its code (`small_resnet`): `load` runs none of a folder,
        `AutoModel` does with `trust_remote_code=True`, and refuses the folder without.
        """
        with layout.staged(folder) as new, quiet():
            self.network.save_pretrained(new, safe_serialization=True)
            layout.write_json(new / PROCESSOR, self._processor())
            layout.write_json(new / OURS, {"pooling": self.pooling, "embedding": self.embedding})

    def _processor(self) -> dict[str, Any]:
        return {
            "image_processor_type": "ViTImageProcessor",
            "do_convert_rgb": True,
            "do_resize": True,
            "size": {"height": self.side, "width": self.side},
            "resample": BICUBIC,
            "do_rescale": True,
            "rescale_factor": 1 / 255,
            "do_normalize": True,
            "image_mean": self.mean.flatten().tolist(),
            "image_std": self.std.flatten().tolist(),
        }
