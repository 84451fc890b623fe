"""Whether values are what annotations say, as far as a TOML file can hold them."""

import inspect
from collections.abc import Callable, Iterator, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin


def unfit(arguments: Mapping[str, Any], function: Callable[..., Any]) -> Iterator[str]:
    """What is wrong with the kinds of a call's arguments, a sentence each."""
    for name, hint in hints(function).items():
        if name in arguments and not fits(arguments[name], hint):
            kind = hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")
            yield f"{name} = {arguments[name]!r:.60} is no {kind}"


def fits(x: Any, hint: Any) -> bool:
    """Whether a value is of an annotation's kind; true for annotations of any other sort than those in TOML."""
    if get_origin(hint) in (Union, UnionType):
        return any(fits(x, each) for each in get_args(hint))
    if get_origin(hint) is Literal:
        return x in get_args(hint)
    if hint in (int, float):
        return isinstance(x, int | hint) and not isinstance(x, bool)
    return not isinstance(hint, type) or hint not in (str, bool, NoneType) or isinstance(x, hint)


def hints(function: Callable[..., Any]) -> dict[str, Any]:
    """Annotations by name; of `**settings: Unpack[Settings]` those of Settings."""
    found: dict[str, Any] = {}
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            for settings in get_args(parameter.annotation):
                found |= getattr(settings, "__annotations__", {})
        else:
            found[parameter.name] = parameter.annotation
    return found
