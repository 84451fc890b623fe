"""Crops of a text: the views of arXiv:2508.03453."""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from diptych.core import Draw, Text


@dataclass(frozen=True)
class Crop:
    """A window of consecutive sentences, drawn anew at every step.

    Two views of one text are two *different* windows, which may share sentences. A text with fewer
    than two windows of `sentences` sentences is cropped by words instead: windows of `words` (a part
    of its length, at least one word). With `same`, every view of a text is the same window, and what
    tells them apart must come from elsewhere (dropout).
    """

    paper = "arXiv:2508.03453"

    sentences: int = 2
    words: float = 0.5
    same: bool = False

    def __post_init__(self) -> None:
        if self.sentences < 1:
            raise ValueError(f"a crop has at least one sentence; got sentences={self.sentences}")
        if not 0 < self.words < 1:
            raise ValueError(f"a word crop is a part of the text, between 0 and 1; got words={self.words}")

    def __call__(self, text: Text, draw: Draw) -> Text:
        starts, length = self._windows(text)
        first = choice(len(starts) - length + 1, draw, self.same)
        end = starts[first + length] if first + length < len(starts) else len(text.ids)
        return Text(text.ids[starts[first] : end])

    def fits(self, text: Text) -> bool:
        """Whether the text has two different windows: two words, or sentences."""
        return len(text.sentences) > self.sentences or int(np.count_nonzero(text.words)) > 1

    def by_words(self, text: Text) -> bool:
        """Whether the text is too short for two windows of sentences."""
        return len(text.sentences) <= self.sentences

    def _windows(self, text: Text) -> tuple[np.ndarray, int]:
        """Where the units (sentences or words) start, and how many make a window."""
        if not self.by_words(text):
            return text.sentences, self.sentences
        starts = np.flatnonzero(text.words)
        return starts, max(1, min(len(starts) - 1, round(self.words * len(starts))))


@dataclass(frozen=True)
class Halves:
    """The two sides of a cut through the text, at a word; drawn anew at every step.

    Each side has at least `least` of the words. With `same`, every view is one of the sides.
    """

    paper = "arXiv:2508.03453"

    least: float = 0.3
    same: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.least <= 0.5:
            raise ValueError(f"a side of a cut is a part of the text, from 0 to 0.5; got least={self.least}")

    def __call__(self, text: Text, draw: Draw) -> Text:
        numbers = draw.shared
        starts = np.flatnonzero(text.words)
        place = round(numbers.uniform(self.least, 1 - self.least) * len(starts))
        edge = starts[min(max(1, place), len(starts) - 1)]
        side = numbers.integers(2) if self.same else draw.view % 2
        return Text(text.ids[edge:] if side else text.ids[:edge])

    def fits(self, text: Text) -> bool:
        """Whether the text has two sides: two words."""
        return int(np.count_nonzero(text.words)) > 1

    def by_words(self, text: Text) -> bool:
        return False


@dataclass(frozen=True)
class PaperCrop:
    """The crop rule of the paper's code, exactly; for a store cut at full stops.

    A piece between full stops counts as a sentence if it has `shortest` to `longest` characters.
    A window is `sentences` successive qualifying pieces, those between them left out. A text with
    fewer than two windows is not used.
    """

    paper = "arXiv:2508.03453"

    sentences: int = 2
    shortest: int = 100
    longest: int = 250
    same: bool = False

    def __call__(self, text: Text, draw: Draw) -> Text:
        pieces = self._pieces(text)
        first = choice(len(pieces) - self.sentences + 1, draw, self.same)
        edges = np.append(text.sentences, len(text.ids))
        chosen = pieces[first : first + self.sentences]
        return Text(np.concatenate([text.ids[edges[j] : edges[j + 1]] for j in chosen]))

    def fits(self, text: Text) -> bool:
        """Whether the text has two different windows."""
        return len(self._pieces(text)) > self.sentences

    def by_words(self, text: Text) -> bool:
        return False

    def _pieces(self, text: Text) -> Sequence[int]:
        return np.flatnonzero((text.chars >= self.shortest) & (text.chars <= self.longest)).tolist()


def choice(windows: int, draw: Draw, same: bool) -> int:
    """A window for this view, another one than those of the other views of the text."""
    order = _order(draw.seed, draw.step, draw.sample, windows)
    return int(order[0 if same else draw.view % windows])


@functools.lru_cache(maxsize=1 << 14)  # a step asks again for each of its views
def _order(seed: int, step: int, sample: int, windows: int) -> np.ndarray:
    return Draw(seed, step, sample, 0).shared.permutation(windows)
