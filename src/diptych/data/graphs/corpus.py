"""What a path stands for as a corpus of graphs, or graphs of Python as one; read once and kept in the cache."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Protocol

from diptych.core import DataError
from diptych.data import cache
from diptych.data.files import below, digest, shown, special
from diptych.data.graphs import families, lines, processed, store, tu
from diptych.data.graphs.arrays import Arrays
from diptych.data.graphs.item import Item
from diptych.data.graphs.memory import Memory
from diptych.data.graphs.store import Graphs
from diptych.data.stored import given
from diptych.data.tally import Tally
from diptych.graphs.features import Kind
from diptych.plural import counted

FORMAT = "3"  # of what is cached; another number makes old entries unused
KNOWN = (
    "a TU folder (NAME_A.txt, ...), .npz with edge_index, node_ptr and edge_ptr, .jsonl of edge lists or node-link "
    "graphs, data.pt of PyTorch Geometric, or families:n=1000"
)
PICKLES = (".pkl", ".pickle", ".gpickle")


class Source(Protocol):
    """Graphs that can be read. `digest` changes when they do."""

    @property
    def name(self) -> str: ...

    @property
    def digest(self) -> str: ...

    def items(self, tally: Tally) -> tuple[str, Iterator[Item]]:
        """How they were understood, and each of them."""
        ...


def graphs(path: str | Path, features: Kind | None = None) -> Graphs:
    """The graphs at a path, or of a family; nodes described by what is usual for them, or as is asked.

    Parameters
    ----------
    path
        A folder in the format of the TU collection (NAME_A.txt, NAME_graph_indicator.txt, ...), or one of PyTorch
        Geometric that holds such a folder as raw/, or one file processed/*.pt; a .npz file of arrays end to end (see
        `arrays`); .jsonl of edge lists or of NetworkX's node-link graphs, or a folder of such files; "families" and
        what it is made of, as families:n=1000:kind=motifs.
    features
        labels, attributes, both, degree or constant.

    Raises FileNotFoundError, ValueError for what is not understood, DataError for what is damaged or holds no graph.
    """
    return _kept(find(path), features)


def from_graphs(
    graphs: Iterable[Any],
    labels: Iterable[object] | None = None,
    features: Kind | None = None,
    name: str = "graphs",
) -> Graphs:
    """Graphs that Python has: of NetworkX or PyTorch Geometric. Those without a node are left out, and noted.

    Their classes are `labels`, or what they say (`graph.graph["label"]`, `data.y`); nodes are described as by `graphs`.
    Raises ValueError if there are not as many labels, or for one graph in the place of a list; DataError for what is no
    graph.
    """
    return _kept(Memory.of(graphs, labels, name), features)


def _kept(source: Source, features: Kind | None) -> Graphs:
    """The graphs of a source, from the cache; they are written first, if they are not there yet."""
    key = cache.key(FORMAT, source.name, source.digest)

    def write(folder: Path) -> None:
        tally = Tally()
        how, items = source.items(tally)
        store.write(folder, source.name, how, items, tally)

    return store.load(cache.entry("graphs", key, write), source.name).described(features)


def find(path: str | Path) -> Source:
    """The source at a path, by its name and what is there. Raises as `graphs` does."""
    if str(path).startswith(given("graph")):
        raise ValueError(
            f"{path} are no path: the run was made in Python, of graphs given there; make its recipe of the same "
            "graphs again, and `diptych.resume(recipe, run)` finishes it, `diptych.fit(recipe, new)` repeats it"
        )
    if families.named(str(path)) and not Path(path).exists():
        return families.Families.of(str(path))
    place = Path(os.path.expanduser(path))
    if not place.exists():
        raise FileNotFoundError(f"there is no file or folder {path}; a corpus of graphs is {KNOWN}")
    if special(place):
        raise ValueError(f"{path} is no regular file, but a pipe, a socket or a device; write it to a file")
    name = shown(place.name or place.resolve().name)
    if place.is_dir():
        return _of_folder(name, place)
    suffix = place.suffix.lower()
    if suffix == ".npz":
        return Arrays(name, digest([place], place), place)
    if suffix in lines.SUFFIXES:
        return lines.Lines(name, digest([place], place), [place])
    if suffix in processed.SUFFIXES:
        return processed.Processed(name, digest([place], place), place)
    if suffix in PICKLES:
        raise ValueError(_pickled(place))
    if stem := tu.stem(place):
        return tu.Tu(name, digest(tu.files(place.parent, stem), place.parent), place.parent, stem)
    raise ValueError(f"{place} is of no known format for graphs; these are {KNOWN}")


def _pickled(place: Path) -> str:
    return (
        f"{place} is a pickle, which can run any code when it is opened, and so is never opened; write its graphs as "
        ".jsonl where you trust it: for each graph d of NetworkX a line json.dumps(networkx.node_link_data(d))"
    )


def _of_folder(name: str, place: Path) -> Source:
    there = [file for file in below(place) if not (special(file) or file.is_dir())]
    stems = sorted({(file.parent, stem) for file in there if (stem := tu.stem(file))})
    chosen = [file for file in there if file.suffix.lower() in lines.SUFFIXES]
    single = [file for file in there if file.suffix.lower() == ".npz"]
    if not stems:  # else raw/ and processed/ are of one data set
        single += [file for file in there if file.suffix.lower() in processed.SUFFIXES]
    single = [file for file in single if file.name not in processed.ASIDE]
    several = [str((folder / stem).relative_to(place)) for folder, stem in stems]
    several += [file.name for file in [*chosen[:1], *single]]
    if len(several) > 1:
        raise ValueError(f"{place} holds several corpora of graphs, {', '.join(several)}; name one")
    for folder, stem in stems:
        return tu.Tu(name, digest(tu.files(folder, stem), folder), folder, stem)
    if chosen:
        return lines.Lines(name, digest(chosen, place), chosen)
    if single:
        return find(single[0])
    if pickles := [file for file in there if file.suffix.lower() in PICKLES]:
        raise ValueError(_pickled(pickles[0]))
    raise DataError(
        f"there is no graph in {place}: of its {counted(len(there), 'file')} none is of a known format; {KNOWN}"
    )
