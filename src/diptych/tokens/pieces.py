"""Long texts in pieces, and texts together up to a number of characters."""

import re
from collections.abc import Iterable, Iterator

GAP = re.compile(r"(?<=\S)[ \n\t]|(?<=[。！？])(?=\w)")  # between words, as all tokenizers see them


def pieces(text: str, characters: int) -> list[str]:
    """A text in pieces of `characters` and what is left of a word; white space is of the piece behind it."""
    edges = [0]
    while found := GAP.search(text, edges[-1] + characters):
        edges.append(found.start())
    return [text[a:b] for a, b in zip(edges, [*edges[1:], len(text)], strict=True)]


def together(texts: Iterable[str], characters: int) -> Iterator[list[str]]:
    """Lists of successive texts of `characters` in all, or a little more."""
    part: list[str] = []
    size = 0
    for text in texts:
        part.append(text)
        size += len(text)
        if size > characters:
            yield part
            part, size = [], 0
    if part:
        yield part
