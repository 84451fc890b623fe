"""Some tokens of a text twice (ESimCSE, arXiv:2109.04380)."""

from dataclasses import dataclass

import numpy as np

from diptych.core import Draw, Text


@dataclass(frozen=True)
class RepeatWords:
    """Repeats tokens in place, so that two views of a text differ in length.

    Of a text of L tokens, with `special` ones around it, none to min(`most`, int(`rate` * L)) - 1 are repeated, evenly
    likely, each at most once; special ones never. That is the authors' code; the paper's formula has another upper
    bound. They draw once before training, here it is anew at every step, by `draw.own`.

    Raises ValueError for a rate outside (0, 1], a `most` below 1, or a number of special tokens below 0.
    """

    paper = "arXiv:2109.04380"

    rate: float = 0.32
    most: int = 10
    special: int = 2

    def __post_init__(self) -> None:
        if not 0 < self.rate <= 1:
            raise ValueError(f"what is repeated is a part of the tokens, in (0, 1]; got rate={self.rate}")
        if self.most < 1 or self.special < 0:
            raise ValueError(f"most is 1 or more, special 0 or more; got most={self.most}, special={self.special}")

    def __call__(self, text: Text, draw: Draw) -> Text:
        bound = min(self.most, int(self.rate * (len(text.ids) + self.special)))
        if bound < 2:
            return text
        numbers = draw.own
        many = min(int(numbers.integers(bound)), len(text.ids))
        times = np.ones(len(text.ids), np.int64)
        times[numbers.choice(len(text.ids), many, replace=False)] = 2
        return Text(text.ids.repeat(times), text.words.repeat(times) if len(text.words) else text.words)
