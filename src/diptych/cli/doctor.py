"""`diptych doctor`: what a training is like before it begins. It trains nothing."""

import inspect
import json as jsonlib
import os
import sys
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from shutil import get_terminal_size
from typing import Any

from cyclopts import App

from diptych import recipes, runs
from diptych.checks.finding import Finding
from diptych.cli.progress import note
from diptych.cli.train import NAMES, command_of, documents_of, imported, recorded
from diptych.core import DataError, Machine, Recipe
from diptych.data.remote import is_url
from diptych.doctor import examine, refused
from diptych.plural import counted
from diptych.report.snippet import legible

COLOURS = {"ok": "\x1b[32m", "look": "\x1b[33m", "stop": "\x1b[31m"}
PLAIN = "\x1b[0m"
WIDEST = 110  # characters of a line
ABOUT = """Look at the recipe that `train` would carry out, and at its data: what may go wrong, and what to do.

Nothing is trained and no run is made; the corpus is read into the cache, where `train` finds it. Each line says ok,
look (worth a look before hours are spent) or stop (training would fail: exit code 1). A corpus alone is looked at by
the recipe `crop`; a run.toml, or the run that holds it, by its own.
"""
app = App(name="doctor", help=ABOUT)


@dataclass(frozen=True)
class Told:
    """How it is said."""

    json: bool = False
    """Print one JSON object on stdout, and nothing else there."""


def _doctor(function: Callable[..., Recipe], settings: Mapping[str, Any], told: Told, machine: Machine) -> int:
    title, found = _looked(function, settings, machine)
    if told.json:
        print(jsonlib.dumps({"recipe": title, "findings": [asdict(each) for each in found]}))
    else:
        print(text(title, found, sys.stdout.isatty() and "NO_COLOR" not in os.environ))
    return int(any(each.verdict == "stop" for each in found))


def _looked(
    function: Callable[..., Recipe], settings: Mapping[str, Any], machine: Machine
) -> tuple[str, Sequence[Finding]]:
    """A title, and what is found of the recipe; of its documents, where no recipe can be made of them."""
    try:
        recipe = function(**settings)
    except DataError as error:
        documents = documents_of(function, settings)
        if documents is None:
            raise
        note(*documents.notes)
        title = f"{function.__name__} on {settings['corpus']}: {counted(len(documents), 'document')}"
        return title, [refused(documents, str(error))]
    note(*recipe.notes)
    return _title(recipe), examine(recipe, machine)


def _at_a_path(function: Callable[..., Recipe], settings: Mapping[str, Any], told: Told, machine: Machine) -> int:
    """A corpus is looked at by the recipe `crop`, a run.toml (or a run that has one) by its own."""
    corpus = settings.get("corpus")
    place = Path(str(corpus))
    if (place / "run.toml").is_file():
        place = place / "run.toml"
    if place.suffix != ".toml":
        return _doctor(function, settings, told, machine)
    if len(settings) > 1 or machine != Machine():
        raise ValueError(f"{place} is looked at with its own settings; leave other options out")
    own, arguments, machine = recorded(runs.read_call(place), place)
    return _doctor(own, arguments, told, machine)


def _title(recipe: Recipe) -> str:
    """What would be trained, on how much."""
    call, encoder = recipe.call, type(recipe.model.encoder).__name__.lower()
    name = call.function.partition(":")[2] if call else "a recipe"
    corpus = call.arguments.get("corpus", "its data") if call else "its data"
    size = sum(p.numel() for p in recipe.model.encoder.parameters())
    return f"{name} on {corpus}: {counted(len(recipe.data), 'sample')}, {encoder} encoder of {size:,} parameters"


def text(title: str, found: Sequence[Finding], colours: bool = False) -> str:
    """Findings as a table: a verdict, a check, a sentence; remedies below their sentence."""
    left = 6 + max(len(each.check) for each in found) + 2
    width = max(40, min(WIDEST, get_terminal_size((WIDEST, 24)).columns) - left)
    lines = [legible(title), ""]
    for each in found:
        told = textwrap.wrap(legible(each.told), width)
        told += textwrap.wrap(legible(each.remedy), width, initial_indent="→ ", subsequent_indent="  ")
        verdict = f"{COLOURS[each.verdict]}{each.verdict:<6}{PLAIN}" if colours else f"{each.verdict:<6}"
        lines.append(f"{verdict}{each.check:<{left - 6}}{told[0]}")
        lines += [" " * left + line for line in told[1:]]
    return "\n".join([*lines, "", _sum(found)])


def _sum(found: Sequence[Finding]) -> str:
    stopped, looked = ([each.check for each in found if each.verdict == kind] for kind in ("stop", "look"))
    if stopped:
        return f"training would fail: {', '.join(stopped)}"
    return f"worth a look: {', '.join(looked)}" if looked else "nothing stands against it"


def with_recipe(tokens: Sequence[str]) -> None:
    """Makes a command of a recipe named by its import path, `package.module:function`."""
    name = tokens[0] if tokens else "-"
    if ":" in name and not (name.startswith("-") or is_url(name) or Path(name).exists() or name in app):
        app.command(command_of(imported(name), _doctor, Told()), name=name)


def _default() -> Callable[..., Any]:
    """The recipe `crop` under a help of its own."""
    command = command_of(recipes.crop, _at_a_path, Told())
    described = (inspect.getdoc(recipes.crop) or "").partition("Parameters\n")
    command.__doc__ = f"{ABOUT}\n{described[1]}{described[2]}"
    return command


app.default(_default())
for recipe_name, recipe in NAMES.items():
    app.command(command_of(recipe, _doctor, Told()), name=recipe_name)
