"""Documents on disk: an Arrow file of texts and labels, and facts about them."""

import json
import re
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa

from diptych.core import DataError
from diptych.data.tally import Tally
from diptych.plural import counted

Pair = tuple[str | None, str | None]  # a text and its label
SCHEMA = pa.schema([("text", pa.large_string()), ("label", pa.string())])
ROWS, CHARACTERS = 4096, 1 << 22  # bounds of a record batch
SURROGATES = re.compile("[\ud800-\udfff]")
EMPTY = "skipped: null, empty or only white space"
REPLACED = "with bytes or characters that are not Unicode, each now \N{REPLACEMENT CHARACTER}"
REPEATED = "word for word the same as an earlier one, kept"


@dataclass(frozen=True)
class Facts:
    """What is known of documents once all of them were seen."""

    documents: int
    classes: int
    fingerprint: str


class Batches:
    """(text, label) pairs as record batches; after the last of them, `facts` says what they were.

    Texts without content are skipped, and what is not Unicode is replaced; both are tallied.
    """

    def __init__(self, rows: Iterable[Pair], tally: Tally):
        self._rows, self._tally = rows, tally
        self._content = blake2b(digest_size=16)
        self._hashes = array("Q")
        self._classes = array("q")  # a hash of each label, 8 bytes where a set of strings could take 100

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        texts: list[str] = []
        labels: list[str | None] = []
        characters = 0
        for text, label in self._rows:
            if text is None or not text or text.isspace():
                self._tally.add("document", EMPTY)
                continue
            texts.append(self._seen(text, label))
            labels.append(label)
            characters += len(text)
            if len(texts) == ROWS or characters > CHARACTERS:
                yield pa.record_batch([texts, labels], schema=SCHEMA)
                texts, labels, characters = [], [], 0
        if texts:
            yield pa.record_batch([texts, labels], schema=SCHEMA)

    def _seen(self, text: str, label: str | None) -> str:
        try:
            raw = text.encode()
        except UnicodeEncodeError:
            text = SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text)
            self._tally.add("document", REPLACED)
            raw = text.encode()
        one = blake2b(raw, digest_size=16).digest()
        self._hashes.append(int.from_bytes(one[:8], "little"))
        self._content.update(one + repr(label).encode())
        if label is not None:
            self._classes.append(hash(label))
        return text

    def facts(self, name: str) -> Facts:
        """Raises ValueError if there was no document."""
        if not self._hashes:
            raise DataError("; ".join([f"there is no document in {name}", *self._tally.sentences()]))
        self._tally.add("document", REPEATED, len(self._hashes) - _distinct(self._hashes))
        return Facts(len(self._hashes), _distinct(self._classes), self._content.hexdigest())


def _distinct(hashes: "array[int]") -> int:
    """How many different ones there are. They are sorted where they are: no copy of them is made."""
    inside = np.frombuffer(hashes, np.int64)
    inside.sort()
    return min(1, len(inside)) + int(np.count_nonzero(inside[1:] != inside[:-1]))


def write(folder: Path, name: str, how: str, rows: Iterable[Pair], tally: Tally) -> None:
    """Writes documents in bounded memory, and notes of where they are from and how they were read.

    Raises ValueError if there is no document.
    """
    batches = Batches(rows, tally)
    with pa.OSFile(str(folder / "documents.arrow"), "wb") as sink, pa.ipc.new_file(sink, SCHEMA) as file:
        for batch in batches:
            file.write_batch(batch)
    facts = batches.facts(name)
    heading = f"{counted(facts.documents, 'document')} from {name}: {how}"
    if facts.classes:
        heading += f" ({counted(facts.classes, 'class')})"
    notes = [heading, *tally.sentences()]
    (folder / "facts.json").write_text(json.dumps({"notes": notes, "fingerprint": facts.fingerprint}))


def load(folder: Path) -> tuple[pa.Table, list[str], str]:
    """What `write` wrote, memory-mapped: the table, the notes and the fingerprint."""
    table = pa.ipc.open_file(pa.memory_map(str(folder / "documents.arrow"))).read_all()
    facts = json.loads((folder / "facts.json").read_text())
    return table, facts["notes"], facts["fingerprint"]
