"""A corpus: documents, some with a label, memory-mapped from the cache."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Int

from diptych.data import cache, corpus
from diptych.data.chosen import places
from diptych.data.column import Column
from diptych.data.sources import find
from diptych.data.tally import Tally
from diptych.labels import label_of
from diptych.plural import counted

Understood = tuple[str, Iterable[corpus.Pair]]  # how a source was understood, and what is in it
FORMAT = "2"  # of what is cached; another number makes old entries unused
GIVEN = "<Documents of Python: "


@dataclass(frozen=True, eq=False)
class Documents:
    """Texts in their order. None of them is empty; nothing is in memory until it is asked for.

    `labels` is None where the source has no labels; a single label is None where its row has none.
    `fingerprint` is a hash of the texts and labels. `notes` are sentences for a person: what was
    understood of the source, and how many of its rows were skipped and why.
    """

    texts: Column[str]
    labels: Column[str | None] | None
    fingerprint: str
    notes: list[str]
    name: str

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def items(self) -> Column[str]:
        """What an encoder is given: the texts."""
        return self.texts

    def __str__(self) -> str:
        """What `run.toml` calls documents that were given to a recipe in place of a path."""
        return f"{GIVEN}{self.name}>"

    def select(self, indices: Iterable[int]) -> "Documents":
        """The documents at these places, in this order.

        Raises IndexError if there is no such place, ValueError if there is none at all.
        """
        rows = places(indices, len(self), "document")
        if not len(rows):
            raise ValueError(f"a corpus has at least one document; none of {self.name} was selected")
        return replace(
            self,
            texts=self.texts.take(rows),
            labels=None if self.labels is None else self.labels.take(rows),
            fingerprint=cache.key("select", self.fingerprint, rows),
        )

    def unique(self) -> "Documents":
        """The first of each text; exact repetitions are left out and counted in the notes."""
        first = _first(self.texts)
        if len(first) == len(self):
            return self
        left = counted(len(self) - len(first), "document")
        return replace(self.select(first), notes=[*self.notes, f"{left} left out: an earlier one is the same"])


def read(path: str | Path, text_column: str | None = None, label_column: str | None = None) -> Documents:
    """The documents at a path, or of a data set of the hub.

    Parameters
    ----------
    path
        A folder of .txt or .md files (each a document), or of .jsonl, .csv, .tsv or .parquet files
        (read one after the other); one such file, where a .txt or .md file holds one document per
        line, or between blank lines; each also as .gz; a pattern of paths, like `data/*.parquet`; a URL
        of any of these that `fsspec` knows; a folder written by `save_to_disk` of Hugging Face datasets;
        or, if no such path exists, a hub id like `owner/name`.
    text_column
        The column with the text. If not given: `text`, `document`, `content` ..., else the column
        with the longest strings.
    label_column
        The column with a label. If not given: `label`, `category`, `class`, `topic` or `target`, if
        there is one.

    They are streamed, once, to a memory-mapped file in the cache: what draws from it at random can shuffle
    and resume a corpus that is larger than memory. The file is kept by a hash of the bytes that were read; of
    a URL, by the sizes and the etags, checksums or times of change that are told, so a change that keeps all
    of these goes unseen.

    Raises FileNotFoundError, PermissionError, ImportError that names what a URL needs, UnreachableError (an
    OSError) and ValueError for what cannot be understood: the message says where and why.
    """
    if str(path).startswith(GIVEN):
        raise ValueError(
            f"{path} are no path: the run was made in Python, of documents given there; make its recipe of the same "
            "documents again, and `diptych.resume(recipe, run)` finishes it, `diptych.fit(recipe, new)` repeats it"
        )
    source = find(path, [x for x in (text_column, label_column) if x is not None])
    key = cache.key(source.digest, repr(text_column), repr(label_column))
    return kept(source.name, key, lambda tally: source.pairs(text_column, label_column, tally))


def from_texts(texts: Iterable[str], labels: Iterable[object] | None = None, name: str = "texts") -> Documents:
    """Documents from Python. Empty texts are left out, with their labels, and counted in the notes.

    Raises TypeError for what is no string, ValueError if there are not as many labels as texts.
    """
    texts = [texts] if isinstance(texts, str) else list(texts)
    names = [None] * len(texts) if labels is None else list(labels)
    if len(names) != len(texts):
        raise ValueError(f"each text has a label; got {counted(len(texts), 'text')} and {counted(len(names), 'label')}")
    for i, text in enumerate(texts):
        if not (text is None or isinstance(text, str)):
            raise TypeError(f"a text is a string; number {i} is {text!r:.40} ({type(text).__name__})")
    tally = Tally()
    batches = corpus.Batches(zip(texts, map(label_of, names), strict=True), tally)
    table = pa.Table.from_batches(list(batches), corpus.SCHEMA)
    facts = batches.facts(name)
    notes = [f"{counted(facts.documents, 'document')} from Python", *tally.sentences()]
    return _documents(table, notes, facts.fingerprint, name)


def kept(name: str, key: str, understood: Callable[[Tally], Understood]) -> Documents:
    """The documents of the cache under a key; if there are none yet, they are written first."""

    def write(folder: Path) -> None:
        tally = Tally()
        how, pairs = understood(tally)
        corpus.write(folder, name, how, pairs, tally)

    table, notes, fingerprint = corpus.load(cache.entry("documents", cache.key(FORMAT, name, key), write))
    return _documents(table, notes, fingerprint, name)


def _documents(table: pa.Table, notes: list[str], fingerprint: str, name: str) -> Documents:
    texts: Column[str] = Column(table["text"])
    labels: Column[str | None] = Column(table["label"])
    labelled = table["label"].null_count < len(table)
    return Documents(texts, labels if labelled else None, fingerprint, notes, name)


def _first(texts: Sequence[str]) -> Int[np.ndarray, " m"]:
    """Places of the texts that no earlier one equals."""
    hashes = np.fromiter((_hash(text) for text in texts), np.uint64, len(texts))
    _, first, which = np.unique(hashes, return_index=True, return_inverse=True)
    earlier = first[which]
    kept = earlier == np.arange(len(texts))
    for i in map(int, np.flatnonzero(~kept)):
        kept[i] = texts[i] != texts[int(earlier[i])]
    return np.flatnonzero(kept)


def _hash(text: str) -> int:
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "little")
