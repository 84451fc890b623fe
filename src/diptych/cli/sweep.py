"""One call as many: several seeds, several values of an option."""

import math
from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from hashlib import blake2b
from itertools import product
from typing import Any

from diptych.cli.kinds import fits, hints
from diptych.plural import counted

MANY = 1000  # runs of a call, and seeds
LONG = 60  # letters of a value in a folder's name
ALWAYS = {"deep_augmentation": "simcse", "graph_deep_augmentation": "graphcl"}  # perturb a layer; what can do without


def calls(
    function: Callable[..., Any], settings: Mapping[str, Any], seeds: Sequence[int], asked: Sequence[str]
) -> dict[str, Mapping[str, Any]]:
    """The arguments of every run, by its name; one without a name, if nothing is asked.

    Raises ValueError for an option that the recipe does not have, that is given besides, or a value of no fitting kind.
    """
    axes = [[("seed", n) for n in seeds]] if seeds else []
    for text in reversed(asked):
        option, values = _axis(text, hints(function))
        if option in settings or any(option == axis[0][0] for axis in axes):
            raise ValueError(f"--sweep {text} gives --{option.replace('_', '-')} values, and another flag does so too")
        if option == "perturb_layer" and None in values and (other := ALWAYS.get(function.__name__)):
            raise ValueError(
                f"--sweep {text}: {function.__name__.replace('_', '-')} perturbs a layer in every run, its own where "
                f"none is asked; {other} is a recipe that does without"
            )
        axes.insert(0, [(option, value) for value in values])
    if (many := math.prod(map(len, axes))) > MANY:
        raise ValueError(f"that would be {counted(many, 'run')}; a call makes up to {MANY:,}")
    points = product(*axes)
    found = {"-".join(f"{k}-{_short(x)}" for k, x in point): {**settings, **dict(point)} for point in points}
    if len(found) < many:
        raise ValueError(f"--sweep {' '.join(asked)!r:.60}: two of these values would have one folder; leave one out")
    return {name: {k: x for k, x in each.items() if x is not None} for name, each in found.items()}


def _axis(text: str, known: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """An option and its values, of "option=1,2" or "option=none,0..6"; none is to do without."""
    option, _, listed = text.partition("=")
    option = option.strip().removeprefix("--").replace("-", "_")
    if option not in known or option in ("corpus", "seed"):
        free = sorted({*known} - {"corpus", "seed"})
        others = ", ".join(get_close_matches(option, free, 3) or free)
        raise ValueError(
            f"--sweep {text!r:.60}: an option of this recipe and its values, as lr=0.1,0.01; it has {others}"
        )
    values = [value for part in listed.split(",") for value in _values(part.strip())]
    for value in values:
        if value is not None and not fits(value, known[option]):
            raise ValueError(f"--sweep {text!r:.60}: --{option.replace('_', '-')} cannot be {value!r}")
    if not values or len({*map(repr, values)}) < len(values):
        raise ValueError(f"--sweep {text!r:.60}: give different values, separated by commas, or as 0..6")
    return option, values


def _values(text: str) -> list[Any]:
    """What a value of the command line says: none, a number, true or false, a range of whole numbers, or a word."""
    first, dots, last = text.partition("..")
    try:
        if dots:
            return [*range(int(first), int(last) + 1)][: MANY + 1]
        return [int(text)]
    except ValueError:
        pass
    try:
        return [float(text)]
    except ValueError:
        return [{"none": None, "true": True, "false": False, "": None}.get(text.lower(), text)] if text else []


def _short(value: Any) -> str:
    """A value as a part of a folder's name; of a long one its beginning, and a digest of all."""
    text = "none" if value is None else "".join(c if c.isalnum() or c in "._+-" else "_" for c in str(value))
    if len(text) <= LONG:
        return text
    digest = blake2b(str(value).encode(), digest_size=4).hexdigest()
    return f"{text[: LONG - 1 - len(digest)]}-{digest}"
