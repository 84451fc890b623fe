"""AdamW with a rate per group of parameters, and the schedules."""

import math
from fnmatch import fnmatchcase

import torch
from torch import Tensor, nn

from diptych.core import Model, Objective, Optimiser
from diptych.train.rows import RowAdamW, fades


def build(settings: Optimiser, model: Model, objective: Objective, by_rows: bool = False) -> torch.optim.AdamW:
    """Groups the parameters by how they are moved; a rate of 0 freezes. Names are as in the encoder.

    With `by_rows`, tables of which a step looks up a few rows are moved row by row, unless there is weight decay or
    momentum lasts long, or weights begin late.

    Raises ValueError if a prefix in `settings.rates` or a pattern in `settings.late` fits no parameter, or none is left
    to learn.
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
    absent = [pattern for pattern in settings.late if not any(fnmatchcase(name, pattern) for name, _ in named)]
    if absent:
        raise ValueError(f"no parameter's name fits {absent[0]!r}; names are such as {named[-1][0]!r}")
    scale = _scales(settings, model)
    groups: dict[tuple[float, bool, int], list[nn.Parameter]] = {}
    for name, parameter in named:
        fitting = [prefix for prefix in settings.rates if name.startswith(prefix)]
        rate = settings.rates[max(fitting, key=len)] if fitting else settings.lr
        parameter.requires_grad_(parameter.requires_grad and rate > 0)
        if parameter.requires_grad:
            late = max((steps for pattern, steps in settings.late.items() if fnmatchcase(name, pattern)), default=0)
            decays = settings.decayed is None or parameter.ndim > 1
            groups.setdefault((rate * scale.get(id(parameter), 1.0), decays, late), []).append(parameter)
    if not groups:
        raise ValueError("nothing is left to train: every parameter is frozen")
    grouped = [
        {"params": parameters, "lr": rate, "peak": rate, "decays": decays, "late": late}
        for (rate, decays, late), parameters in groups.items()
    ]
    tables = [table for table in model.encoder.tables if table.weight.requires_grad]
    plain = not (settings.weight_decay or settings.weight_decay_end or settings.late)
    if by_rows and tables and plain and fades(settings.betas):
        return RowAdamW(grouped, tables, settings.betas)
    return torch.optim.AdamW(grouped, betas=settings.betas, weight_decay=settings.weight_decay, fused=True)


def _scales(settings: Optimiser, model: Model) -> dict[int, float]:
    """What the rate of a weight is multiplied by, for those within the encoder's layers."""
    if settings.layer_decay is None:
        return {}
    layers = model.encoder.layers
    return {
        id(parameter): settings.layer_decay ** (len(layers) - number)
        for number, layer in reversed([*enumerate(layers)])  # of tables that two layers share, the first counts
        for parameter in layer.parameters()
    }


def arrange(settings: Optimiser, optimiser: torch.optim.Optimizer, step: int, steps: int, epoch: int) -> float:
    """Sets rates and weight decay of all groups for a step (from 0); returns the part of the peak rate."""
    rate, decay = schedule(settings, step, steps, epoch), decay_at(settings, step, steps)
    for group in optimiser.param_groups:
        group["lr"] = group["peak"] * rate * (step >= group["late"])
        group["weight_decay"] = decay * group["decays"]
    return rate


def decay_at(settings: Optimiser, step: int, steps: int) -> float:
    """Weight decay at a step (from 0): constant, or half a cosine from its beginning to its end."""
    first, last = settings.weight_decay, settings.weight_decay_end
    return first if last is None else last + (first - last) * (1 + math.cos(math.pi * step / steps)) / 2


def parts(model: Model, objective: Objective) -> list[list[nn.Parameter]]:
    """The encoder's weights, those of each head, and what else learns in the objective."""
    heads = [model.head, *([model.language] if model.language else []), *(twin.model for twin in objective.twins)]
    found = [[*part.parameters()] for part in (model.encoder, *heads)]
    seen = {id(parameter) for part in found for parameter in part}
    return [*found, [parameter for parameter in objective.parameters() if id(parameter) not in seen]]


def cut(gradients: list[Tensor], norm: Tensor, longest: float) -> None:
    """Shortens gradients whose norm is more than `longest` to it, in place."""
    torch._foreach_mul_(gradients, (longest / (norm + 1e-6)).clamp(max=1.0))


def _starts(named: list[tuple[str, torch.nn.Parameter]]) -> str:
    return ", ".join(sorted({name.split(".")[0] for name, _ in named}))


def schedule(settings: Optimiser, step: int, steps: int, epoch: int) -> float:
    """The part of the peak rate at a step (from 0): linear up, then down to the end, in a line or half a cosine.

    The end is 0, or `settings.lr_end`. As in the code of arXiv:2508.03453 the warm-up is a part of one *epoch*, unless
    it is a number of steps.
    """
    warm = round(settings.warmup * min(epoch, steps)) if settings.warmup_steps is None else settings.warmup_steps
    if step < warm:
        return (step + 1) / (warm + 1)
    left = (steps - step) / max(1, steps - warm)
    part = left if settings.schedule == "linear" else (1 - math.cos(math.pi * left)) / 2
    end = (settings.lr_end or 0.0) / settings.lr
    return end + (1 - end) * part
