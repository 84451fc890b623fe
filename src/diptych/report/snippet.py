"""Text of others, fit to be shown: on one line, or in a terminal."""

import re
import textwrap

STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def snippet(text: str, width: int = 160) -> str:
    """One line of at most `width` characters, without what cannot be printed."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * width]).split())
    if len(line) <= width and len(text) <= 4 * width:
        return line
    return textwrap.shorten(line, width, placeholder="…") if " " in line[:width] else f"{line[: width - 1]}…"


def legible(text: str) -> str:
    """Text for a terminal: characters that would steer it, or turn the writing round, become escapes."""
    return STEERING.sub(lambda found: ascii(found[0])[1:-1], text)
