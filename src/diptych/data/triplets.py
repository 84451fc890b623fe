"""Texts that belong together, a row each: a premise, what follows from it, and what contradicts it.

A row is a record of several columns, `{"premise": Text, "entailment": Text, "contradiction": Text}`.
"""

import json
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Int
from tokenizers import Tokenizer

from diptych.core import DataError, Record
from diptych.data import cache, store
from diptych.data.column import Column
from diptych.data.columns import ROLES, Row, listed
from diptych.data.corpus import CHARACTERS, ROWS, SURROGATES
from diptych.data.documents import Documents
from diptych.data.sources import Table, find, sample
from diptych.data.store import TokenStore
from diptych.data.tables import excerpt
from diptych.data.tally import Tally
from diptych.plural import counted

FORMAT = "1"  # of what is cached; another number makes old entries unused
FILE, FACTS = "rows.arrow", "facts.json"
EMPTY = "left out: {} is null, empty or only white space"


@dataclass(frozen=True, eq=False)
class Triplets:
    """Rows of texts by role, memory-mapped; without hard negatives there is no role "contradiction".

    `fingerprint` is a hash of all texts. `notes` are sentences for a person.
    """

    table: pa.Table
    fingerprint: str
    notes: list[str]
    name: str

    def __len__(self) -> int:
        return len(self.table)

    @property
    def roles(self) -> list[str]:
        return list(self.table.column_names)

    def texts(self, role: str) -> Column[str]:
        return Column(self.table[role])

    def documents(self, *roles: str) -> Documents:
        """The texts of some roles, one role after the other; of all, if none is named."""
        chosen = roles or tuple(self.roles)
        chunks = [chunk for role in chosen for chunk in self.table[role].chunks]
        texts: Column[str] = Column(pa.chunked_array(chunks, pa.large_string()))
        return Documents(texts, None, cache.key("roles", self.fingerprint, *chosen), self.notes, self.name)

    def tokens(self, tokenizer: Tokenizer) -> "TokenColumns":
        """The rows as tokens, a memory-mapped store for each role."""
        stores = {role: store.build(self.documents(role), tokenizer, "whole") for role in self.roles}
        return TokenColumns(cache.key(*(x for role, each in stores.items() for x in (role, each.fingerprint))), stores)


@dataclass(frozen=True, eq=False)
class TokenColumns:
    """Stores side by side: record i has text i of each."""

    fingerprint: str
    stores: Mapping[str, TokenStore]

    def __len__(self) -> int:
        return min(map(len, self.stores.values()))

    def __getitem__(self, i: int) -> Record:
        return {role: each[i]["text"] for role, each in self.stores.items()}


def read(path: str | Path, columns: Sequence[str] = (), hard_negatives: bool | None = None) -> Triplets:
    """The rows of a table: .jsonl, .csv, .tsv or .parquet, each also .gz, a folder, pattern or URL of these, a hub id.

    Parameters
    ----------
    columns
        Names of the columns of premise, entailment and contradiction; two of them for pairs without hard negatives.
        If not given, the usual names: sent0, sent1 and hard_neg (SimCSE), anchor, positive and negative, ...
    hard_negatives
        Whether the contradictions are read; if not given, where there are any.

    Rows in which a text is missing are left out and counted. Kept in the cache by the bytes that were read.

    Raises DataError for a table that lacks a column (it names those there are) or has no whole row, ValueError for
    other than two or three names, and what `documents.read` raises for files.
    """
    if columns and not (len(columns) in (2, 3) and len({*columns}) == len(columns)):
        raise ValueError(
            f"--columns takes two or three different names, as sent0,sent1,hard_neg; got {listed(columns)}"
        )
    if hard_negatives and len(columns) == 2:
        raise ValueError(f"hard negatives are in a third column, and --columns names two: {listed(columns)}")
    source = find(path, columns or [name for names in ROLES.values() for name in names])
    if not isinstance(source, Table):
        raise DataError(f"{source.name} is plain text; rows of texts are a table: .jsonl, .csv, .tsv or .parquet")
    key = cache.key(FORMAT, source.name, source.digest, repr((list(columns), hard_negatives)))

    def write(folder: Path) -> None:
        _write(folder, source, _found(source, columns, hard_negatives))

    folder = cache.entry("triplets", key, write)
    table = pa.ipc.open_file(pa.memory_map(str(folder / FILE))).read_all()
    facts = json.loads((folder / FACTS).read_text())
    return Triplets(table, facts["fingerprint"], facts["notes"], source.name)


