"""A static encoder: a text is the mean of its tokens' vectors. One table, no network.

Shapes: b samples, t tokens of all samples in one row, n tokens in the vocabulary, d width.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from diptych.core import Batch, Encoder, Text
from diptych.draws import at, kept
from diptych.encoders import folder as layout
from diptych.plural import counted
from diptych.tokens.damped import Reader
from diptych.tokens.tokenise import plain, tokenise


class Static(Encoder):
    """The mean of token vectors; zeros for an empty text. Rows are never padded.

    In training, `dropout` drops single entries of the token vectors before they are pooled and scales
    the others by 1 / (1 - dropout). What is dropped is decided by the sample's key and the token's
    place in the sample: the micro-batch does not matter. Without keys in the batch nothing is dropped.

    The pooling is fused with the lookup, so `layers` is one module, whose output is the pooled (b, d).

    Raises ValueError for a table that is too short for the tokenizer.
    """

    padded = False
    micro = 1 << 20  # nothing is kept per token

    def __init__(
        self, tokenizer: Tokenizer, table: Float[Tensor, "n d"], dropout: float = 0.0, normalize: bool = False
    ):
        super().__init__()
        self.tokenizer = plain(tokenizer)
        self._read = Reader.of(self.tokenizer)
        needed = 1 + max(self.tokenizer.get_vocab().values(), default=-1)
        if needed > len(table):
            raise ValueError(
                f"the tokenizer has {counted(needed, 'token')} and the table only {counted(len(table), 'vector')}"
            )
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout is a probability in [0, 1); got {dropout}")
        self.embedding = Bag(table.float(), dropout)
        self.dim, self.normalize = table.shape[1], normalize

    @property
    def layers(self) -> list[nn.Module]:
        return [self.embedding]

    @property
    def tables(self) -> list[nn.Module]:
        return [self.embedding]

    @property
    def noisy(self) -> bool:
        return self.embedding.dropout > 0

    def prepare(self, raw: Sequence[str]) -> list[Text]:
        return tokenise(self._read, raw)

    def size(self, sample: Text) -> int:
        return max(1, len(sample.ids))

    def collate(self, samples: Sequence[Text]) -> Batch:
        """`ids` (t) of all samples in one row, and `offsets` (b), where each of them starts."""
        lengths = [len(sample.ids) for sample in samples]
        offsets = np.cumsum([0, *lengths[:-1]])
        ids = np.concatenate([sample.ids for sample in samples])
        return {"ids": torch.from_numpy(ids.astype(np.int64)), "offsets": torch.from_numpy(offsets)}

    def forward(self, batch: Batch) -> Float[Tensor, "b d"]:
        pooled = self.embedding(batch["ids"], batch["offsets"], batch.get("key"))
        return F.normalize(pooled, dim=-1) if self.normalize else pooled

    def save(self, folder: Path) -> None:
        """Writes what sentence-transformers loads as a `StaticEmbedding`; dropout is not part of it."""
        modules: list[tuple[str, str, dict[str, Any] | None]] = [("StaticEmbedding", "", None)]
        if self.normalize:
            modules.append(("Normalize", "1_Normalize", {}))
        with layout.staged(folder) as new:
            save_file({"embedding.weight": self.embedding.weight.detach().cpu()}, new / "model.safetensors")
            self.tokenizer.save(str(new / "tokenizer.json"))
            layout.write_chain(new, modules)


class Bag(nn.Module):
    """Looks vectors up and pools them in one pass.

    If there is a `look`, it is told which rows are about to be looked up, and the gradient has these alone (sparse).
    It may give the rows itself.
    """

    def __init__(self, table: Float[Tensor, "n d"], dropout: float):
        super().__init__()
        self.weight, self.dropout = nn.Parameter(table.detach().clone().contiguous()), dropout
        self.look: Callable[[Tensor], Tensor | None] | None = None

    def forward(
        self, ids: Int[Tensor, " t"], offsets: Int[Tensor, " b"], key: Int[Tensor, " b"] | None = None
    ) -> Float[Tensor, "b d"]:
        table: Tensor = self.weight
        if self.look:
            rows, ids = _distinct(ids, len(table))
            given = self.look(rows)
            table = _Rows.apply(table, rows) if given is None else given
        if key is None or not (self.training and self.dropout):
            return F.embedding_bag(ids, table, offsets, mode="mean")
        pooled: Tensor = _DroppedBag.apply(table, ids, offsets, key, self.dropout)
        return pooled


def _distinct(ids: Int[Tensor, " t"], n: int) -> tuple[Int[Tensor, " u"], Int[Tensor, " t"]]:
    """The numbers below n that there are, and the place of each of `ids` among them."""
    there = torch.zeros(n, dtype=torch.int32, device=ids.device).index_fill_(0, ids, 1)
    return there.nonzero().flatten(), (there.cumsum(0) - 1)[ids]


class _Rows(torch.autograd.Function):
    """Distinct rows of a table."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, rows: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        ctx.shape = table.shape
        return table.index_select(0, rows)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (rows,) = ctx.saved_tensors
        return torch.sparse_coo_tensor(rows[None], gradient, ctx.shape, check_invariants=False, is_coalesced=True), None


