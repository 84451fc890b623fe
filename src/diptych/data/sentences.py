"""Where sentences begin."""

from itertools import pairwise
from typing import Literal

Segmentation = Literal["sentences", "full stops", "whole"]
BLOCK = 1 << 14  # characters that `sentencex` sees at once: without white space its time grows with their square
SURE = BLOCK - (1 << 12)  # where a sentence begins before it, what comes behind the block is too far to matter


def boundaries(text: str, segmentation: Segmentation = "sentences", language: str = "en") -> list[int]:
    """Edges of the sentences of a text, in characters: sentence j is `text[edges[j]:edges[j + 1]]`.

    The first edge is 0, the last is `len(text)`; together the sentences are the text. An empty text
    has the edge 0 only.

    "sentences" are found by `sentencex`, which knows the abbreviations of many languages; white space
    belongs to the sentence before it, and else none is longer than `BLOCK` characters. "full stops" ends a
    piece after every full stop, whatever it stands for, as the code of arXiv:2508.03453 does. "whole" is one
    sentence: for texts that are never cropped.

    Raises ValueError for another segmentation.
    """
    if segmentation == "sentences":
        return _sentences(text, language)
    if segmentation == "full stops":
        return _pieces(text)
    if segmentation == "whole":
        return [0, len(text)] if text else [0]
    raise ValueError(f'a text is left "whole", or cut at "sentences" or at "full stops"; got {segmentation!r}')


def lengths(text: str, edges: list[int], segmentation: Segmentation) -> list[int]:
    """Characters of each sentence, without the white space around it.

    In "full stops" it is the length of what stands between two full stops, white space included.
    """
    if segmentation == "full stops":
        return [len(text[a:b].removesuffix(".")) for a, b in pairwise(edges)]
    return [len(text[a:b].strip()) for a, b in pairwise(edges)]


def _sentences(text: str, language: str) -> list[int]:
    edges = [0]
    while len(text) - edges[-1] > BLOCK:
        start = edges[-1]
        found = _starts(text[start : start + BLOCK], language)
        edges += [start + x for x in [x for x in found if x < SURE] or found[:1] or [BLOCK]]
    edges += [edges[-1] + x for x in _starts(text[edges[-1] :], language)]
    blank = len(text) - len(text.lstrip())
    inner = [a for a, b in pairwise([*edges, len(text)]) if a > blank and not text[a:b].isspace()]
    return [0, *inner, len(text)] if text else [0]


def _starts(text: str, language: str) -> list[int]:
    """Where sentences begin, but for the first."""
    from sentencex import get_sentence_boundaries

    return [sentence["start_index"] for sentence in get_sentence_boundaries(language, text)[1:]]


def _pieces(text: str) -> list[int]:
    edges = [0]
    stop = text.find(".")
    while stop >= 0:
        edges.append(stop + 1)
        stop = text.find(".", stop + 1)
    if edges[-1] != len(text):
        edges.append(len(text))
    return edges
