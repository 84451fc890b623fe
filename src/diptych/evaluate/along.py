"""The scores of tasks as numbers by name, for metrics.jsonl and for a table of a run."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from diptych.evaluate import asked
from diptych.evaluate.suite import Encode
from diptych.evaluate.task import Result, Task
from diptych.evaluate.tfidf import TfIdf

DEV = "/dev"  # of a set: what settings are to be chosen by


def scores(tasks: Sequence[Task], encode: Encode) -> dict[str, float]:
    """The number of each task, of the means over them, and of parts to choose settings by."""
    return numbers(tasks, asked.run(tasks, encode).results)


def numbers(tasks: Sequence[Task], results: Sequence[Result]) -> dict[str, float]:
    """The lines that stand for a task, not for a subset of it, by name: "stsb_spearman", "mean_of_9_spearman"."""
    names = {task.name for task in tasks}
    chosen = [line for line in results if line.task in names or line.task.endswith(DEV)]
    return {f"{line.task}_{line.metric}".replace(" ", "_"): line.value for line in chosen}


def table(tasks: Sequence[Task], rows: Mapping[str, Encode | None]) -> dict[str, Any]:
    """`scores[row][task]` of each row, a way to embed texts, every line in full as `results`, and notes.

    TF-IDF learns its vocabulary from the texts that are asked. A row that is None stays None.
    """
    told: dict[str, Any] = {"scores": {}, "results": {}, "notes": asked.notes(tasks)}
    for name, encode in rows.items():
        told["scores"][name] = None
        if isinstance(encode, TfIdf):
            encode = encode.fit([text for task in tasks for text in task.texts])
        if encode is not None:
            answers = asked.run(tasks, encode, name)
            told["scores"][name] = numbers(tasks, answers.results)
            told["results"][name] = [asdict(line) for line in answers.results]
            told["notes"] += [f"{name}: {note}" for note in answers.notes]
    return told
