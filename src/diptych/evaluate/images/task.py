"""What is asked of an encoder of pictures: a task looks at its own pictures, as it needs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, Protocol

from diptych.evaluate.images.seen import Seeing
from diptych.evaluate.score import Z
from diptych.evaluate.task import Result


class PictureTask(Protocol):
    """Lines of a table, of which those that are `main` stand for the task. `notes` are of its data."""

    @property
    def name(self) -> str: ...

    @property
    def notes(self) -> Sequence[str]: ...

    def score(self, encoder: Seeing) -> list[Result]: ...


def scores(tasks: Sequence[PictureTask], encoder: Seeing) -> dict[str, float]:
    """The numbers that stand for tasks by name, "camvid_ci_mean_iou", for metrics.jsonl and for a table of a run."""
    return numbers([line for task in tasks for line in task.score(encoder)])


def numbers(results: Sequence[Result]) -> dict[str, float]:
    return {f"{line.task}_{line.metric}".replace(" ", "_"): line.value for line in results if line.main}


def errors(results: Sequence[Result]) -> dict[str, float]:
    """Standard errors: the half widths of 95 % intervals over 1.96."""
    known = [line for line in results if line.low is not None and line.high is not None]
    return numbers([replace(line, value=(line.high - line.low) / 2 / Z) for line in known])  # type: ignore[operator]


def table(tasks: Sequence[PictureTask], rows: Mapping[str, Seeing | None]) -> dict[str, Any]:
    """`scores[row]` of each row, an encoder, their standard `errors` where there is an interval, every line in full as
    `results`, and notes. A row of None stays None.
    """
    notes = [note for task in tasks for note in task.notes]
    told: dict[str, Any] = {"scores": {}, "errors": {}, "results": {}, "notes": [*dict.fromkeys(notes)]}
    for name, encoder in rows.items():
        told["scores"][name] = told["errors"][name] = None
        if encoder is not None:
            lines = [line for task in tasks for line in task.score(encoder)]
            told["scores"][name], told["errors"][name] = numbers(lines), errors(lines)
            told["results"][name] = [asdict(line) for line in lines]
            told["notes"] += [f"{name}: {line.task}: {line.note}" for line in lines if line.note]
    return told
