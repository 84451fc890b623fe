"""Options of `**settings: Unpack[Settings]` with their help: the string under each, wherever Settings has it from."""

import ast
import inspect
from functools import cache
from itertools import pairwise
from textwrap import dedent
from typing import Annotated, Any, Required, TypedDict, Unpack, get_args, get_origin, get_type_hints, is_typeddict

from cyclopts import Parameter


def described(parameter: inspect.Parameter) -> inspect.Parameter:
    """The parameter, with options in the order of their help: a class's own, then those that it inherits."""
    settings = next(iter(get_args(parameter.annotation)), None)
    if not is_typeddict(settings):
        return parameter
    return parameter.replace(annotation=Unpack[_whole(settings)])


@cache
def _whole(settings: Any) -> Any:
    """One class of all options. (cyclopts reads the help of a class's own alone.)"""
    hints, told = get_type_hints(settings, include_extras=True), _told(settings)
    fields: dict[str, Any] = {}
    for name in dict.fromkeys([*told, *hints]):
        bare = name in settings.__required_keys__ and get_origin(hints[name]) is not Required
        kind = Required[hints[name]] if bare else hints[name]
        fields[name] = Annotated[kind, Parameter(help=told[name])] if name in told else kind
    return TypedDict(settings.__name__, fields, total=False)  # type: ignore[operator]


def _told(settings: type) -> dict[str, str]:
    """The help of options by name; none where the source is not at hand."""
    try:
        (whole,) = ast.parse(dedent(inspect.getsource(settings))).body
    except OSError:
        return {}
    found = {}
    for option, below in pairwise(getattr(whole, "body", [])):
        match option, below:
            case ast.AnnAssign(target=ast.Name(name)), ast.Expr(ast.Constant(str(told))):
                found[name] = told
    for parent in getattr(settings, "__orig_bases__", ()):
        if is_typeddict(parent):
            found = {**found, **{name: told for name, told in _told(parent).items() if name not in found}}
    return found
