"""One sentence of a text, the same for all of its views."""

from dataclasses import dataclass

import numpy as np

from diptych.core import Draw, Text
from diptych.views.input.text.crop import choice


@dataclass(frozen=True)
class Sentence:
    """A window of `count` consecutive sentences, drawn anew at every step; 0 is the whole text.

    A text that has no more sentences is taken whole. With `same`, every view of a text is the same window, and what
    tells them apart must come from elsewhere (dropout); without, views are different windows where there are as many.
    Of a window the first `most` tokens are read, all of them if it is None.

    Raises ValueError for a count below 0, or a `most` below 1.
    """

    count: int = 1
    same: bool = True
    most: int | None = None

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError(f"a window has so many sentences, or 0 for all of a text; got {self.count}")
        if self.most is not None and self.most < 1:
            raise ValueError(f"of a window at least one token is read; got most={self.most}")

    def __call__(self, text: Text, draw: Draw) -> Text:
        start, end = 0, len(text.ids)
        if 0 < self.count < len(text.sentences):
            edges = np.append(text.sentences, end)
            first = choice(len(edges) - self.count, draw, self.same)
            start, end = edges[first], edges[first + self.count]
        window = slice(start, end if self.most is None else min(end, start + self.most))
        return Text(text.ids[window], text.words[window])

    def fits(self, text: Text) -> bool:
        """Whether there is anything to read."""
        return len(text.ids) > 0

    def by_words(self, text: Text) -> bool:
        return False
