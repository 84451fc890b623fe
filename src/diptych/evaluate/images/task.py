"""What is asked of an encoder of pictures: a task looks at its own pictures, as it needs."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from diptych.evaluate.images.seen import Seeing
from diptych.evaluate.task import Result


class PictureTask(Protocol):
    """Lines of a table, of which those that are `main` stand for the task. `notes` are of its data."""

    @property
    def name(self) -> str: ...

    @property
    def notes(self) -> Sequence[str]: ...

    def score(self, encoder: Seeing) -> list[Result]: ...


def scores(tasks: Sequence[PictureTask], encoder: Seeing) -> dict[str, float]:
    """Every number by name, "camvid_ci_mean_iou", for metrics.jsonl and for a table of a run."""
    return numbers([line for task in tasks for line in task.score(encoder)])


def numbers(results: Sequence[Result]) -> dict[str, float]:
    return {f"{line.task}_{line.metric}".replace(" ", "_").replace("/", "_"): line.value for line in results}


def table(tasks: Sequence[PictureTask], rows: Mapping[str, Seeing | None]) -> dict[str, Any]:
    """`scores[row]` of each row, an encoder, every line in full as `results`, and notes. A row of None stays None."""
    notes = [note for task in tasks for note in task.notes]
    told: dict[str, Any] = {"scores": {}, "results": {}, "notes": [*dict.fromkeys(notes)]}
    for name, encoder in rows.items():
        told["scores"][name] = None
        if encoder is not None:
            lines = [line for task in tasks for line in task.score(encoder)]
            told["scores"][name] = numbers(lines)
            told["results"][name] = [asdict(line) for line in lines]
            told["notes"] += [f"{name}: {line.task}: {line.note}" for line in lines if line.note]
    return told
