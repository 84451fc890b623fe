"""Damage done to files at random, by what they are: to bytes, to values of JSON and TOML, to headers of arrays.

Everything is decided by the generator that is given.
"""

import json
import struct
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import tomli_w

STRANGE: list[Any] = [
    None, True, False, 0, -1, 1, 3, 2**31, 2**63, 10**30, -0.5, 1e-300, 1e300, float("nan"), float("inf"),
    "", " ", "x", "../../..", "/dev/null", "/", "~nobody/x", "a\0b", "\ud800", "<script>alert(1)</script>",
    "%s{0}{{7*7}}", "x" * 5000, "\N{GRINNING FACE}", [], [[]], ["x", 1, None], {}, {"x": {}}, {"": ""},
]  # fmt: skip
MARKS = [
    b'"',
    b"\n",
    b"\r",
    b"\0",
    b"{",
    b"[",
    b"]",
    b",",
    b"\\",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b"\x80",
    b"NaN",
    b"9" * 30,
]


def raw(random: Random, content: bytes) -> bytes:
    """Bytes with a few places replaced, cut out, repeated or put in; or the beginning of them."""
    told = bytearray(content)
    for _ in range(random.choice([1, 1, 2, 4])):
        start = random.randrange(len(told) + 1)
        some = told[start : start + random.choice([1, 2, 8, 100])]
        new = random.choice([b"", b"", bytes(some) * 2, random.randbytes(max(1, len(some))), random.choice(MARKS)])
        stop = len(told) if random.random() < 0.1 else start + random.choice([0, len(some)])
        told[start:stop] = new
    return bytes(told)


def value(random: Random, told: Any) -> Any:
    """A value of JSON with one part replaced, left out or doubled."""
    places = [*_places(told)]
    if not places or random.random() < 0.03:
        return random.choice(STRANGE)
    holder, key = random.choice(places)
    kind = random.random()
    if kind < 0.25:
        del holder[key]
    elif kind < 0.35 and isinstance(holder, list):
        holder.append(holder[key])
    elif kind < 0.5 and isinstance(holder[key], int | float):
        holder[key] = holder[key] * random.choice([-1, 0, 2, 0.5]) + random.choice([0, 1, -1])
    else:
        holder[key] = random.choice(STRANGE)
    return told


def _places(told: Any) -> Iterator[tuple[Any, Any]]:
    pairs = told.items() if isinstance(told, dict) else enumerate(told) if isinstance(told, list) else ()
    for key, inner in [*pairs]:
        yield told, key
        yield from _places(inner)


def json_text(random: Random, content: bytes) -> bytes:
    return json.dumps(value(random, json.loads(content))).encode()


def json_lines(random: Random, content: bytes) -> bytes:
    lines = content.splitlines()
    i = random.randrange(len(lines))
    lines[i] = json_text(random, lines[i])
    return b"\n".join(lines) + b"\n"


def toml(random: Random, content: bytes) -> bytes:
    told = value(random, tomllib.loads(content.decode()))
    return tomli_w.dumps(_no_nulls(told) if isinstance(told, dict) else {}).encode("utf-8", "replace")


def _no_nulls(told: Any) -> Any:
    if isinstance(told, dict):
        return {key: _no_nulls(x) for key, x in told.items() if x is not None}
    return [_no_nulls(x) for x in told if x is not None] if isinstance(told, list) else told


def safetensors(random: Random, content: bytes) -> bytes:
    """Another header before the same numbers."""
    (size,) = struct.unpack("<Q", content[:8])
    header = json_text(random, content[8 : 8 + size])
    return struct.pack("<Q", len(header)) + header + content[8 + size :]


def npy(random: Random, content: bytes) -> bytes:
    """Another header before the same numbers, or none of it an array at all."""
    old = [b"<f4", b"False", b"(", b","]
    new = [b"<f8", b"|O", b"<U9", b"True", b"()", b"(-1,", b"(99999999,", b"{", b"<i1"]
    return content.replace(random.choice(old), random.choice(new), 1)


KINDS: dict[str, Callable[[Random, bytes], bytes]] = {
    ".json": json_text,
    ".jsonl": json_lines,
    ".toml": toml,
    ".safetensors": safetensors,
    ".npy": npy,
}


def file(random: Random, path: Path) -> str:
    """Damages a file, by what it is or as bytes, or takes it away; says what was done."""
    kind = random.random()
    if kind < 0.08:
        path.unlink()
        return f"without {path.name}"
    if kind < 0.12:
        path.write_bytes(b"")
        return f"empty {path.name}"
    if kind < 0.16:
        path.unlink()
        path.mkdir()
        return f"a folder {path.name}"
    damage, content = KINDS.get(path.suffix, raw) if kind < 0.65 else raw, path.read_bytes()
    try:
        path.write_bytes(damage(random, content))
    except (ValueError, IndexError, struct.error):  # it was damaged before
        path.write_bytes(raw(random, content))
    return f"{damage.__name__} of {path.name}"
