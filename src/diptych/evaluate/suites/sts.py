"""`sts`: do cosines order pairs of sentences as people do? Spearman's correlation x 100, no regressor.

Files of a folder: sts12 ... sts16, stsb, sickr, sts17 (en-en), biosses, each with the columns `sentence1`,
`sentence2`, `score` (0 to 5), and `split` and `subset` where there are any. With splits, the test pairs count.

A year is ONE correlation over all of its pairs, the "all" protocol of SimCSE, arXiv:2104.08821. Its subsets, and
their mean, plain and weighted by their pairs, are other lines: they differ from it by several points.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from weakref import WeakKeyDictionary

import numpy as np
from jaxtyping import Float, Int

from diptych.core import DataError
from diptych.data.columns import listed
from diptych.evaluate.columns import tables
from diptych.evaluate.pairs import Pairs, read, without_cosine
from diptych.evaluate.task import Look, Result, Task
from diptych.measure.correlation import fieller, spearman
from diptych.plural import counted

YEARS = ("sts12", "sts13", "sts14", "sts15", "sts16")
SEVEN = (*YEARS, "stsb", "sickr")
NINE = (*SEVEN, "sts17", "biosses")
TOKENISED = ".senteval_tok"
SICK = 9927  # pairs of SICK-R, of which SentEval's test are 4,927
FEWEST = 3  # pairs that can be ordered well or badly

Rows = Int[np.ndarray, " m"]


def tasks(folder: Path, tokenised: bool = False) -> list[Task]:
    """A task for each of the nine files that is there, and the means of seven and of nine of them.

    `tokenised` takes NAME.senteval_tok.jsonl where there is one: text in small letters, cut as SentEval does.
    A mean with a set missing has no line, and says in its notes which one is missing.

    Raises DataError if there is no file, or one cannot be used.
    """
    found = {name: _task(name, path) for name, path in _files(folder, tokenised).items()}
    if not found:
        raise DataError(f"{folder} has none of the tables of sts, which are {', '.join(NINE)} (.jsonl, .csv ...)")
    parted = {name: task for name, task in found.items() if not _all_of_sick(name, task.parts[name])}
    of_seven = Mean("mean of 7", [(name, name) for name in SEVEN], parted)
    of_nine = Mean("mean of 9", [(name, _as_mteb(name, found)) for name in NINE], found)
    return [*found.values(), of_seven, of_nine]


def _files(folder: Path, tokenised: bool) -> dict[str, Path]:
    there: dict[str, Path] = {}
    for path in tables(folder):
        bare = Path(path.name.removesuffix(".gz")).stem
        if bare in there:
            raise DataError(f"{there[bare]} and {path.name} are both called {bare}; leave one of them in the folder")
        there[bare] = path
    chosen = {name: there.get(name + TOKENISED if tokenised else name, there.get(name)) for name in NINE}
    return {name: path for name, path in chosen.items() if path}


def _all_of_sick(name: str, rows: Rows) -> bool:
    """Whether the pairs that are asked are those of all parts, as in MTEB's file, which has no others."""
    return name == "sickr" and len(rows) == SICK


def _as_mteb(name: str, found: dict[str, "Sts"]) -> str:
    """The line of a set in the mean of nine: of SICK-R, all parts, as in MTEB."""
    everything = f"{name}/all"
    return everything if name in found and everything in found[name].parts else name


@dataclass(frozen=True)
class Sts:
    """One set. `parts` are the rows of each line, the main one first; `subsets` those that the means are of.

    `known` are the lines of embeddings that were scored: the means over sets ask for them again.
    """

    pairs: Pairs
    parts: dict[str, Rows]
    subsets: Sequence[str]
    notes: Sequence[str]
    known: WeakKeyDictionary[Look, list[Result]] = field(
        default_factory=WeakKeyDictionary, init=False, compare=False, repr=False
    )

    @property
    def name(self) -> str:
        return self.pairs.name

    @property
    def texts(self) -> Sequence[str]:
        rows = self._used()
        return [texts[i] for texts in (self.pairs.first, self.pairs.second) for i in rows]

    def _used(self) -> Rows:
        return np.unique(np.concatenate([*self.parts.values()]))

    def score(self, look: Look) -> list[Result]:
        if look not in self.known:
            self.known[look] = self._lines(look)
        return self.known[look]

    def _lines(self, look: Look) -> list[Result]:
        used, cosine = self._used(), np.full(len(self.pairs.gold), np.nan)
        cosine[used], none = self.pairs.cosines(look, used)
        lines = {
            name: _line(name, cosine[rows], self.pairs.gold[rows], name == self.name)
            for name, rows in self.parts.items()
        }
        lines[self.name] = replace(lines[self.name], note=without_cosine(none))
        subsets = [lines[name] for name in self.subsets]
        sizes = np.array([line.n for line in subsets], np.float64)
        means = [("mean", np.ones_like(sizes)), ("weighted mean", sizes)] if subsets else []
        return [*lines.values(), *(_mean(f"{self.name}/{name}", subsets, weights) for name, weights in means)]


