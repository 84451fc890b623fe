"""A history: what models scored on suites, a line of JSON each, kept in one file and never rewritten."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from diptych.core import DataError
from diptych.report.digits import known
from diptych.runs import writing


@dataclass(frozen=True)
class Entry:
    """One model on one suite. Fingerprints are hashes of the model's files and of the data's.

    A result is a mapping with `task`, `metric`, `value`, `n`, `main`, and `low` and `high` of its 95 % interval, or
    null; `how` says what that is over, and `note` what should be known of it.
    """

    suite: str
    model: str
    precision: str
    fingerprint: str
    data: str
    data_fingerprint: str
    date: str  # ISO 8601, UTC
    results: Sequence[Mapping[str, Any]]


def read(path: Path) -> list[Entry]:
    """The entries of a file, oldest first; none if there is no such file. Raises DataError for what is no history."""
    lines = path.read_bytes().splitlines() if path.exists() else []
    return [_entry(f"{path}, line {number},", line) for number, line in enumerate(lines, 1) if line.strip()]


def append(path: Path, entries: Sequence[Entry]) -> None:
    """Adds entries to the end of a file, which is made if it is not there. Raises OSError that says what to do."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a+b") as file:
            torn = file.seek(0, 2) and (file.seek(-1, 2), file.read(1))[1] != b"\n"
            lines = (json.dumps(asdict(entry), allow_nan=False) + "\n" for entry in entries)
            file.write(("\n" * bool(torn) + "".join(lines)).encode())


def _entry(where: str, line: bytes) -> Entry:
    try:
        told = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where} is damaged, it is no JSON: {error}") from error
    names = [field.name for field in fields(Entry)]
    if not isinstance(told, dict) or not all(isinstance(told.get(name), str) for name in names[:-1]):
        raise DataError(f"{where} is no entry of a history of suites, which has {', '.join(names)}")
    results = told.get("results")
    if not isinstance(results, list) or not all(map(_is_result, results)):
        raise DataError(f"{where} is damaged: each of its results has task, metric, value and n")
    return Entry(**{name: told[name] for name in names})


def _is_result(told: Any) -> bool:
    if not isinstance(told, dict):
        return False
    words = all(isinstance(told.get(name), str) for name in ("task", "metric"))
    ends = all(told.get(name) is None or known(told[name]) for name in ("low", "high"))
    return words and ends and all(known(told.get(name)) for name in ("value", "n"))
