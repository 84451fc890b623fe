"""Tasks put to a model: every text is embedded once, whichever tasks it is in."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

from diptych.core import DataError
from diptych.evaluate.suite import Encode, encoded
from diptych.evaluate.task import Look, Noted, Result, Task
from diptych.measure.rows import Rows


@dataclass(frozen=True)
class Answers:
    """The lines of a suite's table, in the order of its tasks; `seconds` of embedding and of scoring."""

    results: list[Result]
    texts: int
    embedding: float
    scoring: float

    @property
    def notes(self) -> list[str]:
        """What a person should know of single lines."""
        return [f"{line.task}: {line.note}" for line in self.results if line.note]


def run(tasks: Sequence[Task], encode: Encode, name: str = "the model") -> Answers:
    """Embeds the distinct texts of all tasks in one call of `encode`, then scores each task.

    Raises ValueError for embeddings that are not numbers or not one per text, DataError if no task has a text.
    """
    start = time.perf_counter()
    texts = list(dict.fromkeys(text for task in tasks for text in task.texts))
    if not texts:
        raise DataError(f"there is nothing to embed: none of {len(tasks)} tasks has a text")
    look = looking(texts, encoded(name, encode, texts))
    embedded = time.perf_counter()
    results = [line for task in tasks for line in task.score(look)]
    return Answers(results, len(texts), embedded - start, time.perf_counter() - embedded)


def looking(texts: Sequence[str], rows: Rows) -> Look:
    """Finds the rows of texts again; row i is that of text i."""
    places = {text: i for i, text in enumerate(texts)}

    def look(asked: Sequence[str]) -> Rows:
        return rows[[places[text] for text in asked]]

    return look


def notes(tasks: Sequence[Task]) -> list[str]:
    """What a person should know of the data: what was left out, what is missing."""
    return list(dict.fromkeys(note for task in tasks if isinstance(task, Noted) for note in task.notes))
