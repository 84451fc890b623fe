"""Scores of tasks along the way: what a model that is learning can do so far."""

from collections.abc import Callable, Mapping, Sequence

from diptych.core import Snapshot
from diptych.instruments.still import still

Ask = Callable[[Callable[[Sequence[str]], object]], Mapping[str, float]]  # from a way to embed texts to scores by name


class Asking:
    """Embeds the texts of tasks every so many steps, and at the end, and names their scores.

    A model whose weights are divided among processes is not asked: they would have to embed together.
    """

    def __init__(self, ask: Ask, every: int = 200):
        if every < 1:
            raise ValueError(f"scores are taken every so many steps, 1 or more; got {every}")
        self.ask, self.every = ask, every

    def __call__(self, snapshot: Snapshot) -> Mapping[str, float]:
        if snapshot.model.sharded:
            return {}
        with still(snapshot.model.encoder):
            return self.ask(snapshot.model.encoder.encode)
