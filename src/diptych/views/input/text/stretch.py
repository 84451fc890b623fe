"""A stretch of a text that is as long as an encoder reads."""

from dataclasses import dataclass

import numpy as np

from diptych.core import Draw, Text


@dataclass(frozen=True)
class Stretch:
    """Up to `tokens` consecutive tokens, from the start of a word that is drawn anew at every step (`draw.own`).

    A text that is no longer stays whole. Raises ValueError for less than one token.
    """

    tokens: int = 512

    def __post_init__(self) -> None:
        if self.tokens < 1:
            raise ValueError(f"a stretch has at least one token; got tokens={self.tokens}")

    def __call__(self, text: Text, draw: Draw) -> Text:
        if (beyond := len(text.ids) - self.tokens) <= 0:
            return Text(text.ids)
        words = np.flatnonzero(text.words[: beyond + 1])
        first = draw.own.choice(words) if len(words) else 0
        return Text(text.ids[first : first + self.tokens])

    def fits(self, text: Text) -> bool:
        """Whether there is anything to read."""
        return len(text.ids) > 0

    def by_words(self, text: Text) -> bool:
        return False
