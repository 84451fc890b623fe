"""Masked tokens, which a language head is to guess (BERT, arXiv:1810.04805).

Shapes: t tokens of a text, k of them to draw.
"""

from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Bool, Int

from diptych.core import Draw, Text

IGNORED = -100  # the label of a token that nobody has to guess
MASKED, OTHER = 0.8, 0.1  # of the chosen tokens; the rest stay as they are


@dataclass(frozen=True)
class MaskTokens:
    """Chooses each token with probability `rate`, one at least: those are to be guessed, and `Text.labels` has them.

    Of the chosen, 80 % become the token `mask`, 10 % another one, drawn evenly from the `vocabulary` without `special`
    ones, and 10 % stay. Special tokens are never chosen; a text of nothing else has no token to guess. What is chosen
    is decided by `draw.own`.

    Raises ValueError for a rate that is not in (0, 1), and a vocabulary that has nothing but special tokens.
    Source: BERT, arXiv:1810.04805.
    """

    paper = "arXiv:1810.04805"

    rate: float = 0.15
    mask: int = field(kw_only=True, repr=False)
    vocabulary: int = field(kw_only=True, repr=False)
    special: tuple[int, ...] = field(default=(), kw_only=True, repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.rate < 1:
            raise ValueError(f"the part of the tokens that is masked is above 0 and below 1; got rate={self.rate}")
        object.__setattr__(self, "special", tuple(sorted({i for i in self.special if 0 <= i < self.vocabulary})))
        if len(self.special) >= self.vocabulary:
            raise ValueError(f"of a vocabulary of {self.vocabulary} tokens all are special: there is none to draw")

    def __call__(self, text: Text, draw: Draw) -> Text:
        numbers = draw.own
        chosen = np.flatnonzero(self._chosen(text.ids, numbers))
        how = numbers.random(len(chosen))
        ids, labels = text.ids.copy(), np.full(len(text.ids), IGNORED, np.int64)
        labels[chosen] = text.ids[chosen]
        ids[chosen[how < MASKED]] = self.mask
        others = chosen[(how >= MASKED) & (how < MASKED + OTHER)]
        ids[others] = self._drawn(len(others), numbers)
        return replace(text, ids=ids, labels=labels)

    def _chosen(self, ids: Int[np.ndarray, " t"], numbers: np.random.Generator) -> Bool[np.ndarray, " t"]:
        """Which tokens are to be guessed: where no lot is below the rate, that of the lowest."""
        lots = numbers.random(len(ids))
        lots[np.isin(ids, self.special)] = np.inf
        return np.isfinite(lots) & ((lots < self.rate) | (lots == lots.min(initial=np.inf)))

    def _drawn(self, k: int, numbers: np.random.Generator) -> Int[np.ndarray, " k"]:
        """Tokens that are not special: numbers of those that are left, moved past the special ones before them."""
        special = np.array(self.special, np.int64)
        left = numbers.integers(self.vocabulary - len(special), size=k)
        return left + np.searchsorted(special - np.arange(len(special)), left, side="right")
