"""A task: texts that are embedded, and the scores of their embeddings. A suite is a list of tasks."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from diptych.measure.rows import Rows

Look = Callable[[Sequence[str]], Rows]  # the embeddings of texts, in their order; rows are not normalised


@dataclass(frozen=True)
class Result:
    """A line of a suite's table: one score of a task.

    `value` is in the unit the field reports (x 100 for correlations, accuracies, V-measure, nDCG, average precision).
    `low` and `high` bound its 95 % interval, if one is known; `how` says what that interval is over. `n` is the number
    of items that were scored. Only lines that are `main` count in the mean of a suite. `note` is what a person
    should know of this score, if there is anything.
    """

    task: str  # "stsb", or for a part of it "sts12/MSRpar"
    metric: str  # "spearman", "accuracy", "v_measure", "ndcg@10"
    value: float
    n: int
    low: float | None = None
    high: float | None = None
    how: str = ""
    main: bool = True
    note: str = ""


class Task(Protocol):
    """What is asked of embeddings.

    All `texts` of all tasks are embedded once, together, before any is scored.
    """

    @property
    def name(self) -> str: ...

    @property
    def texts(self) -> Sequence[str]: ...

    def score(self, look: Look) -> list[Result]: ...


@runtime_checkable
class Noted(Protocol):
    """A task that has something to say of its data, whatever the model: what was left out, what is missing."""

    @property
    def notes(self) -> Sequence[str]: ...
