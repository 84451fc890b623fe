"""Where sentences begin."""

from itertools import pairwise
from typing import Literal

Segmentation = Literal["sentences", "full stops"]


def boundaries(text: str, segmentation: Segmentation = "sentences", language: str = "en") -> list[int]:
    """Edges of the sentences of a text, in characters: sentence j is `text[edges[j]:edges[j + 1]]`.

    The first edge is 0, the last is `len(text)`; together the sentences are the text. An empty text
    has the edge 0 only.

    "sentences" are found by `sentencex`, which knows the abbreviations of many languages; white space
    belongs to the sentence before it. "full stops" ends a piece after every full stop, whatever it
    stands for, as the code of arXiv:2508.03453 does.

    Raises ValueError for another segmentation.
    """
    if segmentation == "sentences":
        return _sentences(text, language)
    if segmentation == "full stops":
        return _pieces(text)
    raise ValueError(f'a text is cut at "sentences" or at "full stops"; got {segmentation!r}')


def lengths(text: str, edges: list[int], segmentation: Segmentation) -> list[int]:
    """Characters of each sentence, without the white space around it.

    In "full stops" it is the length of what stands between two full stops, white space included.
    """
    if segmentation == "full stops":
        return [len(text[a:b].removesuffix(".")) for a, b in pairwise(edges)]
    return [len(text[a:b].strip()) for a, b in pairwise(edges)]


def _sentences(text: str, language: str) -> list[int]:
    from sentencex import get_sentence_boundaries

    found = get_sentence_boundaries(language, text)
    starts = [sentence["start_index"] for sentence in found if not sentence["text"].isspace()]
    return [0, *starts[1:], len(text)] if text else [0]


def _pieces(text: str) -> list[int]:
    edges = [0]
    stop = text.find(".")
    while stop >= 0:
        edges.append(stop + 1)
        stop = text.find(".", stop + 1)
    if edges[-1] != len(text):
        edges.append(len(text))
    return edges
