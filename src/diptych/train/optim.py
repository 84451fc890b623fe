"""AdamW with a rate per group of parameters, and the schedule."""

import math

import torch

from diptych.core import Model, Objective, Optimiser
from diptych.train.rows import RowAdamW, fades


def build(settings: Optimiser, model: Model, objective: Objective, by_rows: bool = False) -> torch.optim.AdamW:
    """Groups the parameters by learning rate; a rate of 0 freezes. Names are as in the encoder.

    With `by_rows`, tables of which a step looks up a few rows are moved row by row, unless there is weight decay or
    momentum lasts long.

    Raises ValueError if a prefix in `settings.rates` fits no parameter, or none is left to learn.
    """
    named = [
        *model.encoder.named_parameters(),
        *model.head.named_parameters("head"),
        *(model.language.named_parameters("language") if model.language else ()),
        *objective.named_parameters("objective"),
    ]
    unused = [prefix for prefix in settings.rates if not any(name.startswith(prefix) for name, _ in named)]
    if unused:
        raise ValueError(f"no parameter's name starts with {unused[0]!r}; they start with {_starts(named)}")
    groups: dict[float, list[torch.nn.Parameter]] = {}
    for name, parameter in named:
        fitting = [prefix for prefix in settings.rates if name.startswith(prefix)]
        rate = settings.rates[max(fitting, key=len)] if fitting else settings.lr
        parameter.requires_grad_(parameter.requires_grad and rate > 0)
        if parameter.requires_grad:
            groups.setdefault(rate, []).append(parameter)
    if not groups:
        raise ValueError("nothing is left to train: every parameter is frozen")
    grouped = [{"params": parameters, "lr": rate, "peak": rate} for rate, parameters in groups.items()]
    tables = [table for table in model.encoder.tables if table.weight.requires_grad]
    if by_rows and tables and not settings.weight_decay and fades(settings.betas):
        return RowAdamW(grouped, tables, settings.betas)
    return torch.optim.AdamW(grouped, betas=settings.betas, weight_decay=settings.weight_decay, fused=True)


def _starts(named: list[tuple[str, torch.nn.Parameter]]) -> str:
    return ", ".join(sorted({name.split(".")[0] for name, _ in named}))


def schedule(settings: Optimiser, step: int, steps: int, epoch: int) -> float:
    """The part of the peak rate at a step (from 0): linear up, then down to 0 at the end, in a line or half a cosine.

    As in the code of arXiv:2508.03453 the warm-up is a part of one *epoch*, unless it is a number of steps.
    """
    warm = round(settings.warmup * min(epoch, steps)) if settings.warmup_steps is None else settings.warmup_steps
    if step < warm:
        return (step + 1) / (warm + 1)
    left = (steps - step) / max(1, steps - warm)
    return left if settings.schedule == "linear" else (1 - math.cos(math.pi * left)) / 2
