"""What the recipes for rows of texts share: options that are not theirs, and judging along the way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from diptych.core import Instrument
    from diptych.evaluate.task import Task

EVERY = 200  # steps between judging along the way
ELSEWHERE = ("text_column", "label_column", "train_only")  # options of recipes for documents


def of_rows(given: Mapping[str, Any]) -> None:
    """Raises ValueError for an option of recipes for documents."""
    for option in ELSEWHERE:
        if option in given:
            raise ValueError(
                f"--{option.replace('_', '-')} is for recipes of documents; --columns names those of texts"
            )


@dataclass(frozen=True)
class Judged:
    """What a run is judged on: STS sets of a folder, or nothing."""

    tasks: "Sequence[Task]"
    instruments: "Sequence[Instrument]"
    notes: Sequence[str]

    @staticmethod
    def of(folder: str | None, every: int) -> "Judged":
        """On the sets in a folder, after so many steps each. Raises ValueError for `every` without a folder."""
        if not folder and every != EVERY:
            raise ValueError(f"--every {every} is about judging along the way; say on what: --evaluate FOLDER")
        if not folder:
            return Judged([], [], [])
        from diptych.evaluate import along, asked, suites
        from diptych.instruments.asking import Asking

        tasks = suites.tasks("sts", folder)
        return Judged(tasks, [Asking(lambda encode: along.scores(tasks, encode), every)], asked.notes(tasks))
