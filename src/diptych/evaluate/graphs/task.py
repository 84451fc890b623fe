"""A corpus of graphs as a task: its classes, told from frozen embeddings by a published protocol."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import PurePath
from typing import Any

import numpy as np
from jaxtyping import Int

from diptych.core import Graph
from diptych.data.graphs.store import Graphs
from diptych.evaluate.graphs.baselines import Degrees, WeisfeilerLehman
from diptych.evaluate.graphs.svm import FOLDS, Judged, Protocol, fewest, judge, parts
from diptych.evaluate.interval import wilson
from diptych.evaluate.score import paired
from diptych.evaluate.task import Result
from diptych.measure.rows import Rows
from diptych.plural import counted

Look = Callable[[Sequence[Graph]], Rows]  # embeddings of graphs, in their order
FEWEST = 20  # labelled graphs, below which a tenth of them says nothing
FOLDED = 2_000  # graphs up to which 350 machines of ten folds are trained after every run


@dataclass(frozen=True)
class Classes:
    """Graphs of a corpus with their classes; graphs without one are left out."""

    name: str
    graphs: Sequence[Graph]
    classes: Int[np.ndarray, " n"]
    protocols: Sequence[Protocol]
    seed: int = 0
    scaled: bool = False

    def judged(self, look: Look) -> dict[Protocol, Judged]:
        rows = look(self.graphs)
        return {each: judge(each, rows, self.classes, self.seed, self.scaled) for each in self.protocols}

    def lines(self, found: Mapping[Protocol, Judged]) -> list[Result]:
        return [line for protocol, each in found.items() for line in self._lines(protocol, each)]

    def _lines(self, protocol: Protocol, found: Judged) -> list[Result]:
        low, high = wilson(found.right)
        scale = ", columns scaled" if self.scaled else ""
        over = counted(len(found.right), "graph")
        how = {
            "graphcl": f"Wilson over {over}; RBF SVM, {counted(len(found.folds), 'stratified fold')}{scale}",
            "pygcl": f"Wilson over {over}, a random tenth; linear SVM{scale}",
        }[protocol]
        n, of = len(found.right), f"svm_{protocol}"
        told = Result(self.name, of, 100 * found.accuracy, n, 100 * low, 100 * high, how)
        f1 = Result(self.name, f"{of}_macro_f1", 100 * found.macro_f1, n, main=False)
        return [told, f1] if protocol == "pygcl" else [told]


def tasks(
    corpus: Graphs, protocols: Sequence[Protocol] | None = None, seed: int = 0, scaled: bool = False
) -> tuple[list[Classes], list[str]]:
    """What a corpus can ask, and what a person should know of that.

    Protocols are those that are given; else both, or only the fast `pygcl` for more than 2,000 graphs.
    """
    known = np.array([i for i, label in enumerate(corpus.labels or ()) if label is not None], np.int64)
    if not len(known):
        return [], ["No classes of graphs, so there is nothing to tell apart."]
    labels = np.array([(corpus.labels or ())[i] for i in known.tolist()])
    names, classes = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        return [], ["One class only, so nothing can be told apart."]
    if len(known) < FEWEST:
        some = counted(len(known), "graph has", "graphs have")
        return [], [f"{some} a class, fewer than {FEWEST}: a tenth of them says nothing."]
    if 2 * len(names) > len(known):
        told = (
            f"{counted(len(known), 'graph has', 'graphs have')} {counted(len(names), 'different label')}, as {names[0]}"
        )
        return [], [f"{told}: that is a quantity or a name and no class, so nothing is told apart."]
    notes = []
    if len(known) < len(corpus):
        without = counted(len(corpus) - len(known), "graph without a class is", "graphs without a class are")
        notes.append(f"{without} not asked.")
    chosen: list[Protocol] = list(protocols or ["graphcl", "pygcl"])
    if protocols is None and len(known) > FOLDED:
        chosen = ["pygcl"]
        notes.append(f"More than {FOLDED:,} graphs, so ten folds are left to `diptych evaluate --protocol graphcl`.")
    classes = classes.reshape(-1)
    reasons = {each: lacking(each, classes, seed) for each in chosen}
    notes += [reason for reason in reasons.values() if reason]
    chosen = [each for each in chosen if not reasons[each]]
    if "graphcl" in chosen and (rarest := fewest(classes)) < FOLDS:
        notes.append(f"The rarest class has {rarest} graphs, so there are {rarest} folds in place of {FOLDS}.")
    if "pygcl" in chosen and len(known) < 1_000:
        notes.append(
            f"The protocol of PyGCL asks a tenth of {counted(len(known), 'graph')} once: its interval is wide."
        )
    if not chosen:
        return [], notes
    graphs = [corpus.graph(i) for i in known.tolist()]
    return [Classes(named(corpus), graphs, classes, chosen, seed, scaled)], notes


def lacking(protocol: Protocol, classes: Int[np.ndarray, " n"], seed: int) -> str | None:
    """Why a protocol cannot ask for these classes; None if it can."""
    if protocol == "graphcl" and fewest(classes) < 2:
        return "A class has a single graph: there are no stratified folds, and so no protocol of GraphCL."
    if protocol == "pygcl" and len(np.unique(classes[parts(len(classes), seed)[0]])) < 2:
        return "The random 80 % of graphs to learn from are of one class, so the protocol of PyGCL is left out."
    return None


def named(corpus: Graphs) -> str:
    """A corpus in one word: "MUTAG" of graphs/MUTAG.npz."""
    return PurePath(corpus.name.partition(":")[0]).name.partition(".")[0] or "graphs"


def rows(encoders: Mapping[str, Look | None]) -> dict[str, Look | None]:
    """Encoders, and what there is without one."""
    return {**encoders, "degrees": Degrees(), "Weisfeiler-Lehman": WeisfeilerLehman()}


def table(asked: Sequence[Classes], looks: Mapping[str, Look | None]) -> dict[str, Any]:
    """`scores[row]` of each row, every line in full as `results`, and `paired`: the first row less each other.

    A row of None stays None.
    """
    found = {name: [task.judged(look) for task in asked] if look else None for name, look in looks.items()}
    told: dict[str, Any] = {"scores": {}, "results": {}, "paired": {}}
    first = next(iter(found.values()), None)
    for name, each in found.items():
        lines = [line for task, judged in zip(asked, each or [], strict=False) for line in task.lines(judged)]
        told["scores"][name] = {f"{line.task}_{line.metric}": line.value for line in lines} if each else None
        told["results"] |= {name: [asdict(line) for line in lines]} if each else {}
        for task, mine, theirs in zip(asked, first or [], each or [], strict=False):
            for protocol in mine if theirs is not mine else ():
                gap = paired(mine[protocol].right, theirs[protocol].right)
                entry = told["paired"].setdefault(f"{task.name}_svm_{protocol}", {})
                entry[name] = {k: 100 * getattr(gap, k) for k in ("difference", "low", "high")} | {"p": gap.p}
    return told
