"""The last steps of a run, taken again elsewhere, to see that they end in the same bytes."""

import filecmp
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from diptych.core import DataError, Instrument, Machine, Recipe
from diptych.train import processes, state
from diptych.train.loop import Watch, train


@dataclass(frozen=True)
class Replay:
    """Steps that were taken again, counted from 1, and what came out otherwise (empty: nothing)."""

    first: int
    last: int
    difference: str


def replay(
    recipe: Recipe,
    folder: Path,
    machine: Machine,
    instruments: Sequence[Instrument] = (),
    watch: Watch = lambda metrics: None,
    say: Callable[[str], None] = lambda line: None,
) -> Replay:
    """Takes the steps between the two newest checkpoints in `folder` again; with one checkpoint, all from the first.

    Nothing in `folder` changes. Raises DataError if there is no checkpoint, or one of the two is damaged.
    """
    found = state.checkpoints(folder / "checkpoints")[-2:]
    if not found:
        raise DataError(f"{folder} has no checkpoint, so there is nothing to verify")
    *earlier, newest = found
    last = state.read(newest)[0]
    first = state.read(earlier[0])[0] if earlier else 0
    say(f"taking steps {first + 1}..{last} again ...")
    with _elsewhere() as place:
        again = place / "checkpoints" / newest.name
        if processes.world().first:
            again.parent.mkdir()
            for path in earlier:
                shutil.copy(path, again.parent)
        processes.world().wait()
        train(recipe, place, replace(machine, checkpoint=float("inf")), instruments, watch, last=last)
        processes.world().wait()
        same = filecmp.cmp(newest, again, shallow=False)
        return Replay(first + 1, last, "" if same else _difference(newest, again))


@contextmanager
def _elsewhere() -> Iterator[Path]:
    """A folder that the processes of a run share and that is gone afterwards."""
    world = processes.world()
    place = Path(world.told(tempfile.mkdtemp(prefix="diptych-") if world.first else ""))
    try:
        yield place
        world.wait()
    finally:
        if world.first:
            shutil.rmtree(place, ignore_errors=True)


def _difference(kept: Path, again: Path) -> str:
    """The first tensor that differs between two checkpoints, weights before all else, and by how much."""
    (_, counts, a), (_, others, b) = state.read(kept), state.read(again)
    for name in sorted(a.keys() | b.keys(), key=lambda name: (not name.startswith("model/"), name)):
        if name not in a or name not in b or a[name].shape != b[name].shape or a[name].dtype != b[name].dtype:
            return f"{name} is not of the same shape in both"
        if not torch.equal(_raw(a[name]), _raw(b[name])):
            return f"{name} differs by up to {(a[name].double() - b[name].double()).abs().max():.3g}"
    return f"the weights are the same, the counts are not: {counts} and {others}" if counts != others else "the header"


def _raw(x: Tensor) -> Tensor:
    return x.reshape(-1).view(torch.uint8)
