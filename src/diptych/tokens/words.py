"""Texts as tokens, by their words: as our own word-piece tokenizers read them, several times as fast.

Shapes: c characters and w words of texts laid end to end, t tokens of these words.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import numpy as np
from jaxtyping import Int
from tokenizers import Tokenizer

WORDS = {"type": "Split", "pattern": {"Regex": r"[^\W_]+"}, "behavior": "Removed", "invert": True}
LOWER = {"type": "BertNormalizer", "clean_text": True, "handle_chinese_chars": True, "strip_accents": None} | {
    "lowercase": True
}
WORD = re.compile(r"[a-z0-9]+")  # of an ASCII text in lower case
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")  # left out by the tokenizer
INSIDE = np.array([chr(i).isalnum() and i < 128 for i in range(256)])
MOST = 1 << 20  # words that are remembered


@dataclass(frozen=True)
class Found:
    """The words of texts that were laid end to end, in order, with a character between them.

    Word i is number `word[i]` of those that are known, of text `text[i]`; its characters are
    `start[i]:end[i]` of that text.
    """

    word: Int[np.ndarray, " w"]
    text: Int[np.ndarray, " w"]
    start: Int[np.ndarray, " w"]
    end: Int[np.ndarray, " w"]


@dataclass
class Words:
    """Finds words in texts of ASCII characters, and knows the tokens of every word it has seen.

    A word's tokens do not depend on what is around it. Other texts only the tokenizer itself reads right, and those
    that hold one of the tokens it looks for before anything else, `added`.
    """

    tokenizer: Tokenizer
    added: tuple[str, ...]
    known: dict[str, int] = field(default_factory=dict)
    ids: Int[np.ndarray, " t"] = field(default_factory=lambda: np.empty(0, np.int32))  # of the known words, in a row
    edges: Int[np.ndarray, " n+1"] = field(default_factory=lambda: np.zeros(1, np.int64))  # between known words there

    @staticmethod
    def of(tokenizer: Tokenizer) -> "Words | None":
        """None for a tokenizer that is not ours: one that does more than to lower the case and to find words."""
        state: dict[str, Any] = json.loads(tokenizer.to_str())
        if (state["model"]["type"], state["normalizer"], state["pre_tokenizer"]) != ("WordPiece", LOWER, WORDS):
            return None
        added = tuple(token["content"].lower() for token in state["added_tokens"])
        return Words(Tokenizer.from_str(json.dumps(state | {"truncation": None, "padding": None})), added)

    def easy(self, text: str) -> bool:
        """Whether a text can be read by its words."""
        if not text.isascii() or CONTROL.search(text):
            return False
        lower = text.lower()
        return not any(token in lower for token in self.added)

    def find(self, texts: Sequence[str]) -> Found:
        """The words of easy texts."""
        joined = "\n".join(texts).lower()
        found = WORD.findall(joined)
        self._learn({*found})
        inside = INSIDE[np.frombuffer(joined.encode(), np.uint8)]
        edges = np.flatnonzero(np.diff(inside, prepend=False, append=False))
        starts, ends = edges[::2], edges[1::2]
        first = np.cumsum([0, *(len(text) + 1 for text in texts)])
        text = np.searchsorted(first, starts, side="right") - 1
        word = np.fromiter(map(self.known.__getitem__, found), np.int64, len(found))
        return Found(word, text, starts - first[text], ends - first[text])

    def _learn(self, words: set[str]) -> None:
        new = words - self.known.keys()
        if len(self.known) + len(new) > MOST:
            self.known, self.ids, self.edges, new = {}, self.ids[:0], self.edges[:1], words
        read = self.tokenizer.encode_batch_fast(list(new), add_special_tokens=False) if new else []
        self.known.update(zip(new, range(len(self.known), len(self.known) + len(new)), strict=True))
        ids = [encoding.ids for encoding in read]
        self.ids = np.append(self.ids, np.fromiter(chain.from_iterable(ids), np.int32))
        self.edges = np.append(self.edges, self.edges[-1] + np.cumsum([*map(len, ids)], dtype=np.int64))

    def tokens(self, word: Int[np.ndarray, " w"]) -> tuple[Int[np.ndarray, " t"], Int[np.ndarray, " w"]]:
        """The tokens of known words in a row, and how many each has."""
        counts = self.edges[word + 1] - self.edges[word]
        behind = np.cumsum(counts)
        place = np.arange(behind[-1] if len(word) else 0) - np.repeat(behind - counts, counts)
        return self.ids[np.repeat(self.edges[word], counts) + place], counts
