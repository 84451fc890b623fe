"""A corpus that every machine has: the docstrings of the Python packages installed on it."""

import json
import os
import signal
import subprocess
import sys
import sysconfig
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from diptych.data import cache, grammar, parsed
from diptych.data.documents import Documents, Understood, kept, read
from diptych.data.tally import Tally
from diptych.plural import counted

WORDS = 10  # a docstring with fewer cannot be cropped to anything
CLASS = 60  # documents; smaller classes are left out
SKIPPED = {"site-packages", "dist-packages", "test", "tests", "__pycache__"}
TOGETHER = 4 << 20  # bytes of source that a worker parses
SOURCE = 256 << 20  # bytes of source that are parsed at most
NAME = "docstrings"  # stands for this corpus where a path could be
Module = tuple[str, Path, os.stat_result]


def corpus_of(path: str, text_column: str | None = None, label_column: str | None = None) -> Documents:
    """The documents at a path or of a hub id, as `read` finds them; or by name, "docstrings" or "topics"."""
    if path == NAME and not Path(path).exists():
        return docstrings()
    if grammar.named(path) and not Path(path).exists():
        return grammar.Topics.of(path).read()
    return read(path, text_column, label_column)


def docstrings(limit: int = 24_000, seed: int = 0, paths: Sequence[str | Path] | None = None) -> Documents:
    """Docstrings of modules, classes and functions, labelled with the first two parts of the module's name.

    Parameters
    ----------
    limit
        The most documents. If there are more, whole classes are chosen, in an order decided by `seed`.
    paths
        Folders of packages. If not given: the standard library and the packages of this interpreter.

    Exact repetitions are left out, then docstrings of fewer than 10 words, then classes of fewer than
    60 documents. Folders called `test` or `tests` are not read. Sources are parsed by processes of their
    own and never imported; what cannot be parsed is counted in the notes. Cached by the files' names,
    sizes and times of change.

    Raises ValueError if no class is large enough.
    """
    modules = _modules(_installed() if paths is None else [Path(path) for path in paths])
    key = cache.key(
        str((limit, seed, WORDS, CLASS, SOURCE)),
        *(f"{name} {path} {stat.st_size} {stat.st_mtime_ns}" for name, path, stat in modules),
    )

    def understood(tally: Tally) -> Understood:
        how = "module, class and function docstrings, labelled by module"
        return how, _chosen(_parsed(_bounded(modules, seed, tally), tally), limit, seed, tally)

    return kept("installed Python packages", key, understood)


def _installed() -> list[Path]:
    found = (sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib"))
    return [Path(path) for path in dict.fromkeys(found)]


def _modules(folders: Iterable[Path]) -> list[Module]:
    """Modules by dotted name; the first folder that has a name wins, as when Python imports it."""
    found: dict[str, Module] = {}
    for folder in folders:
        for parts, entry in _sources(str(folder), ()):
            name = ".".join(parts)
            found.setdefault(name, (name, Path(entry.path), entry.stat()))
    return [found[name] for name in sorted(found)]


def _label(module: str) -> str:
    return ".".join(module.split(".")[:2])


def _bounded(modules: Sequence[Module], seed: int, tally: Tally) -> list[Module]:
    """All modules of as many labels as can be parsed in good time."""
    sizes: Counter[str] = Counter()
    for name, _, stat in modules:
        sizes[_label(name)] += stat.st_size
    labels = _within(SOURCE, sizes, seed)
    left = [module for module in modules if _label(module[0]) in labels]
    tally.add("source file", "not read: there are very many", len(modules) - len(left))
    return left


def _sources(folder: str, parents: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], os.DirEntry[str]]]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        name, dot, suffix = entry.name.partition(".")
        if not name.isidentifier() or name in SKIPPED:
            continue
        if not dot and entry.is_dir(follow_symlinks=False):
            yield from _sources(entry.path, (*parents, name))
        elif suffix == "py" and entry.is_file():
            yield (parents if parents and name == "__init__" else (*parents, name)), entry


# ---------------------------------------------------------------- parsing, in processes


def _parsed(modules: Sequence[Module], tally: Tally) -> Iterator[tuple[str, str]]:
    """(label, docstring) pairs, in the order of the modules."""
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        parts = list(_parts(modules))
        for part, answers in zip(parts, threads.map(_ask, parts), strict=True):
            for (name, _, _), found in zip(part, answers, strict=True):
                if found is None:
                    tally.add("source file", "skipped: cannot be parsed")
                yield from ((_label(name), text) for text in found or [])


def _parts(modules: Sequence[Module]) -> Iterator[list[Module]]:
    part: list[Module] = []
    size = 0
    for module in modules:
        part.append(module)
        size += module[2].st_size
        if size > TOGETHER:
            yield part
            part, size = [], 0
    if part:
        yield part


def _ask(part: Sequence[Module]) -> list[list[str] | None]:
    """The docstrings of each file, from a process that has nothing of this one but the list of files."""
    worker = [sys.executable, "-I", "-S", parsed.__file__]
    asked = json.dumps([str(path) for _, path, _ in part])
    done = subprocess.run(worker, input=asked, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if done.returncode == 0:
        return json.loads(done.stdout)
    if len(part) == 1:  # a file that brings the parser down
        return [None]
    if done.returncode == -signal.SIGINT:  # so is this process, and nobody waits for an answer
        return [None] * len(part)
    half = len(part) // 2
    return _ask(part[:half]) + _ask(part[half:])


# ---------------------------------------------------------------- choosing


def _chosen(found: Iterable[tuple[str, str]], limit: int, seed: int, tally: Tally) -> Iterator[tuple[str, str]]:
    """(docstring, label) pairs that are left."""
    first: dict[str, str] = {}
    for label, text in found:
        if text in first:
            tally.add("docstring", "left out: the same as an earlier one")
        first.setdefault(text, label)
    long = [(text, label) for text, label in first.items() if len(text.split()) >= WORDS]
    tally.add("docstring", f"left out: of fewer than {WORDS} words", len(first) - len(long))
    sizes = Counter(label for _, label in long)
    large = Counter({label: size for label, size in sizes.items() if size >= CLASS})
    tally.add("docstring", f"left out: in modules of fewer than {CLASS}", len(long) - large.total())
    classes = _within(limit, large, seed)
    tally.add("module", f"left out, to stay within {counted(limit, 'document')}", len(large) - len(classes))
    yield from ((text, label) for text, label in long if label in classes)


def _within(limit: int, sizes: Counter[str], seed: int) -> set[str]:
    """Labels, in an order decided by the seed, as long as their sizes together are within the limit."""
    chosen: set[str] = set()
    labels, total = sorted(sizes), 0
    for i in np.random.default_rng(seed).permutation(len(labels)).tolist():
        if total + sizes[labels[i]] <= limit:
            chosen.add(labels[i])
            total += sizes[labels[i]]
    return chosen
