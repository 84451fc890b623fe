"""An index for search: embeddings of a corpus, kept in the cache. Search is exact."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int

from diptych import embedding
from diptych.core import Encoder
from diptych.data import cache
from diptych.encoders import load


@dataclass(frozen=True)
class Index:
    """Cosine similarity to every document of a corpus."""

    encoder: Encoder
    parts: list[Path]
    documents: int

    @staticmethod
    def of(
        model: str | Path,
        documents: embedding.Corpus,
        watch: Callable[[int, int], None] = lambda done, of: None,
        encoder: Encoder | None = None,
    ) -> "Index":
        """The index of a corpus under a model, loaded if `encoder` is not it; embeds it unless that was done before."""
        encoder = encoder or load(model)
        name = cache.key(embedding.fingerprint(model), documents.fingerprint)
        folder = cache.folder() / "index" / name
        return Index(encoder, embedding.parts(encoder, documents, folder, watch), len(documents))

    def nearest(self, query: str, k: int) -> tuple[Int[np.ndarray, " k"], Float[np.ndarray, " k"]]:
        """The numbers of the k nearest documents and their cosines, nearest first; of equals, the lowest numbers.

        Cosines are equal if six decimals are: the last digits of a product depend on the row's place.
        """
        vector = self.encoder.encode([query])[0]
        cosines = np.concatenate([_cosines(np.load(part, mmap_mode="r"), vector) for part in self.parts]).round(6)
        k = min(k, len(cosines))
        near = np.flatnonzero(cosines >= np.partition(cosines, -k)[-k])
        best = near[np.lexsort((near, -cosines[near]))][:k]
        return best, cosines[best]


def _cosines(rows: Float[np.ndarray, "n d"], vector: Float[np.ndarray, " d"]) -> Float[np.ndarray, " n"]:
    lengths = np.linalg.norm(rows, axis=1) * np.linalg.norm(vector)
    return rows @ vector / np.maximum(lengths, 1e-12)
