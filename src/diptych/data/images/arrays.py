"""Pictures in NumPy's files: one array (.npy), or arrays that belong together (.npz)."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Shaped

from diptych.core import DataError
from diptych.data.columns import listed
from diptych.data.images.item import PARTS, Item
from diptych.data.tally import Tally
from diptych.labels import label_of
from diptych.pictures.read import from_array
from diptych.plural import counted

PICTURES = ("x", "images", "image", "pictures", "rgb", "data", "arr_0")  # usual names, with or without a part
LABELS = ("y", "labels", "label", "targets", "classes")
MAPS = {"mask": ("m", "mask", "masks", "segmentation"), "depth": ("depth", "depths", "depth_mm")}
NAMES = ("names", "label_names", "class_names", "classes")


@dataclass(frozen=True)
class Arrays:
    """Arrays [n, h, w, c], [n, c, h, w] or [n, h, w] of pictures, and what is said of each.

    In a .npz: pictures are `x` (or `images`, `rgb`, `data`), their classes `y` (`labels`), the names of classes
    `names`, maps of their size `m` (`mask`) and `depth`; each with `_train`, `_val` and `_test` behind it where there
    are parts.
    """

    name: str
    digest: str
    path: Path

    def items(self, tally: Tally) -> tuple[str, Iterator[Item]]:
        try:
            found = np.load(self.path, mmap_mode="r" if self.path.suffix == ".npy" else None, allow_pickle=False)
            arrays = {"x": found} if isinstance(found, np.ndarray) else {name: found[name] for name in found.files}
        except Exception as error:  # NumPy says in many ways that a file is none
            why = (
                "it holds Python objects, and nothing is unpickled"
                if re.search("pickle|Python objects", str(error))
                else str(error)
            )
            raise DataError(f"{self.path} is not a file of arrays that can be read: {why}") from None
        sets = [*self._sets(arrays)]
        if not sets:
            told = listed([f"{k} {list(x.shape)}" for k, x in arrays.items()])
            usual = ", ".join(PICTURES)
            raise DataError(f"{self.path}: no array holds pictures [n, h, w, 3], called {usual}; there are {told}")
        for name in sorted(arrays.keys() - self._used(arrays)):
            tally.add("array", f"not used: {name} {list(arrays[name].shape)}")
        names = next((arrays[k].tolist() for k in NAMES if k in arrays and arrays[k].dtype.kind in "US"), None)
        how = ", ".join(f"{len(x):,} in {name!r}" for name, x, _ in sets)
        return how, (item for name, x, about in sets for item in self._items(name, x, about, names, tally))

    @staticmethod
    def _used(arrays: Mapping[str, np.ndarray]) -> set[str]:
        """Pictures, what is said of them, and the names of classes."""
        pictures = {name for name, x in arrays.items() if _split(name)[0] in PICTURES and x.ndim > 2}
        parts = {_split(name)[1] for name in pictures}
        said = {u for usual in (LABELS, *MAPS.values()) for u in usual}
        told = {name for name in arrays if _split(name)[0] in said and _split(name)[1] in parts}
        told -= {name for name in told if _split(name)[0] in LABELS and not _classes(arrays[name])}
        return pictures | told | {name for name in NAMES if name in arrays and arrays[name].dtype.kind in "US"}

    def _sets(
        self, arrays: Mapping[str, np.ndarray]
    ) -> Iterator[tuple[str, np.ndarray, dict[str, Shaped[np.ndarray, "n ..."]]]]:
        """Each array of pictures, and what is said of them, by "label", "mask" or "depth"."""
        for name, x in arrays.items():
            stem, part = _split(name)
            if stem not in PICTURES or x.ndim < 3 or x.dtype.kind not in "uifb":
                continue
            if x.ndim == 3 and x.shape[2] in (3, 4) and len(x) > 4:
                one = [1, *x.shape]
                raise DataError(f"{self.path}: {name!r} of {list(x.shape)} is one picture; write it as {one}")
            if x.dtype.kind == "f" and (np.nanmin(x, initial=0) < 0 or np.nanmax(x, initial=0) > 1):
                raise DataError(f"{self.path}: {name!r} holds floats, which are from 0 to 1, and some are not")
            about: dict[str, np.ndarray] = {}
            for kind, usual in {"label": LABELS, **MAPS}.items():
                given = next((k for k in arrays if _split(k) in {(u, part) for u in usual}), None)
                if given is not None:
                    row = self._checked(name, x, given, arrays[given])
                    about |= {kind: row} if kind != "label" else _classes(row)
            yield name, _channels_last(x), about

    def _checked(self, name: str, x: np.ndarray, given: str, about: np.ndarray) -> np.ndarray:
        if len(about) != len(x):
            raise DataError(
                f"{self.path}: {name!r} holds {counted(len(x), 'picture')} and {given!r} has "
                f"{counted(len(about), 'row')}; each has one"
            )
        return about

    def _items(
        self,
        name: str,
        x: np.ndarray,
        about: Mapping[str, np.ndarray],
        names: Sequence[str] | None,
        tally: Tally,
    ) -> Iterator[Item]:
        part = PARTS.get(_split(name)[1] or "")
        for i, one in enumerate(x):
            try:
                pixels = from_array(one)
            except ValueError as error:
                tally.add("picture", f"skipped: {error}")
                continue
            label = self._label(about["label"][i], names) if "label" in about else None
            maps = {k: m[i] for k, m in about.items() if k != "label" and m.ndim == 3}
            yield Item(pixels, label, part, maps, f"{name} {i}")

    def _label(self, given: np.generic, names: Sequence[str] | None) -> str | None:
        value = given.item()
        if names is None or not isinstance(value, int):
            return label_of(value.decode() if isinstance(value, bytes) else value)
        if value < 0:
            return None
        if value >= len(names):
            raise DataError(f"{self.path}: a picture is of class {value}, and there are names for {len(names)}")
        return label_of(str(names[value]))


def _classes(y: np.ndarray) -> dict[str, np.ndarray]:
    """A class of each picture, which may stand in a column, or as the place of a 1; nothing of what is none."""
    if y.ndim == 2 and y.shape[1] == 1:
        return {"label": y[:, 0]}
    if y.ndim == 2 and y.dtype.kind in "uifb" and np.isin(y, (0, 1)).all() and (y.sum(1) == 1).all():
        return {"label": y.argmax(1)}
    return {"label": y} if y.ndim == 1 else {}


def _split(name: str) -> tuple[str, str | None]:
    """A name without the part of the data that it ends in, and that part: "x_train" is of "train"."""
    stem, _, last = name.lower().rpartition("_")
    return (stem, last) if stem and last in PARTS else (name.lower(), None)


def _channels_last(x: np.ndarray) -> np.ndarray:
    return np.moveaxis(x, 1, 3) if x.ndim == 4 and x.shape[1] in (1, 3) and x.shape[3] not in (1, 3, 4) else x
