"""Which samples are encoded together: as many as there is room for, of like sizes. Shapes: n samples, m of a part."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

WASTE = 0.08  # padding for a real token
COLUMNS, ROWS = 24, 8  # numbers of a token for each column: within a block; of its padded place in attention
HEAD, SCORES, PADDED = 32, 4, 64  # columns of a narrow head; numbers for a pair of tokens; lengths are multiples of it


def cuts(sizes: Sequence[int], budget: int, padded: bool = True, waste: float = WASTE) -> list[Int[np.ndarray, " m"]]:
    """Rows, longest first, in parts of at most `budget` tokens (a longer row is a part of its own).

    Rows that are padded to the longest of their part share it only while padding stays below
    `1 + waste` tokens computed per real one.
    """
    order = np.argsort(-np.asarray(sizes, dtype=np.int64), kind="stable")
    parts: list[list[int]] = []
    longest = real = 0
    for row in order.tolist():
        size = max(1, sizes[row])
        many = len(parts[-1]) + 1 if parts else 0
        cost = longest * many if padded else real + size
        if not parts or cost > budget or (padded and cost > (1 + waste) * (real + size)):
            parts.append([])
            longest, real = size, 0
        parts[-1].append(row)
        real += size
    return [np.array(part) for part in parts]


def encoding(sizes: Sequence[int], width: int, attends: bool = True) -> Int[np.ndarray, " n"]:
    """Bytes that each sample takes while a block of this width computes it: an estimate from above, in fp32."""
    real = np.maximum(1, np.asarray(sizes, np.int64))
    padded = -(-real // PADDED) * PADDED
    looked = ROWS * padded + padded * padded * SCORES // HEAD if attends else 0
    return 4 * width * (COLUMNS * real + looked)


def fitting(parts: Sequence[tuple[int, int]], most: int, free: int) -> int:
    """Tokens, of `most`, that go at once where parts take so many bytes for so many tokens, in half of what is free."""
    room = free // 2
    return min([most, *(max(1, tokens * room // taken) for taken, tokens in parts if taken > room)])
