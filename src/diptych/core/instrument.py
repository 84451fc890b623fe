"""What is measured while a model is trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from diptych.core.model import Model
from diptych.core.objective import Views


@dataclass(frozen=True)
class Snapshot:
    """A moment of a run: the number of steps taken, the model, and what the objective last saw.

    To embed with the model shows it as it is. The `weight` of a table is behind in rows that no step looked up lately.
    """

    step: int
    model: Model
    views: Views


class Instrument(Protocol):
    """Looks at a run and names what it sees.

    It looks whenever a line of metrics.jsonl is written; one with an attribute `every`, after so many steps and at the
    end. It changes nothing, not even the state of a random generator.
    """

    def __call__(self, snapshot: Snapshot) -> Mapping[str, float]: ...
