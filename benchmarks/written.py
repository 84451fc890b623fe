"""An arm as it is written: RECIPE:option=value:option=value."""

import json
from typing import Any


def parsed(arm: str) -> tuple[str, dict[str, Any]]:
    """The recipe's name and its options; what is no JSON is text."""
    name, *options = arm.split(":")
    found: dict[str, Any] = {}
    for option in options:
        key, _, text = option.partition("=")
        try:
            found[key] = json.loads(text)
        except ValueError:
            found[key] = text
    return name, found
