"""Suites: each a module that makes its tasks of local files."""

from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

from diptych.evaluate.task import Task

SUITES = ("sts", "pairs", "transfer", "probing", "clustering", "retrieval", "knn", "linear")


def tasks(suite: str, folder: str | Path, **options: Any) -> list[Task]:
    """The tasks of a suite, made of the files in a folder: `tasks` of the module that has the suite's name.

    Raises ValueError for an unknown suite, and what the module raises for files that are not there or not right.
    """
    if suite not in SUITES:
        near = get_close_matches(suite, SUITES, 1, 0)
        raise ValueError(f"there is no suite {suite!r}; the nearest is {near[0]!r}, all are {', '.join(SUITES)}")
    module = import_module(f"diptych.evaluate.suites.{suite}")
    made: list[Task] = module.tasks(Path(folder), **options)
    return made
