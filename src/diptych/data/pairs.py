"""Two crops of each document as strings: the question that crop retrieval asks."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from diptych.data.sentences import boundaries

SENTENCES = 2  # of a crop, where a document has enough


def crop_pairs(texts: Sequence[str], n: int = 2000, seed: int = 0) -> tuple[list[str], list[str]]:
    """Two crops that share no word, of up to `n` documents chosen by the seed.

    A document of two sentences or more gives two stretches of up to two sentences each; a shorter one
    its two halves by words. Documents of one word are passed over.
    """
    rng = np.random.default_rng(seed)
    first: list[str] = []
    second: list[str] = []
    for i in map(int, rng.permutation(len(texts))):
        if len(first) == n:
            break
        text = texts[i]
        edges = boundaries(text, "sentences")
        pieces = [text[a:b] for a, b in pairwise(edges)]
        glue = ""
        if len(pieces) < 2:
            pieces, glue = text.split(), " "
        if len(pieces) < 2:
            continue
        half = len(pieces) // 2 if glue else min(SENTENCES, len(pieces) // 2)
        start = int(rng.integers(len(pieces) - 2 * half + 1))
        other = int(rng.integers(start + half, len(pieces) - half + 1))
        first.append(glue.join(pieces[start : start + half]).strip())
        second.append(glue.join(pieces[other : other + half]).strip())
    return first, second
