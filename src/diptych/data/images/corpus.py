"""What a path stands for as a corpus of pictures, read once and kept in the cache."""

import glob
import os
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from diptych.core import DataError
from diptych.data import cache, hub
from diptych.data.files import below, digest, matching, shown, special
from diptych.data.images import store, tables, world
from diptych.data.images.arrays import Arrays
from diptych.data.images.cifar import BINARY, Cifar
from diptych.data.images.folder import Folder, is_picture
from diptych.data.images.item import Item
from diptych.data.images.store import Pictures
from diptych.data.stored import given
from diptych.data.tally import Tally
from diptych.plural import counted

FORMAT = "4"  # of what is cached; another number makes old entries unused
KNOWN = "a folder of pictures, .npz, .npy, .parquet, .jsonl, CIFAR's .bin, a datasets folder, or world:n=10000"


class Source(Protocol):
    """Pictures that can be read. `digest` changes when they do."""

    @property
    def name(self) -> str: ...

    @property
    def digest(self) -> str: ...

    def items(self, tally: Tally) -> tuple[str, Iterator[Item]]:
        """How they were understood, and each of them."""
        ...


def pictures(
    path: str | Path, short: int | None = None, image_column: str | None = None, label_column: str | None = None
) -> Pictures:
    """The pictures at a path, of a world, or of a data set of the hub; each with its short side at most `short`.

    Parameters
    ----------
    path
        A folder of picture files, whose classes are its folders (in train/, val/ and test/, where there are such); a
        .npz or .npy file of arrays; .parquet or .jsonl files, or a folder or pattern of them, with a column of bytes or
        of paths; CIFAR's .bin files, or their folder; a folder written by `save_to_disk` of Hugging Face datasets;
        "world" and what it is made of, as world:n=10000:size=48; or, if no such path exists, a hub id, `owner/name`.
    short
        Pixels; larger pictures are reduced. None leaves them as they are.
    image_column, label_column
        Columns of a table; if not given, those with a usual name.

    Raises FileNotFoundError, ImportError that names what is missing, ValueError for what is not understood, DataError
    if there is no picture that can be read.
    """
    source = find(path, image_column, label_column)
    key = cache.key(FORMAT, source.name, source.digest, repr(short), repr(image_column), repr(label_column))

    def write(folder: Path) -> None:
        tally = Tally()
        how, items = source.items(tally)
        store.write(folder, source.name, how, items, short, tally)

    return store.load(cache.entry("pictures", key, write), source.name)


def find(path: str | Path, image: str | None = None, label: str | None = None) -> Source:
    """The source at a path, by its name and what is there. Raises as `pictures` does."""
    if str(path).startswith(given("picture")):
        raise ValueError(
            f"{path} are no path: the run was made in Python, of pictures given there; make its recipe of the same "
            "pictures again, and `diptych.resume(recipe, run)` finishes it, `diptych.fit(recipe, new)` repeats it"
        )
    if world.named(str(path)) and not Path(path).exists():
        return world.World.of(str(path))
    place = Path(os.path.expanduser(path))
    table = partial(tables.Table, image=image, label=label)
    if not place.exists():
        if glob.has_magic(str(place)):
            files, root = matching(place)
            return _several(shown(place.name), root, files, table)
        return _hub(str(path), table)
    if special(place):
        raise ValueError(f"{path} is no regular file, but a pipe, a socket or a device; write it to a file")
    name = shown(place.name or place.resolve().name)
    if place.is_dir():
        return _of_folder(name, place, table)
    return _of_file(name, place, table)


def _of_file(name: str, place: Path, table: Any) -> Source:
    suffix = place.suffix.lower()
    if suffix in (".npz", ".npy"):
        if column := next((x for x in (table.keywords["image"], table.keywords["label"]) if x), None):
            raise ValueError(f"{place} has arrays and no column {column!r}; rename them to x and y")
        return Arrays(name, digest([place], place), place)
    if suffix in tables.READERS:
        return table(name, digest([place], place), tables.of_files([place]), place.parent)
    if suffix == ".bin":
        return Cifar(name, digest([place], place), [place])
    if is_picture(place):
        return Folder(name, place.parent, [place])
    if suffix in (".pkl", ".pickle") or place.name.startswith("data_batch_"):
        raise ValueError(f"{place} is a pickle, which can run any code when it is opened; take {KNOWN}")
    raise ValueError(f"{place} is of no known format for pictures; these are {KNOWN}")


def _of_folder(name: str, place: Path, table: Any) -> Source:
    there = below(place)
    names = {file.name for file in there if file.parent == place}
    if "dataset_dict.json" in names or names >= {"dataset_info.json", "state.json"}:
        return table(name, digest(_regular(there), place), tables.of_datasets(_saved(place)), place)
    return _several(name, place, there, table)


def _several(name: str, root: Path, there: list[Path], table: Any) -> Source:
    """Files of a folder or pattern: pictures, else CIFAR's, else tables."""
    files = _regular(there)
    if any(map(is_picture, files)):
        return Folder(name, root, files)
    if batches := [file for file in files if BINARY.fullmatch(file.name)]:
        return Cifar(name, digest(batches, root), batches)
    for suffix in tables.READERS:
        if chosen := [file for file in files if file.suffix.lower() == suffix]:
            return table(name, digest(chosen, root), tables.of_files(chosen), root)
    raise DataError(
        f"there is no picture in {root}: of its {counted(len(files), 'file')} none is one, or a table of them"
    )


def _regular(there: list[Path]) -> list[Path]:
    return [file for file in there if not (special(file) or file.is_dir())]


def _saved(place: Path) -> dict[str, Any]:
    datasets = hub.library(f"{place} is a folder of Hugging Face datasets: it")
    try:
        loaded = datasets.load_from_disk(str(place))
    except Exception as error:
        raise DataError(f"{place} is damaged as a folder of Hugging Face datasets: {error}") from error
    return dict(loaded) if isinstance(loaded, dict) else {"train": loaded}


def _hub(name: str, table: Any) -> Source:
    if not re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", name) or Path(name).suffix or Path(name).parent.exists():
        raise FileNotFoundError(f"there is no file or folder {name}")
    datasets = hub.library(f"{name} is no path here; as a hub id it")
    try:
        loaded = datasets.load_dataset(name)
    except Exception as error:
        raise FileNotFoundError(
            f"there is no file or folder {name}, and the hub gave no data set of that name: {error}"
        ) from error
    content = " ".join(split._fingerprint for split in loaded.values())
    return table(name, content, tables.of_datasets(dict(loaded)), Path())
