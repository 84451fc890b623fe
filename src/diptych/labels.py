"""Classes of samples and labels of nodes, as strings."""

from typing import Any


def label_of(value: Any) -> str | None:
    """A label as a string; whole numbers without a point. Null, NaN and white space are no label."""
    if value is None or value != value:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).strip().encode("utf-8", "replace").decode() or None
