"""Texts of any length in one row of tokens: a network computes no padding, and attention stays within a text.

`transformers` lets one register an attention function of one's own. Ours knows where the texts of a row begin
and end, and multiplies texts of about one length together. Linear layers see the row as it is; positions start
anew at every text.

Shapes: b texts, t tokens of all of them, h heads, d width of a head; of a group, g texts padded to n tokens.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from diptych.draws import places
from diptych.encoders import noise
from diptych.encoders.tried import tried

if TYPE_CHECKING:
    from transformers import PreTrainedModel

NAME = "diptych_packed"  # of our attention function, as `transformers` knows it
STEP = {"cpu": 16, "cuda": 64}  # in attention, lengths are padded to a multiple of this: few shapes are fast


def rounded(t: int) -> int:
    """The tokens of a row, with a few more (at most one in 32), so that few lengths of rows occur.

    Every new shape of a product is prepared anew, which takes milliseconds, and kept.
    """
    quantum = max(1, (1 << t.bit_length()) // 64)
    return -(-t // quantum) * quantum


@dataclass(frozen=True)
class Group:
    """Texts of about one length. Their padded tokens follow those of the groups before it."""

    texts: Int[Tensor, " g"]
    n: int
    real: Bool[Tensor, "g n"]
    whole: bool  # nothing is padded


@dataclass(frozen=True)
class Layout:
    """Where the texts of a row are."""

    edges: Int[Tensor, " b+1"]
    groups: list[Group]
    padded: int  # tokens of all groups
    first: Int[Tensor, " t"]  # for a token: the padded tokens before its text
    width: Int[Tensor, " t"]  # for a token: the padded length of its text
    place: Int[Tensor, " t"]  # of a token in its text
    rows_: dict[int, Int[Tensor, " t*h"]] = field(default_factory=dict)

    @staticmethod
    def of(edges: Int[Tensor, " b+1"], t: int | None = None, kind: str | None = None) -> "Layout":
        """Of a row of `t` tokens; those behind the last edge are a text of their own.

        Padded as on devices of a kind, that of the edges if none is given.
        """
        ends = edges.tolist()  # a GPU is waited for this once
        if t is not None and t > ends[-1]:
            edges, ends = torch.cat([edges, edges.new_tensor([t])]), [*ends, t]
        lengths, sizes = edges.diff(), np.diff(ends)
        step = STEP.get(kind or edges.device.type, 64)
        widths = -(-sizes // step) * step
        first, groups, before = np.empty_like(widths), [], 0
        for n in np.unique(widths).tolist():
            rows = np.flatnonzero(widths == n)
            texts = _on(rows, edges.device)
            real = torch.arange(n, device=edges.device) < lengths[texts, None]
            first[rows] = before + n * np.arange(len(rows))
            groups.append(Group(texts, n, real, bool((sizes[rows] == n).all())))
            before += n * len(rows)
        text, place = places(edges, ends[-1])
        return Layout(edges, groups, before, _on(first, edges.device)[text], _on(widths, edges.device)[text], place)

    def rows(self, heads: int) -> Int[Tensor, " t*h"]:
        """Where each head of each token is among the padded ones: groups, texts, heads, tokens."""
        if heads not in self.rows_:
            head = torch.arange(heads, device=self.first.device) * self.width[:, None]
            self.rows_[heads] = (self.first[:, None] * heads + head + self.place[:, None]).flatten()
        return self.rows_[heads]


def _on(x: Int[np.ndarray, " n"], device: torch.device) -> Int[Tensor, " n"]:
    return torch.from_numpy(x).to(device, non_blocking=True)


class _Spread(torch.autograd.Function):
    """Rows to their places among `n` rows; the others are zero."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: Tensor, n: int) -> Tensor:
        ctx.save_for_backward(rows)
        return x.new_zeros(n, x.shape[1]).index_copy_(0, rows, x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (rows,) = ctx.saved_tensors
        return gradient.index_select(0, rows), None, None


class _Gathered(torch.autograd.Function):
    """The inverse of `_Spread`."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, rows: Tensor) -> Tensor:
        ctx.save_for_backward(rows)
        ctx.n = len(x)
        return x.index_select(0, rows)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        (rows,) = ctx.saved_tensors
        return gradient.new_zeros(ctx.n, gradient.shape[1]).index_copy_(0, rows, gradient), None


_layout: ContextVar[Layout] = ContextVar("layout")


@contextmanager
def laid_out(network: "PreTrainedModel", layout: Layout) -> Iterator[None]:
    """While open, the network's attention works on a row of this layout."""
    _register()
    token, before = _layout.set(layout), network.config._attn_implementation
    network.config._attn_implementation = NAME
    try:
        yield
    finally:
        network.config._attn_implementation = before
        _layout.reset(token)


@cache
def _register() -> None:
    from transformers import AttentionInterface

    AttentionInterface.register(NAME, attention)


def attention(
    module: nn.Module,
    query: Float[Tensor, "1 h t d"],
    key: Float[Tensor, "1 k t d"],
    value: Float[Tensor, "1 k t d"],
    mask: None,
    scaling: float | None = None,
    dropout: float = 0.0,
    sliding_window: int | None = None,
    softcap: float | None = None,
    s_aux: Tensor | None = None,
    **more: Any,
) -> tuple[Float[Tensor, "1 t h d"], None]:
    """Attention of every text to itself. Keys and values may have fewer heads, each for several of the queries.

    With `softcap` no score is above it (Gemma 2, arXiv:2408.00118). Raises NotImplementedError for attention sinks.
    """
    if s_aux is not None:
        raise NotImplementedError("packed attention knows no sinks")
    layout = _layout.get()
    (h, t, d), dtype = query.shape[1:], value.dtype
    scale = d**-0.5 if scaling is None else scaling
    causal = bool(getattr(module, "is_causal", False)) and more.get("is_causal") is not False
    q, k, v = (_spread(x, layout) for x in (query * scale, key, value))
    outs = []
    for group, a, b, c in zip(layout.groups, q, k, v, strict=True):
        if len(b[0]) != h:
            b, c = (x.repeat_interleave(h // x.shape[1], 1) for x in (b, c))
        scores = torch.matmul(a, b.transpose(2, 3))
        if softcap is not None:
            scores = softcap * torch.tanh(scores / softcap)
        seen = _seen(group, causal, sliding_window)
        if seen is not None:
            scores = scores.masked_fill_(~seen, torch.finfo(scores.dtype).min)  # -inf alone in a row is NaN
        weights = noise.dropout_weights(scores.softmax(-1), dropout, module, group.texts)
        outs.append(torch.matmul(weights.to(dtype), c).reshape(-1, d))
    out: Tensor = _Gathered.apply(torch.cat(outs), layout.rows(h))
    return out.view(1, t, h, d), None


def _spread(x: Float[Tensor, "1 h t d"], layout: Layout) -> list[Float[Tensor, "g h n d"]]:
    """The texts of each group, padded with zeros."""
    heads, _, d = x.shape[1:]
    rows = x.transpose(1, 2).reshape(-1, d)
    out: Tensor = _Spread.apply(rows, layout.rows(heads), layout.padded * heads)
    parts = out.split([group.real.numel() * heads for group in layout.groups])
    return [part.view(-1, heads, group.n, d) for part, group in zip(parts, layout.groups, strict=True)]


def _seen(group: Group, causal: bool, window: int | None) -> Bool[Tensor, "g 1 n n"] | None:
    """Which tokens each token looks at; None is all."""
    if group.whole and not causal and (window is None or window >= group.n):
        return None
    seen = group.real[:, None, None, :]
    apart = torch.arange(group.n, device=seen.device)[:, None] - torch.arange(group.n, device=seen.device)
    if causal:
        seen = seen & (apart >= 0)
    if window is not None and window < group.n:
        seen = seen & (apart.abs() < window)
    return seen


def packable(network: "PreTrainedModel", first: int, lower: Callable[[], AbstractContextManager[None]]) -> bool:
    """Whether a network makes of two texts in one row what it makes of each alone, and computes in bf16: it is tried.

    `first` is the number of a text's first place; while `lower` is open the blocks compute in bf16.
    """
    if not getattr(network, "_supports_attention_backend", False):
        return False
    ids = torch.tensor([3, 4, 3, 4, 4, 3, 3, 4, 3]) % network.get_input_embeddings().num_embeddings
    ids = ids.to(network.device)
    layout = Layout.of(torch.tensor([0, 4, 9], device=ids.device))
    positions = (layout.place + first)[None]
    try:  # in fp32: rounding is no difference
        with tried(network), torch.inference_mode(), torch.autocast(ids.device.type, enabled=False):
            alone = torch.cat([network(input_ids=part[None]).last_hidden_state[0] for part in (ids[:4], ids[4:])])
            with laid_out(network, layout):
                row = network(input_ids=ids[None], position_ids=positions).last_hidden_state[0]
                with lower():
                    network(input_ids=ids[None], position_ids=positions)
            if network.dtype == torch.float32:
                return torch.allclose(alone, row, rtol=1e-3, atol=1e-4)
            as_one = network(input_ids=ids[None]).last_hidden_state[0]  # beside this, rounding is little
            return bool((alone - row).norm() < 0.1 * (alone - as_one).norm())
    except (NotImplementedError, TypeError, RuntimeError, IndexError):
        return False
