"""A corpus as tokens: tokenised once, memory-mapped ever after.

Shapes: n documents, t tokens and s sentences of one of them, T and S of a record batch.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Bool, Int
from tokenizers import Tokenizer

from diptych.core import Record, Text
from diptych.data import cache, chosen
from diptych.data.documents import Documents
from diptych.data.sentences import Segmentation, boundaries, lengths
from diptych.tokens.pieces import together
from diptych.tokens.read import Read, reader
from diptych.tokens.tokenise import plain

FORMAT = "2"  # of what is cached; another number makes old entries unused
CHARACTERS = 1 << 21  # of the texts that make a record batch
SCHEMA = pa.schema(
    [
        ("ids", pa.list_(pa.int32())),
        ("words", pa.list_(pa.uint8())),
        ("sentences", pa.list_(pa.int32())),
        ("chars", pa.list_(pa.int32())),
    ]
)


@dataclass(frozen=True)
class Batch:
    """Documents of a record batch as flat arrays; document i is what lies between two edges."""

    ids: Int[np.ndarray, " T"]
    words: Bool[np.ndarray, " T"]
    edges: Int[np.ndarray, " n+1"]
    sentences: Int[np.ndarray, " S"]
    chars: Int[np.ndarray, " S"]
    sentence_edges: Int[np.ndarray, " n+1"]

    @classmethod
    def of(cls, batch: pa.RecordBatch) -> "Batch":
        ids, words, sentences, chars = (batch.column(name) for name in SCHEMA.names)
        return cls(
            ids.values.to_numpy(),
            words.values.to_numpy().view(bool),
            ids.offsets.to_numpy(),
            sentences.values.to_numpy(),
            chars.values.to_numpy(),
            sentences.offsets.to_numpy(),
        )

    def __getitem__(self, i: int) -> Text:
        tokens = slice(self.edges[i], self.edges[i + 1])
        sentences = slice(self.sentence_edges[i], self.sentence_edges[i + 1])
        return Text(self.ids[tokens], self.words[tokens], self.sentences[sentences], self.chars[sentences])


@dataclass(frozen=True, eq=False)
class TokenStore:
    """Documents as tokens: `store[i]["text"]` is document i, in slices of the file, not copied.

    `starts` are the numbers of the first documents of each batch, and the number of all documents.
    `rows` chooses documents, in its order; None is all of them.
    """

    fingerprint: str
    batches: Sequence[Batch]
    starts: Sequence[int]
    rows: Int[np.ndarray, " n"] | None = None

    def __len__(self) -> int:
        return self.starts[-1] if self.rows is None else len(self.rows)

    def __getitem__(self, i: int) -> Record:
        row = chosen.row(self.rows, len(self), i, "document")
        batch = bisect_right(self.starts, row) - 1
        return {"text": self.batches[batch][row - self.starts[batch]]}

    def select(self, indices: Iterable[int]) -> "TokenStore":
        """The documents at these places, in this order. Raises IndexError if there is no such place."""
        these = chosen.places(indices, len(self), "document")
        rows = these if self.rows is None else self.rows[these]
        return replace(self, fingerprint=cache.key("select", self.fingerprint, these), rows=rows)

    @cached_property
    def lengths(self) -> Int[np.ndarray, " n"]:
        """Tokens of each document."""
        whole = np.concatenate([np.diff(batch.edges) for batch in self.batches])
        return whole if self.rows is None else whole[self.rows]

    @property
    def tokens(self) -> int:
        """Tokens of all documents."""
        return int(self.lengths.sum(dtype=np.int64))


def build(documents: Documents, tokenizer: Tokenizer, segmentation: Segmentation = "sentences") -> TokenStore:
    """The tokens of documents, whole and without special tokens, and where words and sentences start.

    In "full stops" a document that does not end in a full stop gets one, as in arXiv:2508.03453.
    Kept in the cache by the content of the documents, the tokenizer and the segmentation.

    Raises ValueError for another segmentation.
    """
    boundaries("", segmentation)
    whole = plain(tokenizer)
    key = cache.key(FORMAT, documents.fingerprint, whole.to_str(), segmentation)

    def write(folder: Path) -> None:
        read = reader(whole)
        with pa.OSFile(str(folder / "tokens.arrow"), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as file:
            for texts in together(documents.texts, CHARACTERS):
                file.write_batch(_tokenised(texts, read, segmentation))

    return _opened(cache.entry("tokens", key, write) / "tokens.arrow", key)


def _opened(path: Path, fingerprint: str) -> TokenStore:
    file = pa.ipc.open_file(pa.memory_map(str(path)))
    batches = [Batch.of(file.get_batch(i)) for i in range(file.num_record_batches)]
    return TokenStore(fingerprint, batches, np.cumsum([0, *(len(b.edges) - 1 for b in batches)]).tolist())


def _tokenised(texts: list[str], read: Callable[[list[str]], list[Read]], segmentation: Segmentation) -> pa.RecordBatch:
    if segmentation == "full stops":
        texts = [text if text.rstrip().endswith(".") else f"{text}." for text in texts]
    found = read(texts)
    sentences = [_sentences(text, each.offsets, segmentation) for text, each in zip(texts, found, strict=True)]
    columns = [
        [each.ids for each in found],
        [each.words for each in found],
        [starts for starts, _ in sentences],
        [chars for _, chars in sentences],
    ]
    return pa.record_batch([_lists(column) for column in columns], schema=SCHEMA)


def _lists(arrays: list[np.ndarray]) -> pa.ListArray:
    edges = np.cumsum([0, *map(len, arrays)], dtype=np.int32)
    return pa.ListArray.from_arrays(edges, np.concatenate(arrays))


def _sentences(
    text: str, offsets: Int[np.ndarray, "t 2"], segmentation: Segmentation
) -> tuple[Int[np.ndarray, " s"], Int[np.ndarray, " s"]]:
    """The first token and the characters of each sentence that has a token.

    A token is of the sentence that its last character is in: some tokens begin with the white space
    before their word.
    """
    edges = boundaries(text, segmentation)
    last = np.maximum.accumulate(np.maximum(offsets[:, 0], offsets[:, 1] - 1))
    first = np.searchsorted(last, edges[:-1])
    full = np.diff(first, append=len(last)) > 0
    chars = np.array(lengths(text, edges, segmentation), np.int32)
    return first[full].astype(np.int32), chars[full]
