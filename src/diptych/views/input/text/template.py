"""A text within a sentence that asks what it means (PromptBERT, arXiv:2201.04337)."""

from dataclasses import dataclass, field

import numpy as np

from diptych.core import Draw, Text, Transform, unchanged


@dataclass(frozen=True)
class Template:
    """The tokens `before` and `after` around the first `most` tokens of a window; special tokens are among them.

    With `empty` the tokens in between are left out, and those behind keep the positions they had: what the template
    says on its own, of a text of that length. A text that ends in the tokens `stop` loses them: they are in `after`.
    `text` is the template as a person reads it.

    Raises ValueError for a `most` below 1.
    """

    paper = "arXiv:2201.04337"

    text: str
    window: Transform = unchanged
    most: int = 32
    empty: bool = False
    before: tuple[int, ...] = field(default=(), kw_only=True, repr=False)
    after: tuple[int, ...] = field(default=(), kw_only=True, repr=False)
    stop: tuple[int, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        if self.most < 1:
            raise ValueError(f"a template holds at least one token of a text; got most={self.most}")

    def __call__(self, text: Text, draw: Draw) -> Text:
        ids = self.window(text, draw).ids
        if self.stop and tuple(ids[-len(self.stop) :]) == self.stop:
            ids = ids[: -len(self.stop)]
        ids = ids[: self.most]
        if not self.empty:
            return Text(np.array([*self.before, *ids, *self.after], np.int32), whole=True)
        first, last = len(self.before), len(self.before) + len(ids)
        places = [*range(first), *range(last, last + len(self.after))]
        return Text(np.array([*self.before, *self.after], np.int32), positions=np.array(places, np.int64), whole=True)
