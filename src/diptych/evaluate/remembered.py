"""Embeddings that were made before, from the cache: any later call, of whatever suite, reuses them text by text.

    <cache>/embeddings/<model>/<texts>/   hashes.npy [n, 16], rows.npy [n, d], sum

An entry is one portion of texts that were new together. One that is damaged is removed, and made anew. Portions are
written as time goes, so that a call that was killed goes on where it was when it is repeated.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from hashlib import blake2b
from pathlib import Path

import numpy as np
from jaxtyping import Float, Shaped

from diptych.data import cache
from diptych.evaluate.suite import Encode, encoded

FORMAT = "1"  # of what is cached; another number makes old entries unused
CALL, CHARACTERS = 512, 1 << 16  # texts that are embedded at once, and characters above which they are fewer
PORTION, EVERY = 1 << 15, 20.0  # texts that are embedded between two writes, at most, and seconds

Hash = bytes
Made = tuple[list[Hash], Float[np.ndarray, "n d"]]


class Remembered:
    """An encoder that embeds no text twice.

    `model` names all that its embeddings depend on: weights, settings, precision. What the encoder is given are
    texts that are new, each once, some at a time: which ones go together is not up to the clock. `watch` is told how
    many are done, and of how many.
    """

    def __init__(
        self, encode: Encode, model: str, watch: Callable[[int, int], None] = lambda done, of: None, name: str = "model"
    ):
        self.encode, self.watch, self.name = encode, watch, name
        self.kind = f"embeddings/{cache.key(FORMAT, model)}"

    def __call__(self, texts: Sequence[str]) -> Float[np.ndarray, "n d"]:
        """Embeddings of texts, in their order. Raises OSError if the cache cannot be written."""
        hashes = [_hash(text) for text in texts]
        wanted = dict(zip(hashes, texts, strict=True))
        found: dict[Hash, Float[np.ndarray, " d"]] = {}
        for those, rows in self._entries():
            found |= {h: row for h, row in zip(those, rows, strict=True) if h in wanted}
        new = [h for h in wanted if h not in found]
        for those, rows in self._kept(self._made(new, wanted)):
            found |= dict(zip(those, rows, strict=True))
        return np.stack([found[h] for h in hashes])

    def _made(self, new: Sequence[Hash], wanted: Mapping[Hash, str]) -> Iterator[Made]:
        done = 0
        for part in _together(new, wanted):
            yield part, np.asarray(encoded(self.name, self.encode, [wanted[h] for h in part]), np.float32)
            done += len(part)
            self.watch(done, len(new))

    def _kept(self, made: Iterator[Made]) -> Iterator[Made]:
        """The same, written in portions: the last one also when this is stopped."""
        portion: list[Made] = []

        def write() -> None:
            if portion:
                hashes = [h for those, _ in portion for h in those]
                rows = np.concatenate([rows for _, rows in portion])
                portion.clear()
                cache.entry(self.kind, cache.key(*map(bytes.hex, hashes)), partial(_write, hashes=hashes, rows=rows))

        since = time.monotonic()
        try:
            for part in made:
                portion.append(part)
                yield part
                if time.monotonic() - since >= EVERY or sum(len(those) for those, _ in portion) >= PORTION:
                    write()
                    since = time.monotonic()
        finally:
            write()

    def _entries(self) -> Iterator[Made]:
        for place in sorted((cache.folder() / self.kind).glob("[!.]*")):
            if (entry := _read(place)) is None:
                shutil.rmtree(place, ignore_errors=True)
            else:
                yield entry


def _together(new: Sequence[Hash], wanted: Mapping[Hash, str]) -> Iterator[list[Hash]]:
    """Texts that are embedded at once: as many as CALL and CHARACTERS allow, and at least one."""
    part: list[Hash] = []
    characters = 0
    for h in new:
        if part and (len(part) == CALL or characters + len(wanted[h]) > CHARACTERS):
            yield part
            part, characters = [], 0
        part.append(h)
        characters += len(wanted[h])
    if part:
        yield part


def _hash(text: str) -> Hash:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _write(place: Path, hashes: Sequence[Hash], rows: Float[np.ndarray, "n d"]) -> None:
    names = np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, 16)
    np.save(place / "hashes.npy", names)
    np.save(place / "rows.npy", rows)
    (place / "sum").write_text(_sum(names, rows))


def _read(place: Path) -> Made | None:
    """An entry; None if it is damaged."""
    try:
        names, rows = (np.load(place / f"{name}.npy", allow_pickle=False) for name in ("hashes", "rows"))
        whole = (place / "sum").read_text() == _sum(names, rows)
    except Exception:  # NumPy says in many ways that a file is none
        return None
    return ([name.tobytes() for name in names], rows) if whole else None


def _sum(names: Shaped[np.ndarray, "n 16"], rows: Float[np.ndarray, "n d"]) -> str:
    return cache.key(str(rows.shape), names, rows)
