"""Numbers as a person writes them."""

import math
from numbers import Real
from typing import Any, TypeGuard

NONE = "–"


def known(x: Any) -> TypeGuard[float]:
    """Whether there is a finite number, of Python or NumPy."""
    return isinstance(x, Real) and not isinstance(x, bool) and math.isfinite(x)


def fixed(x: float, places: int, signed: bool = False) -> str:
    """So many decimals; a sign only where something is left of the number: 1,234.50, −0.01, and with `signed` +0.01."""
    told = f"{abs(x):,.{places}f}"
    if not told.strip("0."):
        return told
    return f"{'−' if x < 0 else '+' if signed else ''}{told}"


def score(x: float | None, signed: bool = False, places: int = 3) -> str:
    """Three decimals, or others: 0.781, −3.214, 37.7; with `signed`, +0.012."""
    return fixed(x, places, signed) if known(x) else NONE


def p_value(p: float) -> str:
    """Two digits that count: 0.062, 0.31; below 0.001, "< 0.001"."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def with_error(x: float | None, error: float | None, places: int = 3) -> str:
    told = score(x, places=places)
    return f"{told} ± {score(error, places=places)}" if known(x) and known(error) else told


def count(x: float | None) -> str:
    """Exact up to 99,999, then 1.2 million."""
    if not known(x):
        return NONE
    for size, name in ((1e9, "billion"), (1e6, "million")):
        if abs(x) >= size:
            return f"{x / size:.3g} {name}"
    return f"{x:z,.0f}"


def part(trained: int | None, parameters: int | None) -> str:
    """How many parameters were trained, unless it is all of them: 73,728 trained (0.32 %)."""
    if not trained or not parameters or trained == parameters:
        return ""
    return f"{count(trained)} trained ({100 * trained / parameters:.2g} %)"


def duration(seconds: float | None) -> str:
    """45 s, 2 min 5 s, 3 h 12 min."""
    if not known(seconds):
        return NONE
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def plain(x: Any) -> str:
    """Any value of a call or of a line of metrics."""
    if isinstance(x, bool) or x is None:
        return {True: "yes", False: "no", None: NONE}[x]
    if isinstance(x, float):
        return f"{x:z.4g}".replace("-", "−") if math.isfinite(x) else NONE
    return f"{x:,}" if isinstance(x, int) and abs(x) >= 10_000 else str(x)
