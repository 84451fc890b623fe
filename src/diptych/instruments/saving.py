"""Snapshots of a run: what it would leave if it ended after so many steps, to choose among later."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

from diptych.core import Kept, Model, Snapshot
from diptych.runs import whole


class Saving:
    """Saves the encoder to `folder`/000000200 every so many steps, and at the end, whole or not at all.

    A head for language is saved with it, that of the model or one of `heads`, which learn elsewhere, so that training
    can go on from there. An encoder with an adapter saves that alone. One that is there already stays: a run that is
    taken up again would make the same. A model whose weights are divided among processes is not saved.
    """

    def __init__(self, folder: Path, every: int, heads: Sequence[Kept] = ()):
        if every < 1:
            raise ValueError(f"snapshots are saved every so many steps, 1 or more; got {every}")
        self.folder, self.every, self.heads = folder, every, heads

    def __call__(self, snapshot: Snapshot) -> Mapping[str, float]:
        place = self.folder / f"{snapshot.step:09}"
        if not (snapshot.model.sharded or place.exists()):
            with whole(place) as part:
                save(snapshot.model, part, self.heads)
        return {}


def save(model: Model, folder: Path, heads: Sequence[Kept] = ()) -> None:
    """Saves a model that is learning, with its tables as they would be looked up now, and leaves it as it was."""
    with ExitStack() as stack:
        for table in model.encoder.tables:
            if look := getattr(table, "look", None):
                stack.enter_context(look.current())
        model.save(folder)
    for head in heads:
        head.save(folder)
