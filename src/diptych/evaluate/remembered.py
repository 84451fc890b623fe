"""Embeddings that were made before, from the cache: any later call, of whatever suite, reuses them text by text.

    <cache>/embeddings/<model>/<texts>/   hashes.npy [n, 16], rows.npy [n, d], sum

An entry is one portion of texts that were new together. One that is damaged is removed, and made anew.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from hashlib import blake2b
from pathlib import Path

import numpy as np
from jaxtyping import Float, Shaped

from diptych.data import cache
from diptych.evaluate.suite import Encode, encoded

FORMAT = "1"  # of what is cached; another number makes old entries unused
PORTION = 1 << 15  # texts that are embedded between two writes

Hash = bytes


class Remembered:
    """An encoder that embeds no text twice.

    `model` names all that its embeddings depend on: weights, settings, precision. What the encoder is given are
    texts that are new, each once, in portions of at most PORTION; `watch` is told how many are done, and of how many.
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
        for start in range(0, len(new), PORTION):
            part = new[start : start + PORTION]
            rows = np.asarray(encoded(self.name, self.encode, [wanted[h] for h in part]), np.float32)
            cache.entry(self.kind, cache.key(*map(bytes.hex, part)), partial(_write, hashes=part, rows=rows))
            found |= dict(zip(part, rows, strict=True))
            self.watch(min(len(new), start + PORTION), len(new))
        return np.stack([found[h] for h in hashes])

    def _entries(self) -> Iterator[tuple[list[Hash], Float[np.ndarray, "n d"]]]:
        for place in sorted((cache.folder() / self.kind).glob("[!.]*")):
            if (entry := _read(place)) is None:
                shutil.rmtree(place, ignore_errors=True)
            else:
                yield entry


def _hash(text: str) -> Hash:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _write(place: Path, hashes: Sequence[Hash], rows: Float[np.ndarray, "n d"]) -> None:
    names = np.frombuffer(b"".join(hashes), np.uint8).reshape(-1, 16)
    np.save(place / "hashes.npy", names)
    np.save(place / "rows.npy", rows)
    (place / "sum").write_text(_sum(names, rows))


def _read(place: Path) -> tuple[list[Hash], Float[np.ndarray, "n d"]] | None:
    """An entry; None if it is damaged."""
    try:
        names, rows = (np.load(place / f"{name}.npy", allow_pickle=False) for name in ("hashes", "rows"))
        whole = (place / "sum").read_text() == _sum(names, rows)
    except Exception:  # NumPy says in many ways that a file is none
        return None
    return ([name.tobytes() for name in names], rows) if whole else None


def _sum(names: Shaped[np.ndarray, "n 16"], rows: Float[np.ndarray, "n d"]) -> str:
    return cache.key(str(rows.shape), names, rows)
