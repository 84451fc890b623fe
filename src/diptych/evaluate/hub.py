"""Data of suites from the Hugging Face hub: fetched when they are named, and kept as the files that suites read.

    <cache>/suites/<key>/   sts12.jsonl ...; of retrieval NAME/corpus.jsonl, NAME/queries.jsonl, NAME/qrels/test.tsv

The sets of `sts` are those of MTEB, arXiv:2210.07316, at the revisions that mteb 2 takes.
"""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

from diptych.core import DataError
from diptych.data import cache
from diptych.data.columns import listed
from diptych.data.hub import HubId, library
from diptych.evaluate.labelled import PARTS
from diptych.evaluate.suites import transfer
from diptych.evaluate.suites.retrieval import FILES

ALL = "hub"  # in place of an id: every set of the suite that is known here
STS = {
    "sts12": HubId("mteb/sts12-sts", None, "a0d554a64d88156834ff5ae9920b964011b16384"),
    "sts13": HubId("mteb/sts13-sts", None, "7e90230a92c190f1bf69ae9002b8cea547a64cca"),
    "sts14": HubId("mteb/sts14-sts", None, "6031580fec1f6af667f0bd2da0a551cf4f0b2375"),
    "sts15": HubId("mteb/sts15-sts", None, "ae752c7c21bf194d8b67fd573edf7ae58183cbe3"),
    "sts16": HubId("mteb/sts16-sts", None, "4d8694f8f0e0100860b497b999b3dbed754a0513"),
    "stsb": HubId("mteb/stsbenchmark-sts", None, "b0fddb56ed78048fa8b90373c8a3cfc37b684831"),
    "sickr": HubId("mteb/sickr-sts", None, "20a6d6f312dd54037fe07a32d58e5e168867909d"),
    "sts17": HubId("mteb/sts17-crosslingual-sts", "en-en", "faeb762787bd10488a50c8b5be4a3b82e411949c"),
    "biosses": HubId("mteb/biosses-sts", None, "d3fb88f8f02e40887cd149695127462bbcf29b4a"),
}
SIDES = ("sentence1", "sentence2")
BEIR = {"corpus": ("corpus",), "queries": ("queries",), "qrels": ("qrels", "default")}  # what parts are called
NEEDED = {"sts": (*SIDES, "score"), "pairs": (*SIDES, "label"), "mrpc": (*SIDES, "label")}
QRELS = ("query-id", "corpus-id", "score")
LABELLED = ("text", "label")  # of every other table
OTHERWISE = {"labels": "label", "sentences": "text", "sent1": "sentence1", "sent2": "sentence2"}

Splits = Mapping[str, Any]  # a `datasets.Dataset` by the name of its split


@dataclass(frozen=True)
class Given:
    """The data of a suite: their folder (or one file), what they are called, and what a person should know of them."""

    folder: Path
    name: str
    notes: Sequence[str] = field(default_factory=list)


def named(data: str) -> bool:
    """Whether this names data on the hub: "hub" or an id, and nothing of that name is here."""
    place = Path(data).expanduser()
    if place.exists():
        return False
    return data == ALL or (HubId.of(data) is not None and not place.parent.exists())


def given(suite: str, data: str) -> Given:
    """The data of a suite: files here, the set of the hub with this id, or with "hub" all sets known for the suite.

    What was fetched is kept, here as the files that the suite reads, and in the cache of Hugging Face.

    Raises ValueError for an id that the suite has no use for, ConnectionError for what the hub does not give,
    DataError for a set without the columns that are needed, ImportError without the package datasets.
    """
    if not named(data):
        place = Path(data).expanduser()
        return Given(place, place.resolve().name)
    fetched: dict[str, tuple[HubId, dict[str, Splits]]] = {}
    for name, asked in _asked(suite, data).items():
        with _said(suite, asked, [*fetched]):
            fetched[name] = asked, _fetched(suite, asked)
    prints = [split._fingerprint for _, parts in fetched.values() for x in parts.values() for split in x.values()]

    def fill(place: Path) -> None:
        for name, (asked, parts) in fetched.items():
            write = _write_retrieval if suite == "retrieval" else _write_table
            write(place, name, suite, asked, parts)

    folder = cache.entry("suites", cache.key(suite, *fetched, *prints), fill)
    return Given(folder, data, [f"{name} is {asked}, of the hub" for name, (asked, _) in fetched.items()])


def _asked(suite: str, data: str) -> dict[str, HubId]:
    """The sets that are meant, by the names of their tables."""
    asked = HubId.of(data)
    if suite == "sts":
        return STS if asked is None else _sts(asked)
    if asked is None:
        raise ValueError(f"--data hub is for the suite sts; of {suite}, name a set: --data owner/name")
    name = (asked.part or asked.repository.partition("/")[2]).replace(".", "-")
    if suite == "transfer":
        name = name.lower()
        if name not in transfer.NAMES:
            known = ", ".join(transfer.NAMES)
            raise ValueError(f"transfer knows its sets by name, which are {known}; got {asked}, called {name!r}")
    return {name: asked}


