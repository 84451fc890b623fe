"""What every layer knows of which views belong together. It embeds twice the samples with all layers kept: off unless
a recipe asks for it."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float

from diptych.core import Draw, Encoder, Recipe, Sample, Snapshot
from diptych.instruments.still import still
from diptych.measure.neighbours import found_at_once

Hidden = Callable[[Encoder, Sequence[Sample]], Sequence[Float[np.ndarray, "n d_l"]]]


class Layers:
    """retrieval_0 ... retrieval_L: how often the second view of a sample is the nearest to its first, by the cosine of
    mean hidden states, among the second views of all samples.

    `hidden` gives the states of each layer (`diptych.encoders.hidden.hidden`). Raises ValueError unless there are as
    many first views as second ones, two or more.
    """

    def __init__(self, first: Sequence[Sample], second: Sequence[Sample], hidden: Hidden, every: int):
        if not len(first) == len(second) >= 2:
            raise ValueError(f"each of 2 samples or more has two views; got {len(first)} and {len(second)}")
        self.first, self.second, self.hidden, self.every = first, second, hidden, every

    @staticmethod
    def of(recipe: Recipe, hidden: Hidden, every: int | None = None, most: int = 512) -> "Layers":
        """On the first two views of up to `most` samples, made once; every so many steps, or at the end alone."""
        chosen = np.random.default_rng(recipe.seed).permutation(len(recipe.data))[:most].tolist()
        first, second = (
            [view.transform(recipe.data[i][view.column], Draw(recipe.seed, 0, i, v)) for i in chosen]
            for v, view in enumerate(recipe.views[:2])
        )
        return Layers(first, second, hidden, every or recipe.steps)

    def __call__(self, snapshot: Snapshot) -> Mapping[str, float]:
        encoder = snapshot.model.encoder
        if snapshot.model.sharded:
            return {}
        with still(encoder):
            sides = self.hidden(encoder, self.first), self.hidden(encoder, self.second)
        return {
            f"retrieval_{i}": float(found_at_once(x, y).mean()) for i, (x, y) in enumerate(zip(*sides, strict=True))
        }
