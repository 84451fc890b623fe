"""The beginning of a document, fit to be shown on one line."""

import textwrap


def snippet(text: str, width: int = 160) -> str:
    """One line of at most `width` characters, without what cannot be printed."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 4 * width]).split())
    if len(line) <= width and len(text) <= 4 * width:
        return line
    return textwrap.shorten(line, width, placeholder="…") if " " in line[:width] else f"{line[: width - 1]}…"
