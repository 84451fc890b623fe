"""Which column of a table holds the text, and which the label."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from diptych.labels import label_of

TEXT = [
    "text",
    "document",
    "content",
    "body",
    "abstract",
    "sentence",
    "article",
    "passage",
    "review",
    "message",
]
LABEL = ["label", "labels", "category", "class", "topic", "target"]
ROLES = {  # of texts that belong together, and the usual names of their columns
    "premise": ["sent0", "premise", "anchor", "query", "question"],
    "entailment": ["sent1", "entailment", "positive", "pos", "answer"],
    "contradiction": ["hard_neg", "contradiction", "negative", "neg", "hard_negative"],
}
NAMES = "label_name"  # names of the classes, where `label` holds numbers
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Columns:
    """The column of the text, of the label (None if there is none) and of the label's name."""

    text: str
    label: str | None = None
    name: str | None = None

    @property
    def used(self) -> list[str]:
        return [x for x in (self.text, self.label, self.name) if x is not None]

    def label_in(self, row: Row) -> str | None:
        """The label of a row."""
        named = label_of(row.get(self.name)) if self.name else None
        return named or (label_of(row.get(self.label)) if self.label else None)


def find(rows: Sequence[Row], text: str | None, label: str | None) -> Columns:
    """The columns of a table, from some of its rows and the names that the user gave.

    The text is in the first column with a conventional name, else in the column of strings that are
    longest on average. The label is found by its conventional name only.

    Raises ValueError if a named column is not there, or no column holds text.
    """
    there = list(dict.fromkeys(name for row in rows for name in row))
    for asked in (text, label):
        if asked is not None and asked not in there:
            raise ValueError(f"there is no column {asked!r}; there are {listed(there)}")
    text = text or _conventional(TEXT, there) or _longest(rows, there)
    if text is None:
        raise ValueError(f"no column holds text; there are {listed(there)}; --text-column names one")
    rest = [name for name in there if name != text and (name == label or _scalar(rows, name))]
    label = label or _conventional(LABEL, rest)
    return Columns(text, label, NAMES if label in LABEL and NAMES in rest else None)


def listed(names: Sequence[str]) -> str:
    return ", ".join(repr(name) for name in names) or "none"


def _conventional(names: Sequence[str], there: Sequence[str]) -> str | None:
    lower = {name.lower().strip(): name for name in reversed(there)}
    return next((lower[name] for name in names if name in lower), None)


def _longest(rows: Sequence[Row], there: Sequence[str]) -> str | None:
    mean = {}
    for name in there:
        values = [row[name] for row in rows if row.get(name) is not None]
        if values and all(isinstance(value, str) for value in values):
            mean[name] = sum(map(len, values)) / len(values)
    return max(mean, key=mean.__getitem__, default=None)


def _scalar(rows: Sequence[Row], name: str) -> bool:
    return all(isinstance(row.get(name), str | int | float | None) for row in rows)
