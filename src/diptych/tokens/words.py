"""Texts as tokens, by their words: as our own word-piece tokenizers read them, several times as fast.

Shapes: w words of texts, n different ones with k tokens in all; t tokens of words that are asked for.
"""

import json
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Int
from tokenizers import Tokenizer

from diptych.tokens.tokenise import plain

WORDS = {"type": "Split", "pattern": {"Regex": r"[^\W_]+"}, "behavior": "Removed", "invert": True}
LOWER = {
    "type": "BertNormalizer",
    "clean_text": True,
    "handle_chinese_chars": True,
    "strip_accents": None,
    "lowercase": True,
}
WORD = re.compile(r"[a-z0-9]+")  # of an ASCII text in lower case
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")  # left out by the tokenizer
INSIDE = np.array([chr(i).isalnum() and i < 128 for i in range(256)])
MOST, LONGEST = 1 << 20, 100  # words that are remembered, and the characters of one
T = TypeVar("T")


@dataclass(frozen=True)
class Found:
    """The words of texts, in order.

    Word i is of text `text[i]`, and its characters are `start[i]:end[i]` there. Equal words have one number,
    `word[i]`, and the tokens of word number j are `ids[edges[j]:edges[j + 1]]`.
    """

    word: Int[np.ndarray, " w"]
    text: Int[np.ndarray, " w"]
    start: Int[np.ndarray, " w"]
    end: Int[np.ndarray, " w"]
    ids: Int[np.ndarray, " k"]
    edges: Int[np.ndarray, " n+1"]

    def tokens(self, word: Int[np.ndarray, " w"]) -> tuple[Int[np.ndarray, " t"], Int[np.ndarray, " w"]]:
        """The tokens of words, by their numbers, in a row, and how many each has."""
        counts = self.edges[word + 1] - self.edges[word]
        behind = np.cumsum(counts)
        place = np.arange(behind[-1] if len(word) else 0) - np.repeat(behind - counts, counts)
        return self.ids[np.repeat(self.edges[word], counts) + place], counts


@dataclass
class Words:
    """Finds words in texts of ASCII characters, and remembers the tokens of words.

    A word's tokens do not depend on what is around it. Other texts only the tokenizer itself reads right, and those
    that hold one of the tokens it looks for before anything else, `added`. Threads may share it: what is remembered
    is only ever added to, or left for a new beginning.
    """

    tokenizer: Tokenizer
    added: tuple[str, ...]
    known: dict[str, tuple[int, ...]] = field(default_factory=dict)

    @staticmethod
    def of(tokenizer: Tokenizer) -> "Words | None":
        """None for a tokenizer that is not ours: one that does more than to lower the case and to find words."""
        state: dict[str, Any] = json.loads(tokenizer.to_str())
        if (state["model"]["type"], state["normalizer"], state["pre_tokenizer"]) != ("WordPiece", LOWER, WORDS):
            return None
        if any(token["normalized"] or not token["content"].isascii() for token in state["added_tokens"]):
            return None
        added = tuple(token["content"].lower() for token in state["added_tokens"])
        return Words(plain(tokenizer), added)

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
        number = {word: i for i, word in enumerate(dict.fromkeys(found))}
        tokens = self._tokens(number)
        inside = INSIDE[np.frombuffer(joined.encode(), np.uint8)]
        borders = np.flatnonzero(np.diff(inside, prepend=False, append=False))
        starts, ends = borders[::2], borders[1::2]
        first = np.cumsum([0, *(len(text) + 1 for text in texts)])
        text = np.searchsorted(first, starts, side="right") - 1
        return Found(
            np.fromiter(map(number.__getitem__, found), np.int64, len(found)),
            text,
            starts - first[text],
            ends - first[text],
            np.fromiter(chain.from_iterable(tokens), np.int32),
            np.cumsum([0, *map(len, tokens)], dtype=np.int64),
        )

    def _tokens(self, words: Collection[str]) -> list[tuple[int, ...]]:
        known = self.known
        told = {word: known[word] for word in words if word in known}
        new = [word for word in words if word not in told]
        read = self.tokenizer.encode_batch_fast(new, add_special_tokens=False) if new else []
        told |= {word: tuple(encoding.ids) for word, encoding in zip(new, read, strict=True)}
        if len(known) + len(new) > MOST:
            known = self.known = {}
        known.update((word, told[word]) for word in new if len(word) <= LONGEST)
        return [told[word] for word in words]


def by_words_or_not(
    texts: Sequence[str],
    easy: Callable[[str], bool],
    soon: Callable[[list[str]], Iterable[T]],
    slowly: Callable[[list[str]], Iterable[T]],
) -> list[T]:
    """What `soon` makes of the texts that are easy, and `slowly` of the others, in their order."""
    which = [easy(text) for text in texts]
    parts = {
        x: iter(read([t for t, y in zip(texts, which, strict=True) if y is x]))
        for x, read in ((True, soon), (False, slowly))
    }
    return [next(parts[x]) for x in which]