def _line(name: str, cosine: Float[np.ndarray, " n"], gold: Float[np.ndarray, " n"], main: bool) -> Result:
    rho, n = spearman(cosine, gold), len(gold)
    low, high = fieller(rho, n) or (None, None)
    how = f"Fieller over {n:,} pairs"
    return Result(name, "spearman", 100 * rho, n, _x100(low), _x100(high), how if low is not None else "", main)


def _x100(x: float | None) -> float | None:
    return None if x is None else 100 * x


def _mean(name: str, lines: Sequence[Result], weights: Float[np.ndarray, " k"]) -> Result:
    """The mean of lines. Its interval is that of independent errors, each side for itself."""
    part, values = weights / weights.sum(), np.array([line.value for line in lines])
    mean, n = float(part @ values), sum(line.n for line in lines)
    ends = [(line.low, line.high) for line in lines if line.low is not None and line.high is not None]
    if len(ends) < len(lines):
        return Result(name, "spearman", mean, n, main=False)
    low, high = (float(np.linalg.norm(part * (values - np.array(end)))) for end in zip(*ends, strict=True))
    how = f"Fieller over {n:,} pairs, {counted(len(lines), 'set')} taken as independent"
    return Result(name, "spearman", mean, n, mean - low, mean + high, how, main=False)


@dataclass(frozen=True)
class Mean:
    """The mean over sets, of (set, line); of the sets that are there, if all are."""

    name: str
    of: Sequence[tuple[str, str]]
    there: dict[str, Sts]

    @property
    def texts(self) -> Sequence[str]:
        return []

    @property
    def notes(self) -> Sequence[str]:
        missing = self._missing()
        return [f"there is no {self.name}, for these sets are missing: {', '.join(missing)}"] if missing else []

    def _missing(self) -> list[str]:
        return [name for name, _ in self.of if name not in self.there]

    def score(self, look: Look) -> list[Result]:
        if self._missing():
            return []
        lines = [line for name, part in self.of for line in self.there[name].score(look) if line.task == part]
        return [_mean(self.name, lines, np.ones(len(lines)))]


def _task(name: str, path: Path) -> Sts:
    pairs = read(path, "score", 0, 5)
    every, test = np.arange(len(pairs.gold)), pairs.of("test")
    if pairs.split and test is None and name in SEVEN:
        there = listed(sorted({*pairs.split}))
        raise DataError(f"{path}: no pair with a score is of the split 'test'; there are {there}")
    chosen = every if test is None else test
    parts: dict[str, Rows | None] = {name: chosen}
    if name == "stsb":
        parts["stsb/dev"] = pairs.of("dev", "validation")
    if name == "sickr" and test is not None:
        parts["sickr/all"] = every
    whole = {part: rows for part, rows in parts.items() if rows is not None}
    for part, rows in whole.items():
        if reason := _unordered(pairs.gold[rows]):
            raise DataError(f"{path}: {part} cannot be scored, for {reason}")
    subsets = _subsets(name, pairs, chosen) if name in YEARS else {}
    poor = {part: reason for part, rows in subsets.items() if (reason := _unordered(pairs.gold[rows]))}
    notes = [f"{part} has no line, nor {name} a mean of subsets, for {reason}" for part, reason in poor.items()]
    if _all_of_sick(name, chosen):
        notes.append(f"sickr is asked on all of its {SICK:,} pairs (MTEB); the mean of 7 is of the 4,927 of its test")
    known = {part: rows for part, rows in subsets.items() if part not in poor}
    return Sts(pairs, whole | known, [] if poor else [*known], [*pairs.notes, *notes])


def _subsets(name: str, pairs: Pairs, rows: Rows) -> dict[str, Rows]:
    """The rows of each subset, in the order of the file; none if there are fewer than two."""
    names = np.array(pairs.subset, object)[rows] if pairs.subset else np.array([], object)
    found = {f"{name}/{subset}": rows[names == subset] for subset in dict.fromkeys(names.tolist())}
    return found if len(found) > 1 else {}


def _unordered(gold: Float[np.ndarray, " n"]) -> str | None:
    """Why these scores give no order."""
    if len(gold) < FEWEST:
        return f"{counted(len(gold), 'pair has', 'pairs have')} a score, and {FEWEST} are needed"
    return f"all scores ({len(gold):,}) are {gold[0]:g}" if np.ptp(gold) == 0 else None