def _sts(asked: HubId) -> dict[str, HubId]:
    """One of the nine; what its id leaves out is as it is there."""
    for name, known in STS.items():
        if known.repository == asked.repository and asked.part in (None, known.part):
            return {name: HubId(known.repository, known.part, asked.revision or known.revision)}
    sets = ", ".join(str(HubId(known.repository, known.part)) for known in STS.values())
    raise ValueError(f"the sets of sts on the hub are {sets}; got {asked}")


@contextmanager
def _said(suite: str, asked: HubId, before: Sequence[str]) -> Iterator[None]:
    """What `datasets` raises, it raises in many ways."""
    try:
        yield
    except (DataError, ImportError):
        raise
    except Exception as error:
        reason = f"{type(error).__name__}: {' '.join(str(error).split())}".rstrip(": ")
        kept = f"{listed(before)} came before it and stay in the cache" if before else "nothing was fetched"
        files = ", ".join(FILES) if suite == "retrieval" else f"tables with {', '.join(NEEDED.get(suite, LABELLED))}"
        kind = ValueError if isinstance(error, ValueError) else ConnectionError
        raise kind(
            f"there is no file or folder {asked} here, and the Hugging Face hub did not give that data set ({reason}); "
            f"{kept}. --data also takes a folder of files: {files}"
        ) from error


def _fetched(suite: str, asked: HubId) -> dict[str, Splits]:
    """The splits of a set; of retrieval those of its three parts."""
    datasets = library(f"{asked} is no path here; as a data set of the hub it")
    parts: dict[str, str | None] = {"": asked.part}
    if suite == "retrieval":
        there = datasets.get_dataset_config_names(asked.repository, revision=asked.revision)
        before = f"{asked.part}-" if asked.part else ""
        found = {x: next((y for y in names if before + y in there), None) for x, names in BEIR.items()}
        if missing := [x for x, y in found.items() if y is None]:
            raise DataError(
                f"{asked} has no part {listed(missing)}, as a set of retrieval has; there are {listed(there)}"
            )
        parts = {x: f"{before}{y}" for x, y in found.items()}
    return {
        x: dict(datasets.load_dataset(asked.repository, part, revision=asked.revision)) for x, part in parts.items()
    }


# ---------------------------------------------------------------- as files


def _write_table(place: Path, name: str, suite: str, asked: HubId, parts: Mapping[str, Splits]) -> None:
    """The rows of the splits that are train, dev or test; where none is called so, of all, without a split.

    Of `clustering` those of the test are enough, as in MTEB, and a row that holds lists is a set of its own.
    """
    splits, needed = parts[""], NEEDED.get(name, NEEDED.get(suite, LABELLED))
    if suite == "clustering" and "test" in splits:
        splits = {"test": splits["test"]}
    chosen = {x: split for x, split in splits.items() if x in PARTS}
    rows = (
        (f"{name}-{number}" if suite == "clustering" and number else name, {**row, **({"split": x} if chosen else {})})
        for x, split in (chosen or splits).items()
        for number, row in _rows(split, asked, needed)
    )
    for table, those in groupby(rows, itemgetter(0)):
        _write(place / f"{table}.jsonl", (row for _, row in those))


def _rows(split: Any, asked: HubId, needed: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The needed columns of each row. A row of lists is as many rows, and comes with its number from 1, others with 0.

    Raises DataError for a column that is missing. Classes stay numbers; one below 0, which hides a label, is null.
    """
    kinds = {name: type(kind).__name__ for name, kind in split.features.items()}
    there = {OTHERWISE.get(name, name): name for name in kinds} | {name: name for name in kinds}
    if missing := [name for name in needed if name not in there]:
        raise DataError(f"{asked} has no column {listed(missing)}; there are {listed([*kinds])}")
    names = [there[name] for name in needed]
    hidden = {name for name in names if kinds[name] == "ClassLabel"}
    for number, row in enumerate(split.select_columns(names).with_format(None), 1):
        values = [None if name in hidden and (row[name] or 0) < 0 else row[name] for name in names]
        if all(isinstance(x, list) for x in values):
            yield from ((number, dict(zip(needed, each, strict=True))) for each in zip(*values, strict=True))
        else:
            yield 0, dict(zip(needed, values, strict=True))


def _write_retrieval(place: Path, name: str, suite: str, asked: HubId, parts: Mapping[str, Splits]) -> None:
    """The three files of BEIR. Of several splits, "test" is taken."""
    splits = {part: _one(part, splits, asked) for part, splits in parts.items()}
    (place / name / "qrels").mkdir(parents=True)
    for part, file in (("corpus", FILES[0]), ("queries", FILES[1])):
        columns = splits[part].column_names
        known = "_id" if "_id" in columns else "id"
        title = ["title"] if "title" in columns else []
        rows = (row for _, row in _rows(splits[part], asked, [known, "text", *title]))
        _write(place / name / file, ({"_id": str(row.pop(known)), **row} for row in rows))
    with (place / name / FILES[2]).open("w", newline="") as raw:
        table = csv.writer(raw, delimiter="\t")
        table.writerow(QRELS)
        table.writerows([row[x] for x in QRELS] for _, row in _rows(splits["qrels"], asked, QRELS))


def _one(part: str, splits: Splits, asked: HubId) -> Any:
    if "test" not in splits and len(splits) != 1:
        raise DataError(f"{asked}: {part} has no split 'test'; there are {listed([*splits])}")
    return splits.get("test", next(iter(splits.values())))


def _write(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    with path.open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
