"""A transform as a person reads it: a line for each of its steps."""

import ast
import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

View = Mapping[str, str]
MANY = 3  # views that are alike, from which on they are told once


def parsed(told: str) -> ast.expr | None:
    """The expression that a text is; None if it is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that are none
            return ast.parse(told, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def steps(told: str) -> list[tuple[str, str]]:
    """`Then(first=Crop(size=8, scale=(0.2, 1.0)), second=Flip(p=0.5))` as ("Crop", "size 8 · scale 0.2 to 1"), ("Flip",
    "p 0.5").

    What is off (False, None) is left out. A text that is no such call stays as it is.
    """
    node = parsed(told)
    if not isinstance(node, ast.Call):
        return [(told, "")]
    try:
        return [_step(each) for each in _chain(node)]
    except RecursionError:
        return [(told, "")]


def brief(told: str) -> str:
    """The same in one line."""
    return " → ".join(f"{name} ({details})" if details else name for name, details in steps(told))


def alike(views: Sequence[View]) -> list[tuple[View, int]]:
    """View rows, and how many each stands for: neighbours that are equal are one where there are three or more."""
    found: list[tuple[View, int]] = []
    for view, those in groupby(views):
        many = len([*those])
        found += [(view, many)] if many >= MANY else [(view, 1)] * many
    return found


def _chain(node: ast.expr) -> Iterator[ast.expr]:
    """The steps of what is done one after the other."""
    parts = {word.arg: word.value for word in node.keywords} if isinstance(node, ast.Call) else {}
    if isinstance(node, ast.Call) and ast.unparse(node.func) == "Then" and parts.keys() == {"first", "second"}:
        yield from _chain(parts["first"])
        yield from _chain(parts["second"])
    else:
        yield node


def _step(node: ast.expr) -> tuple[str, str]:
    if not isinstance(node, ast.Call):
        return _value(node), ""
    named = [(word.arg or "", _value(word.value)) for word in node.keywords]
    told = [*map(_value, node.args), *(f"{name} {x}".strip() if x != "True" else name for name, x in named)]
    off = {f"{name} {x}" for name, x in named if x in ("False", "None")}
    return ast.unparse(node.func), " · ".join(x for x in told if x not in off)


def _value(node: ast.expr) -> str:
    """A number in four digits, two of them as from and to, several things, or a call."""
    if isinstance(node, ast.Call):
        parts = [_step(each) for each in _chain(node)]
        return " then ".join(f"{name} ({details})" if details else name for name, details in parts)
    if isinstance(node, ast.Tuple | ast.List):
        numbers = len(node.elts) == 2 and all(isinstance(x, ast.Constant | ast.UnaryOp) for x in node.elts)
        return (" to " if numbers else ", ").join(map(_value, node.elts))
    if isinstance(node, ast.Constant) and isinstance(node.value, float) and math.isfinite(node.value):
        return f"{node.value:.4g}"
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ast.unparse(node)
