"""Pairs of texts, each with a number that people gave: how alike they are.

A row is a record `{"first": Text, "second": Text, "score": float}`.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from tokenizers import Tokenizer

from diptych.core import DataError, Record
from diptych.data import cache, store
from diptych.data.columns import Row, listed
from diptych.data.documents import Documents, from_texts
from diptych.data.sources import Table, find
from diptych.data.store import TokenStore
from diptych.data.tables import excerpt
from diptych.data.tally import Tally
from diptych.plural import counted

USUAL = {
    "first": ["sentence1", "sentence_1", "sentence_a", "text1", "sent0"],
    "second": ["sentence2", "sentence_2", "sentence_b", "text2", "sent1"],
    "score": ["score", "similarity", "similarity_score", "relatedness_score", "label"],
}
SPLIT, TRAIN = "split", "train"


@dataclass(frozen=True, eq=False)
class Scored:
    """Pairs in their order: `documents` are all first texts and then all second ones; `scores` (n) are in [0, 1].

    `notes` are sentences for a person.
    """

    documents: Documents
    scores: Float[np.ndarray, " n"]
    notes: list[str]
    name: str

    def __len__(self) -> int:
        return len(self.scores)

    def tokens(self, tokenizer: Tokenizer) -> "ScoredTokens":
        """The pairs as tokens, memory-mapped."""
        return ScoredTokens(store.build(self.documents, tokenizer, "whole"), self.scores)


@dataclass(frozen=True, eq=False)
class ScoredTokens:
    """Record i has texts i and n + i of a store of 2n texts."""

    store: TokenStore
    scores: Float[np.ndarray, " n"]

    @property
    def fingerprint(self) -> str:
        return cache.key("scored", self.store.fingerprint, self.scores)

    def __len__(self) -> int:
        return len(self.scores)

    def __getitem__(self, i: int) -> Record:
        place = range(len(self))[i]
        first, second = self.store[place]["text"], self.store[len(self) + place]["text"]
        return {"first": first, "second": second, "score": float(self.scores[place])}


def read(
    path: str | Path, columns: Sequence[str] = (), least: float = 0.0, most: float = 5.0, split: str | None = None
) -> Scored:
    """The pairs of a table: .jsonl, .csv, .tsv or .parquet, each also .gz, a folder, pattern or URL of these, a hub id.

    Parameters
    ----------
    columns
        Names of the columns of the two texts and the score. If not given, the usual ones: sentence1, sentence2, score.
    least, most
        What the scores are between: they become 0 and 1.
    split
        The rows whose column "split" says this; if not given, "train" where there are such rows, else all.

    Rows in which a text or the score is missing are left out and counted. All texts are in memory once.

    Raises DataError for a table that lacks a column (it names those there are), has no whole row of that split, or
    whose scores are no numbers, out of range or all equal; ValueError for other than three names, and for bounds that
    are none; and what `documents.read` raises for files.
    """
    if columns and not len(columns) == len({*columns}) == 3:
        raise ValueError(f"--columns takes three different names, as sentence1,sentence2,score; got {listed(columns)}")
    if not -math.inf < least < most < math.inf:
        raise ValueError(f"scores are between two numbers, the lower one first; got {least:g} and {most:g}")
    source, tally = find(path, columns or [name for names in USUAL.values() for name in names]), Tally()
    if not isinstance(source, Table):
        raise DataError(f"{source.name} is plain text; pairs with scores are a table: .jsonl, .csv, .tsv or .parquet")
    rows = list(source.rows(tally, None))
    found = _found(source.name, rows, columns)
    chosen, told = _of_split(source.name, rows, split)
    whole = [each for number, row in chosen if (each := _whole(source.name, number, row, found, least, most, tally))]
    if not whole:
        raise DataError("; ".join([f"there is no whole row in {source.name}", *tally.sentences()]))
    firsts, seconds, scores = zip(*whole, strict=True)
    if min(scores) == max(scores):
        raise DataError(f"every score in {source.name} ({len(scores):,}) is {scores[0]:g}: there is nothing to learn")
    roles = ", ".join(f"{role} in {name!r}" for role, name in found.items())
    notes = [f"{counted(len(whole), 'row')} from {source.name}: {roles}{told}", *tally.sentences()]
    scaled = (np.array(scores, np.float64) - least) / (most - least)
    return Scored(from_texts([*firsts, *seconds], name=source.name), scaled, notes, source.name)


def _found(name: str, rows: Sequence[Row], named: Sequence[str]) -> dict[str, str]:
    """The column of each role."""
    there = list(dict.fromkeys(column for row in rows for column in row))
    if not there:
        raise DataError(f"there is no row in {name}")
    if missing := [column for column in named if column not in there]:
        raise DataError(f"{name} has no column {listed(missing)}; there are {listed(there)}")
    if named:
        return dict(zip(USUAL, named, strict=True))
    usual = {column.strip().lower(): column for column in reversed(there)}
    found = {role: next((usual[x] for x in names if x in usual), "") for role, names in USUAL.items()}
    if lost := [role for role, column in found.items() if not column]:
        raise DataError(
            f"{name} has no column for {' and '.join(lost)}; there are {listed(there)}: name those of the two texts "
            "and the score with --columns (usual names are sentence1, sentence2, score)"
        )
    return found


def _of_split(name: str, rows: Sequence[Row], split: str | None) -> tuple[list[tuple[int, Row]], str]:
    """The rows of a split with their numbers, and what is said of it."""
    numbered = list(enumerate(rows, 1))
    there = {row.get(SPLIT) for row in rows} - {None}
    wanted = TRAIN if split is None and TRAIN in there else split
    if wanted is None:
        return numbered, ""
    chosen = [(number, row) for number, row in numbered if row.get(SPLIT) == wanted]
    if not chosen:
        raise DataError(f"{name} has no row of the split {wanted!r}; there are {listed(sorted(map(str, there)))}")
    return chosen, f"; of the split {wanted!r}, which is {len(chosen):,} of {counted(len(rows), 'row')}"


def _whole(
    name: str, number: int, row: Row, found: Mapping[str, str], least: float, most: float, tally: Tally
) -> tuple[str, str, float] | None:
    """A row's texts and score; None where one is missing, which is counted."""
    first, second = (_text(name, number, row, found[role]) for role in ("first", "second"))
    score = _number(f"{name}: column {found['score']!r}, row {number},", row.get(found["score"]), least, most)
    if lost := [role for role, x in (("first", first), ("second", second), ("score", score)) if x in ("", None)]:
        tally.add("row", f"left out: {lost[0]} is null, empty or only white space")
        return None
    return (first, second, score) if score is not None else None


def _text(name: str, number: int, row: Row, column: str) -> str:
    """A cell; empty for what is null or white space."""
    text = row.get(column)
    if text is None or text != text:
        return ""
    if not isinstance(text, str):
        raise DataError(
            f"{name}: column {column!r} is to hold text, but in row {number} it holds {excerpt(repr(text))} "
            f"({type(text).__name__}); --columns names others"
        )
    return "" if text.isspace() else text


def _number(where: str, x: Any, least: float, most: float) -> float | None:
    """A score, where CSV has strings; None for an empty field."""
    if x is None or x != x or (isinstance(x, str) and not x.strip()):
        return None
    try:
        number = math.nan if isinstance(x, bool) else float(x)
    except (TypeError, ValueError):
        number = math.nan
    if not least <= number <= most:
        raise DataError(
            f"{where} is to be a number from {least:g} to {most:g}, but it holds {excerpt(repr(x))}; --least and "
            "--most say what scores are between"
        )
    return number
