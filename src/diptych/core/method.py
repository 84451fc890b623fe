"""A method, whole: what is learned, from what and how, and the call that said so."""

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from diptych import citations
from diptych.core.instrument import Instrument
from diptych.core.model import Model
from diptych.core.objective import Objective
from diptych.core.optimiser import Optimiser
from diptych.core.samples import Data
from diptych.core.teacher import Teacher
from diptych.core.views import View


@dataclass(frozen=True)
class Call:
    """A recipe's function and all its arguments: what `run.toml` holds."""

    function: str  # "package.module:name"
    arguments: Mapping[str, Any]


@dataclass
class Recipe:
    """A method on some data: everything that decides what is learned, nothing about the machine."""

    model: Model
    views: Sequence[View]
    objective: Objective
    data: Data
    optimiser: Optimiser
    batch: int  # samples per step, as the objective sees them
    steps: int
    seed: int = 0
    teacher: Teacher | None = None
    documents: Any = None  # what the model is judged on, with labels where there are any
    tasks: Sequence[Any] = ()  # what it is asked besides: tasks of `evaluate/task.py`
    instruments: Sequence[Instrument] = ()  # what is measured while training, besides alignment and uniformity
    notes: Sequence[str] = ()  # what a person should know of what was understood
    call: Call | None = None

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ValueError(f"a run takes at least one step; got steps={self.steps}")
        if not 0 <= self.seed < 2**63:
            raise ValueError(f"a seed is from 0 to 2**63 - 1; got seed={self.seed}")
        if self.batch < 1:
            raise ValueError(f"a batch has at least one sample; got batch={self.batch}")
        for view in self.views:
            self.model.stoppable(view.perturb)

    def cite(self) -> str:
        """BibTeX of what it uses, each entry under a comment that says for what."""
        return citations.bibtex(citations.of_recipe(self))


def recipe(function: Callable[..., Recipe]) -> Callable[..., Recipe]:
    """Marks a function that returns a Recipe: the recipe remembers the call that made it."""

    signature = inspect.signature(function)

    @functools.wraps(function)
    def recorded(*args: Any, **kwargs: Any) -> Recipe:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        arguments: dict[str, Any] = {}
        for name, value in bound.arguments.items():
            if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
                arguments |= value
            else:
                arguments[name] = value
        made_by = f"{function.__module__}:{function.__qualname__}"
        return replace(function(*args, **kwargs), call=Call(made_by, arguments))

    recorded.is_recipe = True  # type: ignore[attr-defined]
    return recorded
