"""What is known of the pictures of a corpus, by part, as arrays: their classes, masks, or depths."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePath

import numpy as np
from jaxtyping import Float, Shaped

from diptych.core import DataError, Picture
from diptych.data.images.store import Pictures
from diptych.plural import counted

PARTS = ("train", "val", "test")
BY_ORDER = {"train": (0.0, 0.6), "val": (0.6, 0.7), "test": (0.7, 1.0)}  # where no parts are given
MISSING = (0, 65535)  # whole numbers that are no depth


@dataclass(frozen=True)
class Known:
    """Pictures and what is known of each, by part: train, test, and val where it is given. `names` are of classes.

    Raises DataError if train or test is empty, or a part has more or fewer rows of one than of the other.
    """

    name: str
    pictures: Mapping[str, list[Picture]]
    truth: Mapping[str, Shaped[np.ndarray, "n ..."]]
    names: Sequence[str] = ()
    notes: Sequence[str] = ()

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            if not len(self.pictures.get(part, ())):
                raise DataError(f"{self.name}: no picture is of the part {part!r}; train and test are both due")
        for part, pictures in self.pictures.items():
            if len(pictures) != len(self.truth[part]):
                rows = counted(len(self.truth[part]), "row")
                told = f"{counted(len(pictures), 'picture')} and {rows} of what is known of them"
                raise DataError(f"{self.name}: the part {part!r} has {told}")


def labels(corpus: Pictures) -> Known:
    """The classes of pictures, of which the corpus gives the parts; those without one are left out."""
    told = np.array([label or "" for label in corpus.labels or [""] * len(corpus)])
    rows = {part: [i for i in corpus.part(part).tolist() if told[i]] for part in PARTS}  # type: ignore[arg-type]
    rows = {part: there for part, there in rows.items() if there}
    pictures = {part: [corpus.picture(i) for i in there] for part, there in rows.items()}
    return Known(named(corpus), pictures, {part: told[there] for part, there in rows.items()}, corpus.names)


def maps(corpus: Pictures, kind: str, most: int | None = None) -> Known:
    """Masks or depths of pictures, at most so many of each part, evenly.

    Where no parts are given the first six tenths are train and the last three test, in the order of the corpus:
    neighbours in a sequence are nearly the same, and drawn at random they would be in both.

    Raises DataError for a corpus without such maps, or with maps of several sizes.
    """
    name = named(corpus)
    if kind not in corpus.flat:
        there = f"there are {', '.join(corpus.flat)}" if corpus.flat else "there is none"
        raise DataError(f"{name} has no map {kind!r} of its pictures; {there}")
    given = {part: corpus.part(part) for part in PARTS}  # type: ignore[arg-type]
    notes = []
    if not len(given["train"]) or not len(given["test"]):
        n = len(corpus)
        given = {part: np.arange(round(a * n), round(b * n)) for part, (a, b) in BY_ORDER.items()}
        counts = ", ".join(f"{len(rows)} {part}" for part, rows in given.items())
        notes.append(
            f"{name}: no parts are given, so pictures are parted by their order ({counts}); if they are frames of a "
            "sequence, intervals over them are too narrow"
        )
    if most is not None and any(len(there) > most for there in given.values()):
        notes.append(f"{name}: segmentation and depth are of at most {most:,} pictures of a part, evenly taken")
    rows = {part: _thinned(there, most).tolist() for part, there in given.items() if len(there)}
    found = {part: [corpus.map(kind, i) for i in there] for part, there in rows.items()}
    if len({x.shape for each in found.values() for x in each}) > 1:
        raise DataError(f"{name}: maps are compared pixel by pixel, and these are of several sizes")
    pictures = {part: [corpus.picture(i) for i in there] for part, there in rows.items()}
    truth = {part: np.stack(each) for part, each in found.items()}
    return Known(name, pictures, truth, corpus.names, notes)


def named(corpus: Pictures) -> str:
    """A corpus in one word: "cifar10" of data/cifar10.npz, "world" of world:n=100."""
    return PurePath(corpus.name.partition(":")[0]).name.partition(".")[0] or "pictures"


def _thinned(rows: np.ndarray, most: int | None) -> np.ndarray:
    return rows if most is None or len(rows) <= most else rows[np.arange(most) * len(rows) // most]


def metres(depths: Shaped[np.ndarray, "n y x"]) -> Float[np.ndarray, "n y x"]:
    """Depths in metres, 0 where there is none. Whole numbers are millimetres, of which 0 and 65535 are no depth."""
    if depths.dtype.kind in "ui":
        return np.where(np.isin(depths, MISSING), 0, depths / 1000).astype(np.float32)
    return np.where(np.isfinite(depths) & (depths > 0), depths, 0).astype(np.float32)
