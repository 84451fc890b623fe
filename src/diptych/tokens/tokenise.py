"""Strings as token ids, without the special tokens that a network may want around them."""

from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Int
from tokenizers import Tokenizer

from diptych.core import Text

Read = Callable[[Sequence[str]], Sequence[Sequence[int] | Int[np.ndarray, " t"]]]  # the tokens of each text
TOGETHER = 1024  # texts that are handed to the tokenizer's threads at once


def plain(tokenizer: Tokenizer) -> Tokenizer:
    """A copy that neither pads nor truncates."""
    copy = Tokenizer.from_str(tokenizer.to_str())
    copy.no_padding()
    copy.no_truncation()
    return copy


def only_strings(texts: Sequence[str], first: int = 0) -> None:
    """Raises TypeError for what is no string, and for one string in the place of many."""
    if isinstance(texts, str):
        raise TypeError(f"this takes a list of texts; got the one text {texts[:40]!r}")
    for i, text in enumerate(texts, first):
        if not isinstance(text, str):
            raise TypeError(f"a text is a string; number {i} is {text!r:.40} ({type(text).__name__})")


def tokenise(read: Read, texts: Sequence[str]) -> list[Text]:
    """Each text's ids, all of them. Raises TypeError for what is no string, ValueError if the tokenizer is broken."""
    if isinstance(texts, str):
        only_strings(texts)
    out: list[Text] = []
    for start in range(0, len(texts), TOGETHER):
        part = list(texts[start : start + TOGETHER])  # texts may be lazy: read once
        only_strings(part, start)
        try:
            ids = read(part)
        except Exception as error:
            if type(error) is not Exception:
                raise
            raise ValueError(f"the model's tokenizer.json is broken: {error}") from error
        out += [Text(np.asarray(row, np.int32)) for row in ids]
    return out


def surroundings(tokenizer: Tokenizer) -> tuple[list[int], list[int]]:
    """The special tokens that the tokenizer's own rule puts before and after a text."""
    for probe in ("a", "the", "1", "."):
        encoding = tokenizer.encode(probe)
        own = [i for i, special in enumerate(encoding.special_tokens_mask) if not special]
        if own:
            return encoding.ids[: own[0]], encoding.ids[own[-1] + 1 :]
    raise ValueError("this tokenizer finds no token in `a`, `the`, `1` and `.`, so its special tokens are unknown")
