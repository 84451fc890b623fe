"""Which runs belong together, and what they are called: by what differs between them, and by that alone."""

import ast
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from diptych.report.card import Card
from diptych.report.steps import parsed

ASIDE = {"seed", "seeds", "out"}  # arguments by which runs do not differ
PATHS = ("corpus", "init", "encoder", "evaluate")
ADDED = ("perturb_", "rank_reduction", "mlm_")  # options that add something, where they are given
USUAL = {"role": "view", "column": "text", "by": "model"}  # of a view: not worth a word
ALWAYS = {"Perturb"}  # a class that says nothing, for there is no other in its place

Facts = dict[str, str]


@dataclass(frozen=True)
class Grouping:
    """Runs by name of their group, in the order they come; what all runs share; and in what the groups differ."""

    groups: Mapping[str, Sequence[Card]]
    same: Mapping[str, str]
    differing: Mapping[str, Mapping[str, str]]  # [fact][group]


def grouping(cards: Sequence[Card]) -> Grouping:
    """Cards by recipe, arguments, settings and view rows, seeds aside.

    A group is named by what differs, `crop(lr=0.3)` or, where the recipe is one, `lr=0.3`. What follows from
    what is named already is not named: the steps that follow from epochs, the view that follows from an argument.
    Calls that are all equal make one group, named by the recipe.
    """
    asked = _asked(cards)
    told = [_of(card, asked) for card in cards]
    names = list(dict.fromkeys(name for facts in told for name in facts))
    values = {name: [facts.get(name, _missing(name)) for facts in told] for name in names}
    differing = [name for name in names if len(set(values[name])) > 1]
    named = _naming(differing, values, {"recipe", *asked})
    kinds = [dict(zip(named, key, strict=True)) for key in zip(*(values[name] for name in named), strict=True)]
    groups: dict[str, list[Card]] = {}
    of: dict[tuple[str, ...], str] = {}
    for card, kind in zip(cards, kinds or [{}] * len(cards), strict=True):
        key = tuple(kind.values())
        if key not in of:
            of[key] = _unique(_called(kind, kinds) or card.method or card.name, groups)
        groups.setdefault(of[key], []).append(card)
    first = {group: next(i for i, card in enumerate(cards) if card is those[0]) for group, those in groups.items()}
    return Grouping(
        groups,
        {name: _short(name, values[name][0]) for name in names if name not in differing},
        {name: {group: _short(name, values[name][i]) for group, i in first.items()} for name in differing},
    )


def matching(groups: Iterable[str], asked: str) -> str:
    """The group that is called so, or the only one with this in its name. Raises ValueError if there is none."""
    groups = list(groups)
    found = [asked] if asked in groups else [group for group in groups if asked and asked in group]
    if len(found) == 1:
        return found[0]
    problem = f"more than one group of runs has {asked!r} in its name" if found else f"no group is called {asked!r}"
    raise ValueError(f"{problem}; there are {', '.join(groups)}")


def data(card: Card) -> str:
    """What a run is about: the fingerprint of its documents or, where that is not known, of what it learned from."""
    return card.documents or card.fingerprint


# ---------------------------------------------------------------- the facts of a run


def _asked(cards: Sequence[Card]) -> list[str]:
    """The arguments that some run was given; the place of a corpus is none where all have the same documents."""
    aside = ASIDE | ({"corpus"} if len({data(card) for card in cards}) == 1 else set())
    return list(dict.fromkeys(name for card in cards for name in card.arguments if name not in aside))


def _of(card: Card, asked: Iterable[str]) -> Facts:
    """What decides a run, in words: recipe, arguments, what defaults came to, objective and views."""
    arguments = {name: _told(x) for name in asked if (x := card.arguments.get(name)) is not None}
    settings = {name: _told(x) for name, x in card.settings.items() if name not in arguments}
    recipe = {"recipe": card.method} if card.method else {}
    objective = {"objective": card.objective} if card.objective else {}
    return {**recipe, **arguments, **settings, **objective, **_of_views(card.views)}


def _told(x: Any) -> str:
    """A value in all its digits, for it tells runs apart."""
    return {True: "yes", False: "no"}[x] if isinstance(x, bool) else repr(x) if isinstance(x, float) else str(x)


def _short(name: str, told: str) -> str:
    """Of a path, the last part."""
    return told.rstrip("/").rpartition("/")[2] if name in PATHS else told


def _of_views(views: Sequence[Mapping[str, str]]) -> Facts:
    """View rows as facts: `view: transform_sentences` where all rows agree, else `view 2: transform_sentences`."""
    rows = [{key: x for name, told in view.items() for key, x in _flat(name, str(told)).items()} for view in views]
    facts: Facts = {}
    for key in dict.fromkeys(key for row in rows for key in row):
        each = [row.get(key, "none") for row in rows]
        if len(set(each)) == 1:
            facts[f"view: {key}"] = each[0]
        else:
            facts |= {f"view {i}: {key}": x for i, x in enumerate(each, 1)}
    return {key: x for key, x in facts.items() if USUAL.get(key.rpartition(" ")[2]) != x}


def _flat(name: str, told: str) -> Facts:
    """`Perturb(layer=4, noise=Dropout(rate=0.5))` as perturb_layer, perturb_noise and perturb_noise_rate."""
    if not told or told.lower() == "none":
        return {}
    node = parsed(told)
    try:
        return _leaves(name, node) if node else {name: told}
    except (ValueError, RecursionError):
        return {name: told}


def _leaves(name: str, node: ast.expr) -> Facts:
    if not (isinstance(node, ast.Call) and not node.args and all(word.arg for word in node.keywords)):
        return {name: ast.unparse(node)}
    made = ast.unparse(node.func)
    parts = {k: x for word in node.keywords for k, x in _leaves(f"{name}_{word.arg}", word.value).items()}
    return parts if made in ALWAYS else {name: made, **parts}


# ---------------------------------------------------------------- the name of a group


def _missing(name: str) -> str:
    return "none" if name.startswith(("view", *ADDED)) else "default"


def _naming(differing: Sequence[str], values: Mapping[str, Sequence[str]], asked: set[str]) -> list[str]:
    """All that was asked for and differs; of the rest what tells apart runs that are not yet, the most first."""
    named = [name for name in differing if name in asked]
    for name in sorted(differing, key=lambda name: -len(set(values[name]))):
        if _parts([*named, name], values) > _parts(named, values):
            named.append(name)
    return named


def _parts(names: Sequence[str], values: Mapping[str, Sequence[str]]) -> int:
    """How many kinds of runs these facts tell apart."""
    return len(set(zip(*(values[name] for name in names), strict=True))) if names else 1


def _called(kind: Facts, kinds: Sequence[Facts]) -> str:
    recipe = kind.get("recipe", "")
    named = {name: _short(name, x) for name, x in kind.items() if _tells(name, kind, kinds)}
    told = ", ".join(f"{name.removeprefix('view: ')}={x}" for name, x in named.items())
    return f"{recipe}({told})" if recipe and told else recipe or told


def _tells(name: str, kind: Facts, kinds: Sequence[Facts]) -> bool:
    """Whether a fact belongs into the name: not if all runs of the recipe have it, and some of each other one."""
    of: dict[str, set[str]] = {}
    for each in kinds:
        of.setdefault(each.get("recipe", ""), set()).add(each[name])
    own = of[kind.get("recipe", "")]
    return name != "recipe" and (len(own) > 1 or not all(kind[name] in found for found in of.values()))


def _unique(name: str, taken: Iterable[str]) -> str:
    number, made = 2, name
    while made in taken:
        made, number = f"{name} ({number})", number + 1
    return made
