"""AdamW for a table of which a step looks up a few rows: the others move when they are looked up again.

AdamW also moves a row that has no gradient, by its fading momentum: at step n

    m <- b1 m,   v <- b2 v,   w <- w - lr_n / (1 - b1^n) m / (sqrt(v) / sqrt(1 - b2^n) + epsilon)

What a row moves in the steps s+1 .. t after it was last looked up is m_s / sqrt(v_s) times A where epsilon is nothing
beside v, and m_s / epsilon times B where v is nothing beside epsilon, with

    A = sum_n lr_n sqrt(1 - b2^n) / (1 - b1^n) (b1 / sqrt(b2))^(n - s),   B = sum_n lr_n / (1 - b1^n) b1^(n - s),

which are the same for all rows that were last looked up at s; in between, m_s / (sqrt(v_s) / A + epsilon / B) is taken.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

FADED = 512  # steps after which the momentum of a row moves it no more
TINY = 1e-37  # in place of a zero beneath a zero
TOGETHER = 4096  # rows that are brought up to date at once, at the end


class Table(Protocol):
    """A module with a `weight` (n d) that tells `look` which rows (distinct) it is about to look up."""

    weight: Any
    look: Any


def fades(betas: tuple[float, float]) -> bool:
    """Whether momentum is forgotten sooner than the size of gradients is, and within FADED steps."""
    b1, b2 = betas
    return b1 < math.sqrt(b2) and (b1 / math.sqrt(b2)) ** FADED < 1e-9


class RowAdamW(torch.optim.AdamW):
    """AdamW without weight decay; tables give gradients of few rows, and are moved row by row.

    The weights that a step sees are those of `torch.optim.AdamW`, up to rounding where gradients are far above
    epsilon, and to a part of the row's fading move where they are near it. Between steps, rows that were not looked
    up are behind; `close` brings all of them up to date.
    """

    def __init__(self, groups: Sequence[dict[str, Any]], tables: Sequence[Table], betas: tuple[float, float]):
        super().__init__(groups, betas=betas, weight_decay=0.0, fused=True)
        self._tables = tables
        for table in tables:
            w = table.weight
            self.state[w] = {"step": torch.zeros(()), "exp_avg": torch.zeros_like(w), "exp_avg_sq": torch.zeros_like(w)}
            self.state[w] |= {"last": w.new_zeros(len(w), dtype=torch.int64), "moved": w.new_zeros(1, 2)}
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
        m = state["exp_avg"].index_select(0, rows).lerp_(gradient, 1 - b1)
        v = state["exp_avg_sq"].index_select(0, rows).mul_(b2).addcmul_(gradient, gradient, value=1 - b2)
        state["exp_avg"].index_copy_(0, rows, m)
        state["exp_avg_sq"].index_copy_(0, rows, v)
        weight.index_add_(0, rows, m.div_(v.sqrt_().div_(root).add_(group["eps"])), alpha=-lr / share)
        state["last"][rows] = n
        ago = torch.arange(min(n, FADED), 0, -1, device=weight.device, dtype=weight.dtype)
        moves = [root * (b1 / math.sqrt(b2)) ** ago, b1**ago]
        state["moved"][-len(ago) :] += lr / share * torch.stack(moves, 1)
        state["moved"] = torch.cat([state["moved"], weight.new_zeros(1, 2)])

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
        late, m, v, move = self._behind(weight, rows)
        rows, n = rows[late], int(state["step"])
        ago = (n - state["last"].index_select(0, rows))[:, None].to(weight.dtype)
        weight.index_add_(0, rows, move)
        state["exp_avg"].index_copy_(0, rows, m.mul_(b1**ago))
        state["exp_avg_sq"].index_copy_(0, rows, v.mul_(b2**ago))
        state["last"][rows] = n

    @torch.no_grad()
    def seen(self, weight: Tensor, rows: Int[Tensor, " u"]) -> Float[Tensor, "u d"]:
        """Rows as they are after the last step; nothing is moved."""
        late, _, _, move = self._behind(weight, rows)
        return weight.index_select(0, rows).index_add_(0, late, move)

    def _behind(self, weight: Tensor, rows: Int[Tensor, " u"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Which of the rows lack steps, their momentum and size of gradients, and what they are to be moved by."""
        state, group = self.state[weight], self.param_groups[0]
        last = state["last"].index_select(0, rows)
        late = ((last > 0) & (last < int(state["step"]))).nonzero().flatten()  # never looked up has not moved
        rows, last = rows[late], last[late]
        m, v = (state[name].index_select(0, rows) for name in ("exp_avg", "exp_avg_sq"))
        far, near = state["moved"][last].T[:, :, None]
        size = v.sqrt().mul_(near).add_(group["eps"] * far).clamp_(min=TINY)
        return late, m, v, size.reciprocal_().mul_(m).mul_(-far * near)

    def close(self) -> None:
        """Brings all rows up to date, and lets go of the tables."""
        for table in self._tables:
            if table.look is not None:
                self.bring_up(table.weight)
            table.look = None

    def bring_up(self, weight: Tensor) -> None:
        """Moves all rows of a table to where they are after the last step."""
        for rows in torch.arange(len(weight), device=weight.device).split(TOGETHER):
            self.catch_up(weight, rows)


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

    def seen(self, rows: Int[Tensor, " u"]) -> Float[Tensor, "u d"]:
        """In place of telling: rows as they are, which are not moved."""
        return self.optimiser.seen(self.weight, rows)

    @contextmanager
    def current(self) -> Iterator[None]:
        """While open, all rows are where they are after the last step; then all is as it was, to the bit."""
        state = self.optimiser.state[self.weight]
        changed = [self.weight.data, state["exp_avg"], state["exp_avg_sq"], state["last"]]
        before = [x.clone() for x in changed]
        try:
            self.optimiser.bring_up(self.weight)
            yield
        finally:
            for now, then in zip(changed, before, strict=True):
                now.copy_(then)

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        return type(None), ()
