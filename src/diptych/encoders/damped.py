"""Tokenizers that read a repeated word once."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tokenizers import Encoding, Tokenizer

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
    return bool(before) and before["type"] == "Sequence" and before["pretokenizers"][0] == ONCE


# ---------------------------------------------------------------- the same, sooner


WORDS = {"type": "Split", "pattern": {"Regex": r"[^\W_]+"}, "behavior": "Removed", "invert": True}
LOWER = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None} | {
    "lowercase": True
}
PLAIN = re.compile(r"[a-z0-9]+")  # the words of an ASCII text in lower case


@dataclass(frozen=True)
class Reader:
    """Has a tokenizer read texts; where it is damped, and the text ASCII, several times as fast.

    The expression looks for the repetition of each word anew; here one pass does, and `plain`, the tokenizer
    undamped, reads what is left. `odd` finds what only the tokenizer itself reads right: other characters,
    and the tokens that it looks for before anything else.
    """

    tokenizer: Tokenizer
    plain: Tokenizer | None
    odd: re.Pattern[str]

    @staticmethod
    def of(tokenizer: Tokenizer) -> "Reader":
        state = json.loads(tokenizer.to_str())
        known = _is_damped(state) and state["pre_tokenizer"]["pretokenizers"][1:] == [WORDS]
        added = [re.escape(token["content"]) for token in state["added_tokens"]]
        odd = re.compile("|".join([r"[^\t\n\r -~]", *added]), re.IGNORECASE | re.ASCII)
        return Reader(tokenizer, undamped(tokenizer) if known and state["normalizer"] == LOWER else None, odd)

    def __call__(self, texts: Sequence[str]) -> list[Encoding]:
        """The tokens of each text, without special ones around them."""
        if self.plain is None:
            return self.tokenizer.encode_batch_fast(texts, add_special_tokens=False)
        odd = [self.odd.search(text) is not None for text in texts]
        rest = [text for text, x in zip(texts, odd, strict=True) if x]
        easy = [once(text) for text, x in zip(texts, odd, strict=True) if not x]
        slowly = iter(self.tokenizer.encode_batch_fast(rest, add_special_tokens=False))
        soon = iter(self.plain.encode_batch_fast(easy, add_special_tokens=False))
        return [next(slowly if x else soon) for x in odd]


def once(text: str) -> str:
    """The words of an ASCII text in lower case, but for those that come again within REACH characters."""
    kept: list[str] = []
    ends: list[int] = []
    last: dict[str, int] = {}
    for found in PLAIN.finditer(text.lower()):
        word, (start, end) = found[0], found.span()
        if word in last and start - ends[last[word]] <= REACH and end - start <= LONGEST:
            kept[last[word]] = ""
        last[word] = len(kept)
        kept.append(word)
        ends.append(end)
    return " ".join(kept)
