"""Tokenizers that read a repeated word once."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Int
from tokenizers import Tokenizer

from diptych.tokens.words import Found, Words, by_words_or_not

REACH = 300  # characters from the end of a word to its repetition
LONGEST = 100  # characters of a word that is looked for
WORD = rf"(?<![^\W_])([^\W_]{{1,{LONGEST}}})(?![^\W_])"
REPEATED = WORD + rf"(?=[\s\S]{{0,{REACH}}}?(?<![^\W_])\1(?![^\W_]))"
ONCE = {"type": "Split", "pattern": {"Regex": REPEATED}, "behavior": "Removed", "invert": False}


def damped(tokenizer: Tokenizer) -> Tokenizer:
    """A copy that reads a word once where it is repeated within 300 characters, at its last place.

    A mean of token vectors counts a word as often as it stands there; TF-IDF has its logarithm for
    that. This is the part of it that a tokenizer can carry.
    """
    state = json.loads(undamped(tokenizer).to_str())
    state["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [ONCE, state["pre_tokenizer"]]}
    return Tokenizer.from_str(json.dumps(state))


def undamped(tokenizer: Tokenizer) -> Tokenizer:
    """A copy that reads every word, as for crops: what is repeated may be in either of them."""
    state = json.loads(tokenizer.to_str())
    if _is_damped(state):
        state["pre_tokenizer"] = state["pre_tokenizer"]["pretokenizers"][1]
    return Tokenizer.from_str(json.dumps(state))


def _is_damped(state: dict[str, Any]) -> bool:
    before = state["pre_tokenizer"]
    steps = before["pretokenizers"] if before and before["type"] == "Sequence" else []
    return len(steps) == 2 and steps[0] == ONCE


# ---------------------------------------------------------------- the same, sooner


@dataclass(frozen=True)
class Reader:
    """Has a tokenizer read texts; where it is ours and the text ASCII, by its words.

    The damped tokenizer's expression looks for the repetition of each word anew; here one pass over the words does.
    """

    tokenizer: Tokenizer
    damped: bool
    words: Words | None

    @staticmethod
    def of(tokenizer: Tokenizer) -> "Reader":
        return Reader(tokenizer, _is_damped(json.loads(tokenizer.to_str())), Words.of(undamped(tokenizer)))

    def __call__(self, texts: Sequence[str]) -> list[Int[np.ndarray, " t"]]:
        """The tokens of each text, without special ones around them."""
        if self.words is None:
            return self._by_tokenizer(texts)
        return by_words_or_not(texts, self.words.easy, self._by_words, self._by_tokenizer)

    def _by_tokenizer(self, texts: Sequence[str]) -> list[Int[np.ndarray, " t"]]:
        read = self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        return [np.array(encoding.ids, np.int32) for encoding in read]

    def _by_words(self, texts: Sequence[str]) -> list[Int[np.ndarray, " t"]]:
        if self.words is None or not texts:
            return []
        found = self.words.find(texts)
        left = ~repeated(found) if self.damped else np.ones(len(found.word), bool)
        ids, counts = found.tokens(found.word[left])
        last = np.searchsorted(np.repeat(found.text[left], counts), np.arange(len(texts) - 1), side="right")
        return np.split(ids, last)


def repeated(found: Found) -> Bool[np.ndarray, " w"]:
    """Which words come again in their text, within REACH characters; of words that are not too long."""
    order = np.lexsort((found.start, found.word, found.text))
    this, following = order[:-1], order[1:]
    out = np.zeros(len(found.word), bool)
    out[this] = (
        (found.word[this] == found.word[following])
        & (found.text[this] == found.text[following])
        & (found.start[following] - found.end[this] <= REACH)
        & (found.end[this] - found.start[this] <= LONGEST)
    )
    return out
