"""What the benchmark scripts are given: folders that have to be there, and runs in a file, by what decides them.

A run is a line of JSON. It has a name (a model or a set, and an arm), a seed, and `settings`: all else that decides
it. Lines of before 2026-11-28 say a rate and steps alone; what a line does not say is taken to be the same.
"""

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

Run = Mapping[str, Any]
SAID = ("lr", "steps")  # settings that lines say outside of `settings` too


def folder(parser: ArgumentParser, given: Namespace, option: str, *within: str) -> None:
    """Ends with an error unless an option names a folder that has these files and folders (patterns) in it."""
    asked = ", ".join(within)
    if (place := getattr(given, option)) is None:
        parser.error(f"--{option} FOLDER is needed{f', with {asked} in it' if asked else ''}")
    if not place.is_dir():
        parser.error(f"--{option} {place}: there is no such folder")
    for name in within:
        if not any(place.glob(name)):
            parser.error(f"--{option} {place}: there is no {name} in this folder")


def file(parser: ArgumentParser, place: Path | None, option: str) -> None:
    """Ends with an error unless a file that is to be read is there."""
    if place is not None and not place.is_file():
        parser.error(f"{option} {place}: there is no such file")


def written(parser: ArgumentParser, place: Path | None, option: str) -> None:
    """Ends with an error unless a file can be written where it is asked for: its folder is there."""
    if place is not None and (place.is_dir() or not place.absolute().parent.is_dir()):
        why = "that is a folder, and a file is to be named" if place.is_dir() else f"there is no folder {place.parent}"
        parser.error(f"{option} {place}: {why}")


def model(parser: ArgumentParser, name: str | None, option: str) -> None:
    """Ends with an error unless a model, a run or a hub id is named that can be had."""
    from diptych.encoders.folder import locate

    if name is None:
        parser.error(f"{option} MODEL is needed: a run, the folder of a model, or a hub id")
    try:
        locate(name)
    except (OSError, ImportError) as error:
        parser.error(f"{option} {name}: {str(error).splitlines()[0]}")


def runs(parser: ArgumentParser, place: Path | None, option: str, name: Sequence[str]) -> list[dict[str, Any]]:
    """The runs in a file, none where it is not there. Ends with an error where two of a name have other settings."""
    found: list[dict[str, Any]] = []
    for number, line in enumerate(place.read_text().splitlines() if place and place.is_file() else (), 1):
        try:
            run = json.loads(line)
            _named(run, [*name, "seed"])
        except (ValueError, KeyError, TypeError):
            parser.error(f"{option} {place}: line {number} is no run (one that was being written when it stopped?)")
        found.append(run)
    first: dict[tuple[Any, ...], list[Run]] = {}
    for run in found:
        for other in first.setdefault(_named(run, name), []):
            if unlike := differing(run, other):
                told = " and ".join(f"{_told(x, unlike)} (seed {x['seed']})" for x in (other, run))
                parser.error(
                    f"{option} {place}: it has runs of {_name(run, name)} with {told}; keep each kind in a file of its "
                    "own"
                )
        first[_named(run, name)].append(run)
    return found


def lacking(
    parser: ArgumentParser, place: Path | None, there: Sequence[Run], asked: Iterable[Run], name: Sequence[str]
) -> list[int]:
    """Which of the runs that are asked for are not there yet, by number.

    Ends with an error where runs of the same name are there that have other settings.
    """
    by: dict[tuple[Any, ...], list[Run]] = {}
    for run in there:
        by.setdefault(_named(run, name), []).append(run)
    found = []
    for number, run in enumerate(asked):
        same = by.get(_named(run, name), [])
        for other in same:
            if unlike := differing(run, other):
                parser.error(
                    f"--runs {place}: this call gives {_told(run, unlike)} for {_name(run, name)}, and runs of it are "
                    f"there with {_told(other, unlike)}; give these, or name another file"
                )
        if all(other["seed"] != run["seed"] for other in same):
            found.append(number)
    return found


def by_seed(every: Iterable[Run], name: Sequence[str]) -> dict[str, dict[str, dict[int, Run]]]:
    """Runs with a name of two parts (a set or a corpus, and an arm) by each of them, and by seed."""
    first, second = name
    found: dict[str, dict[str, dict[int, Run]]] = {}
    for run in every:
        found.setdefault(run[first], {}).setdefault(run[second], {})[run["seed"]] = run
    return found


def settings(run: Run) -> dict[str, Any]:
    """All that a line says of what decided its run."""
    return {key: run[key] for key in SAID if key in run} | run.get("settings", {})


def differing(run: Run, other: Run) -> list[str]:
    """Settings that two runs both say, and not alike."""
    a, b = (json.loads(json.dumps(settings(x))) for x in (run, other))
    return [key for key in a if key in b and a[key] != b[key]]


def _named(run: Run, name: Sequence[str]) -> tuple[Any, ...]:
    return tuple(run[key] for key in name)


def _name(run: Run, name: Sequence[str]) -> str:
    return " ".join(str(run[key]) for key in name)


def _told(run: Run, keys: Sequence[str]) -> str:
    said = settings(run)
    return ", ".join(f"{key} {json.dumps(said[key])}" for key in keys)
