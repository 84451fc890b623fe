"""What a check found: a verdict, the numbers behind it, and what to do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from diptych.core import Machine, Recipe

Verdict = Literal["ok", "look", "stop"]  # fine; worth a look before hours are spent; training would fail


@dataclass(frozen=True)
class Finding:
    """`told` is a sentence with its numbers, `remedy` what to do where there is something to do."""

    check: str
    verdict: Verdict
    told: str
    remedy: str = ""
    numbers: Mapping[str, float | int | str | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Subject:
    """What is looked at: a recipe, where it is to run, and some of its texts, drawn at random.

    `documents` is how many there are in all, croppable or not.
    """

    recipe: Recipe
    machine: Machine
    texts: Sequence[str]
    documents: int

    @property
    def looked_at(self) -> str:
        """What the numbers are of."""
        return f"{len(self.texts):,}" + (" drawn at random" if len(self.texts) < self.documents else "")


def percent(part: float) -> str:
    """0 %, 0.3 %, 4.2 %, 32 %."""
    return f"{100 * part:.0f} %" if part == 0 or part >= 0.0995 else f"{100 * part:.2g} %"
