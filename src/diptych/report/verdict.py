"""What the numbers say, in one honest sentence."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from diptych.report.card import Card
from diptych.report.digits import known, score, with_error
from diptych.report.metrics import metric, places, present, row_name, value

Z = 1.96  # of a 95 % interval


@dataclass(frozen=True)
class Verdict:
    """The model against one other row: `word` says "level with" when the difference is within error."""

    row: str
    value: float
    word: Literal["above", "below", "level with"]
    difference: float
    low: float | None = None
    high: float | None = None


def headline_metric(card: Card) -> str | None:
    """The first metric for which more is better and the model has a number."""
    names = (m for m in present([card.scores]) if metric(m).higher)
    return next((m for m in names if value(card.scores, "model", m) is not None), None)


def verdicts(card: Card, name: str) -> list[Verdict]:
    """The model against every other row that has a number, best row first.

    The interval is the paired one where the card has it; else that of two independent errors; else none.
    """
    own = value(card.scores, "model", name)
    if own is None:
        return []
    others = {row: x for row in card.scores if row != "model" and known(x := value(card.scores, row, name))}
    return [_verdict(card, name, row, own, others[row]) for row in sorted(others, key=lambda r: -others[r])]


def _verdict(card: Card, name: str, row: str, own: float, other: float) -> Verdict:
    difference, low, high = own - other, None, None
    errors = value(card.errors, "model", name), value(card.errors, row, name)
    pair = card.paired.get(name, {}).get(row)
    if pair and known(pair.get("low")) and known(pair.get("high")):
        low, high = pair["low"], pair["high"]
    elif known(errors[0]) and known(errors[1]):
        margin = Z * (errors[0] ** 2 + errors[1] ** 2) ** 0.5
        low, high = difference - margin, difference + margin
    word: Literal["above", "below", "level with"] = "above" if difference > 0 else "below"
    if difference == 0 or (low is not None and high is not None and low <= 0 <= high):
        word = "level with"
    return Verdict(row, other, word, difference, low, high)


def sentence(card: Card) -> str:
    """ "k-NN accuracy 0.781 ± 0.009: above dropout 0.702, level with TF-IDF 0.769 (within error)." """
    name = headline_metric(card)
    if name is None:
        others = [m for m in present([card.scores]) if metric(m).higher is None]
        return f"No score of quality: {_told(card, others[0])}." if others else "No scores: this run was not judged."
    told, many = _told(card, name), places(name, card.errors)
    found = verdicts(card, name)
    parts = []
    for word in ("above", "level with", "below"):
        those = [v for v in found if v.word == word]
        if those:
            names = listed([f"{row_name(v.row)} {score(v.value, places=many)}" for v in those])
            unsure = word == "level with" and any(v.difference for v in those)
            parts.append(f"{word} {names}" + (" (within error)" if unsure else ""))
    return told + (f": {', '.join(parts)}." if parts else ".")


def _told(card: Card, name: str) -> str:
    own, error = value(card.scores, "model", name), value(card.errors, "model", name)
    return f"{metric(name).name} {with_error(own, error, places(name, card.errors))}"


def listed(names: Sequence[str]) -> str:
    """a, b and c."""
    return f"{', '.join(names[:-1])} and {names[-1]}" if len(names) > 1 else "".join(names)
