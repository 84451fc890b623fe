"""A process that decodes pictures: one comes in at a time, its pixels go out. A broken one can bring down no more.

In:   kind (1 byte: p for a path, b for bytes), short (4 bytes, 0 for none), length (8), and so many bytes
Out:  pixels: +, height (4), width (4), whether ends were cut (1), pixels; or why there are none: -, length (4), text

Numbers are little-endian.
"""

import os
import struct
from typing import BinaryIO

from diptych.pictures.decode import Unreadable, decoded

ASKED, PIXELS, REASON = struct.Struct("<cIQ"), struct.Struct("<IIB"), struct.Struct("<I")


def answer(kind: bytes, short: int, raw: bytes) -> list[bytes | memoryview]:
    try:
        pixels, cut = decoded(os.fsdecode(raw) if kind == b"p" else raw, short or None)
    except Unreadable as error:
        reason = str(error).encode()
        return [b"-", REASON.pack(len(reason)), reason]
    return [b"+", PIXELS.pack(*pixels.shape[:2], cut), pixels.tobytes()]


def serve(asked: BinaryIO, told: BinaryIO) -> None:
    """Until nothing more is asked."""
    while head := asked.read(ASKED.size):
        kind, short, length = ASKED.unpack(head)
        for part in answer(kind, short, asked.read(length)):
            told.write(part)
        told.flush()