def _found(source: Table, named: Sequence[str], hard_negatives: bool | None) -> dict[str, str]:
    """The column of each role."""
    rows = sample(source.rows(Tally(), None))
    there = list(dict.fromkeys(name for row in rows for name in row))
    if not there:
        raise DataError(f"there is no row in {source.name}")
    if missing := [name for name in named if name not in there]:
        raise DataError(f"{source.name} has no column {listed(missing)}; there are {listed(there)}")
    usual = {name.strip().lower(): name for name in reversed(there)}
    chosen: dict[str, str | None] = dict(zip(ROLES, named, strict=False)) if named else {
        role: next((usual[name] for name in names if name in usual), None) for role, names in ROLES.items()
    }  # fmt: skip
    if hard_negatives is False:
        chosen["contradiction"] = None
    needed = [*ROLES] if hard_negatives else [*ROLES][:2]
    if lost := [role for role in needed if chosen.get(role) is None]:
        raise DataError(
            f"{source.name} has no column for {' and '.join(lost)}; there are {listed(there)}: name those of "
            f"{', '.join(ROLES)} with --columns (usual names are sent0, sent1, hard_neg)"
        )
    return {role: name for role, name in chosen.items() if name is not None}


def _write(folder: Path, source: Table, found: Mapping[str, str]) -> None:
    """Writes the rows in bounded memory, and facts about them. Raises DataError if there is none."""
    tally, digest, schema = Tally(), blake2b(digest_size=16), pa.schema([(role, pa.large_string()) for role in found])
    count, premises = 0, array("Q")
    with pa.OSFile(str(folder / FILE), "wb") as sink, pa.ipc.new_file(sink, schema) as file:
        for rows in _batched(_rows(source, found, tally)):
            for row in rows:
                hashes = [blake2b(text.encode(), digest_size=16).digest() for text in row]
                digest.update(b"".join(hashes))
                premises.append(int.from_bytes(hashes[0][:8], "little"))
            file.write_batch(pa.record_batch([list(column) for column in zip(*rows, strict=True)], schema=schema))
            count += len(rows)
    if not count:
        raise DataError("; ".join([f"there is no whole row in {source.name}", *tally.sentences()]))
    _, groups = np.unique(np.frombuffer(premises, np.uint64), return_counts=True)
    tally.add("row", "with the premise of another", int(groups[groups > 1].sum()))
    roles = ", ".join(f"{role} in {name!r}" for role, name in found.items())
    notes = [f"{counted(count, 'row')} from {source.name}: {roles}", *tally.sentences()]
    facts = {"notes": notes, "fingerprint": cache.key(digest.hexdigest(), *found)}
    (folder / FACTS).write_text(json.dumps(facts))


def _rows(source: Table, found: Mapping[str, str], tally: Tally) -> Iterator[tuple[str, ...]]:
    for number, row in enumerate(source.rows(tally, list(found.values())), 1):
        texts = tuple(_text(source.name, number, row, name, tally) for name in found.values())
        if lost := [role for role, text in zip(found, texts, strict=True) if not text]:
            tally.add("row", EMPTY.format(lost[0]))
        else:
            yield texts


def _text(where: str, number: int, row: Row, name: str, tally: Tally) -> str:
    """A cell; empty for what is null or white space."""
    text = row.get(name)
    if text is None or text != text:
        return ""
    if not isinstance(text, str):
        raise DataError(
            f"{where}: column {name!r} is to hold text, but in row {number} it holds {excerpt(repr(text))} "
            f"({type(text).__name__}); --columns names others"
        )
    if SURROGATES.search(text):
        tally.add("text", "with bytes or characters that are not Unicode, each now \N{REPLACEMENT CHARACTER}")
        text = SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text)
    return "" if text.isspace() else text


def _batched(rows: Iterable[tuple[str, ...]]) -> Iterator[list[tuple[str, ...]]]:
    part: list[tuple[str, ...]] = []
    characters = 0
    for row in rows:
        part.append(row)
        characters += sum(map(len, row))
        if len(part) == ROWS or characters > CHARACTERS:
            yield part
            part, characters = [], 0
    if part:
        yield part


def repeated(texts: Iterable[str]) -> Int[np.ndarray, " u"]:
    """How often each distinct text is there."""
    return np.array([*Counter(texts).values()])


def false_negatives(texts: Iterable[str], batch: int) -> float:
    """How many candidates of a batch of random rows belong to another row of the same text, on average.

    Of B of n rows: B (B - 1) / (n (n - 1)) times the sum of c (c - 1) over texts that are there c times.
    """
    many = repeated(texts)
    n = int(many.sum())
    return batch * (batch - 1) / max(1, n * (n - 1)) * float((many * (many - 1)).sum())