class _DroppedBag(torch.autograd.Function):
    """`Bag` with keyed dropout, a few tokens at a time; the noise is drawn again for the gradient."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, ids: Tensor, offsets: Tensor, key: Tensor, p: float) -> Tensor:
        counts = torch.diff(offsets, append=offsets.new_tensor([len(ids)]))
        sample = torch.repeat_interleave(counts)
        place = torch.arange(len(ids), device=ids.device) - offsets[sample]
        noise = at(key[sample], place)
        scale = 1 / counts.clamp(min=1)[:, None]
        ctx.save_for_backward(ids, sample, noise, scale)
        ctx.p, ctx.n, width = p, len(table), table.shape[1]
        pooled = table.new_zeros(len(offsets), width)
        for some, row, k in zip(ids.split(CHUNK), sample.split(CHUNK), noise.split(CHUNK), strict=True):
            pooled.index_add_(0, row, table.index_select(0, some).mul_(kept(k, width, p, table.dtype)))
        return pooled.mul_(scale)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        ids, sample, noise, scale = ctx.saved_tensors
        gradient = gradient * scale
        width, dtype = gradient.shape[1], gradient.dtype
        table = gradient.new_zeros(ctx.n, width)
        for some, row, k in zip(ids.split(CHUNK), sample.split(CHUNK), noise.split(CHUNK), strict=True):
            table.index_add_(0, some, gradient.index_select(0, row).mul_(kept(k, width, ctx.p, dtype)))
        return table, None, None, None, None


CHUNK = 2048  # tokens whose vectors are in the processor's cache together


def fresh(tokenizer: Tokenizer, dim: int, seed: int = 0, dropout: float = 0.0, normalize: bool = False) -> Static:
    """An untrained table: normal vectors of length about one, decided by the seed."""
    rows = 1 + max(tokenizer.get_vocab().values(), default=-1)
    table = torch.randn(rows, dim, generator=torch.Generator().manual_seed(seed)) * dim**-0.5
    return Static(tokenizer, table, dropout, normalize)


def load(folder: Path, dropout: float = 0.0) -> Static:
    """Reads a `StaticEmbedding` of sentence-transformers, or the weights of model2vec.

    Raises FileNotFoundError or ValueError for a folder that holds neither.
    """
    chain = layout.chain(folder)
    home = chain[0].folder if chain else folder
    for name in ("model.safetensors", "tokenizer.json"):
        if not (home / name).exists():
            raise FileNotFoundError(f"a static model has {name}; {home} has none (a pickle is never opened)")
    settings = layout.config(home) | layout.config(home, "config_sentence_transformers.json")
    normalize = any(module.kind == "Normalize" for module in chain) or bool(settings.get("normalize"))
    with layout.reading("tokenizer", home):
        tokenizer = Tokenizer.from_file(str(home / "tokenizer.json"))
    return Static(tokenizer, _table(home / "model.safetensors"), dropout, normalize)


def _table(file: Path) -> Float[Tensor, "n d"]:
    try:
        weights = load_file(file)
    except SafetensorError as error:
        raise ValueError(f"{file} is no whole safetensors file: {error}") from None
    if "embedding.weight" in weights:
        return weights["embedding.weight"].float()
    if "embeddings" not in weights:
        raise ValueError(f"{file} has {sorted(weights)[:5]}; a table is `embedding.weight` or `embeddings`")
    table = weights["embeddings"].float()
    if "mapping" in weights:  # model2vec: token -> row, and a weight for each token
        table = table[weights["mapping"].long()]
    return table * weights["weights"].float()[:, None] if "weights" in weights else table
