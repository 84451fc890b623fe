"""AdamW for a table of which a step looks up a few rows: the others move when they are looked up again.

AdamW also moves a row that has no gradient, by its fading momentum: at step n

    m <- b1 m,   v <- b2 v,   w <- w - c_n m / sqrt(v)   with   c_n = lr_n sqrt(1 - b2^n) / (1 - b1^n)

(epsilon left out). What a row moves in the steps s+1 .. t after it was last looked up is therefore m_s / sqrt(v_s)
times sum_n c_n (b1 / sqrt(b2))^(n - s), and the sum is the same for all rows that were last looked up at s.
"""

import math
from collections.abc import Sequence
from typing import Any, Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

FADED = 512  # steps after which the momentum of a row moves it no more: (b1 / sqrt(b2))^512 is 1e-23
TINY = 1e-30  # in place of a zero beneath a zero
CHUNK = 256  # rows whose numbers are in the processor's cache together


class Table(Protocol):
    """A module with a `weight` (n d) that tells `look` which rows (distinct) it is about to look up."""

    weight: Any
    look: Any


class RowAdamW(torch.optim.AdamW):
    """AdamW without weight decay; tables give gradients of few rows, and are moved row by row.

    Up to rounding and epsilon the weights that a step sees are those of `torch.optim.AdamW`. Between steps, rows
    that were not looked up are behind; `close` brings all of them up to date.
    """

    def __init__(self, groups: Sequence[dict[str, Any]], tables: Sequence[Table], betas: tuple[float, float]):
        super().__init__(groups, betas=betas, weight_decay=0.0, fused=True)
        self._tables = tables
        for table in tables:
            w = table.weight
            self.state[w] = {"step": torch.zeros(()), "exp_avg": torch.zeros_like(w), "exp_avg_sq": torch.zeros_like(w)}
            self.state[w] |= {"last": w.new_zeros(len(w), dtype=torch.int64), "moved": w.new_zeros(1)}
            table.look = _Look(self, w)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        for table in self._tables:  # torch turns all but `step` into the numbers of the weights
            state = self.state[table.weight]
            state["last"] = state["last"].long()

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        for group in self.param_groups:
            for table in self._tables:
                if any(table.weight is weight for weight in group["params"]):
                    self._step_rows(table.weight, group)
        return super().step(closure)

    def _step_rows(self, weight: Tensor, group: dict[str, Any]) -> None:
        state, (b1, b2), lr = self.state[weight], group["betas"], group["lr"]
        rows, gradient = self._rows(weight)
        state["step"] += 1
        n = int(state["step"])
        root, share = math.sqrt(1 - b2**n), 1 - b1**n
        for some, g in zip(rows.split(CHUNK), gradient.split(CHUNK), strict=True):
            m = state["exp_avg"].index_select(0, some).lerp_(g, 1 - b1)
            v = state["exp_avg_sq"].index_select(0, some).mul_(b2).addcmul_(g, g, value=1 - b2)
            state["exp_avg"].index_copy_(0, some, m)
            state["exp_avg_sq"].index_copy_(0, some, v)
            weight.index_add_(0, some, m.div_(v.sqrt_().div_(root).add_(group["eps"])), alpha=-lr / share)
        state["last"][rows] = n
        ago = torch.arange(min(n, FADED), 0, -1, device=weight.device, dtype=weight.dtype)
        state["moved"][-len(ago) :] += lr * root / share * (b1 / math.sqrt(b2)) ** ago
        state["moved"] = torch.cat([state["moved"], weight.new_zeros(1)])

    def _rows(self, weight: Tensor) -> tuple[Int[Tensor, " u"], Float[Tensor, "u d"]]:
        """The rows that have a gradient, and it, which is taken from the weight."""
        gradient, weight.grad = weight.grad, None
        if gradient is None:
            return weight.new_zeros(0, dtype=torch.int64), weight.new_zeros(0, weight.shape[1])
        if gradient.is_sparse:
            gradient = distinct(gradient)
            return gradient._indices()[0], gradient._values()
        rows = torch.arange(len(weight), device=weight.device)
        self.catch_up(weight, rows)
        return rows, gradient

    @torch.no_grad()
    def catch_up(self, weight: Tensor, rows: Int[Tensor, " u"]) -> None:
        """Moves rows to where they are after the last step."""
        state, (b1, b2) = self.state[weight], self.param_groups[0]["betas"]
        n, last = int(state["step"]), state["last"].index_select(0, rows)
        late = (last > 0) & (last < n)  # what was never looked up has not moved
        rows, last = rows[late], last[late]
        ago, moved = (n - last)[:, None].to(weight.dtype), state["moved"][last, None].neg_()
        parts = (x.split(CHUNK) for x in (rows, moved, b1**ago, b2**ago))
        for some, way, fade, shrink in zip(*parts, strict=True):
            m, v = (state[name].index_select(0, some) for name in ("exp_avg", "exp_avg_sq"))
            weight.index_add_(0, some, v.sqrt().add_(TINY).reciprocal_().mul_(m).mul_(way))
            state["exp_avg"].index_copy_(0, some, m.mul_(fade))
            state["exp_avg_sq"].index_copy_(0, some, v.mul_(shrink))
        state["last"][rows] = n

    def close(self) -> None:
        """Brings all rows up to date, and lets go of the tables."""
        for table in self._tables:
            if table.look is not None:
                self.catch_up(table.weight, torch.arange(len(table.weight), device=table.weight.device))
            table.look = None


def distinct(gradient: Tensor) -> Tensor:
    """A sparse gradient that has every row once. (`coalesce` alone would sort the rows, sorted or not.)"""
    rows = gradient._indices()[0]
    return gradient if bool((rows[1:] > rows[:-1]).all()) else gradient.coalesce()


class _Look:
    """What a table tells before it looks rows up. A copy of the table tells nobody."""

    def __init__(self, optimiser: RowAdamW, weight: Tensor):
        self.optimiser, self.weight = optimiser, weight

    def __call__(self, rows: Int[Tensor, " u"]) -> None:
        self.optimiser.catch_up(self.weight, rows)

    def __deepcopy__(self, memo: Any) -> None:
        return None
