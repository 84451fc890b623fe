"""Arrays of pictures and what is known of them, in an .npz file: `x_train`, `x_val`, `x_test` and one more each.

    y_train ...    int [n]             classes; `names` [c] says what they are called
    m_train ...    int [n, y, x]       masks: the class of every pixel; `ignore` [] says which number is none
    d_train ...    [n, y, x]           depths: metres, or millimetres if they are whole numbers

Pictures are uint8 [n, h, w, 3]; `val` may be missing. A sequence of frames with depths may also be `rgb` and
`depth_mm`: it is parted by time, for neighbouring frames are nearly the same.
"""

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from diptych.core import DataError, Picture

PARTS = ("train", "val", "test")
OF_FRAMES = {"train": (0.0, 0.6), "val": (0.6, 0.7), "test": (0.7, 1.0)}  # parts of a sequence; train touches no test
MISSING = (0, 65535)  # whole numbers that are no depth


@dataclass(frozen=True)
class Known:
    """Pictures and what is known of each, by part: train, test, and val where it is given."""

    name: str
    pictures: Mapping[str, list[Picture]]
    truth: Mapping[str, Shaped[np.ndarray, "n ..."]]
    names: Sequence[str] = ()  # of classes
    ignore: int | None = None
    notes: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        for part in ("train", "test"):
            if not len(self.pictures.get(part, ())):
                raise DataError(f"{self.name}: no picture is of the part {part!r}; train and test are both due")
        for part, pictures in self.pictures.items():
            if len(pictures) != len(self.truth[part]):
                told = f"{len(pictures)} pictures and {len(self.truth[part])} rows of what is known of them"
                raise DataError(f"{self.name}: the part {part!r} has {told}")


def given(
    name: str,
    pictures: Mapping[str, Shaped[np.ndarray, "n h w 3"]],
    truth: Mapping[str, Shaped[np.ndarray, "n ..."]],
    names: Sequence[str] = (),
    ignore: int | None = None,
) -> Known:
    """Arrays by part, as `Known`. Raises DataError for arrays that are no pictures, or do not belong together."""
    for part, x in pictures.items():
        if x.ndim != 4 or x.shape[3] != 3 or x.dtype != np.uint8:
            raise DataError(f"{name}: pictures are uint8 [n, h, w, 3]; those of {part!r} are {x.dtype} {list(x.shape)}")
    return Known(name, {part: [Picture(row) for row in x] for part, x in pictures.items()}, truth, names, ignore)


def read(path: Path, letter: str) -> Known:
    """What a file knows, of "y" classes, "m" masks or "d" depths.

    Raises FileNotFoundError, and DataError for a file that is none or lacks an array.
    """
    there = _arrays(path)
    name = path.name.partition(".")[0]
    if letter == "d" and {"rgb", "depth_mm"} <= there.keys():
        return _frames(name, there["rgb"], there["depth_mm"])
    parts = [part for part in PARTS if f"x_{part}" in there]
    needed = [f"{kind}_{part}" for part in ("train", "test") for kind in ("x", letter)]
    if missing := [key for key in [*needed, *(f"{letter}_{part}" for part in parts)] if key not in there]:
        lacking = ", ".join(dict.fromkeys(missing))
        raise DataError(f"{path} has no array {lacking}; there are {', '.join(sorted(there))}")
    pictures = {part: there[f"x_{part}"] for part in parts}
    truth = {part: there[f"{letter}_{part}"] for part in parts}
    names = [str(x) for x in there["names"].ravel()] if "names" in there else []
    ignore = int(there["ignore"]) if "ignore" in there else None
    return given(name, pictures, {k: metres(x) if letter == "d" else x for k, x in truth.items()}, names, ignore)


def metres(depths: Shaped[np.ndarray, "n y x"]) -> Shaped[np.ndarray, "n y x"]:
    """Depths in metres, 0 where there is none. Whole numbers are millimetres, of which 0 and 65535 are no depth."""
    if depths.dtype.kind in "ui":
        return np.where(np.isin(depths, MISSING), 0, depths / 1000).astype(np.float32)
    return np.where(np.isfinite(depths) & (depths > 0), depths, 0).astype(np.float32)


def _frames(name: str, rgb: np.ndarray, depth: np.ndarray) -> Known:
    if len(rgb) != len(depth):
        raise DataError(f"{name}: {len(rgb)} frames and {len(depth)} depth maps")
    slices = {part: slice(round(a * len(rgb)), round(b * len(rgb))) for part, (a, b) in OF_FRAMES.items()}
    found = given(name, {k: rgb[s] for k, s in slices.items()}, {k: metres(depth[s]) for k, s in slices.items()})
    counts = ", ".join(f"{len(x)} {part}" for part, x in found.pictures.items())
    found.notes.append(f"{name}: frames of one sequence, parted by time ({counts}); intervals over them are too narrow")
    return found


def _arrays(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with np.load(path, allow_pickle=False) as there:
            return {key: there[key] for key in there.files}
    except (ValueError, OSError, EOFError, AttributeError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is no .npz file of plain arrays: {error}") from error
