"""What a page is written from: plain data, filled in by a caller. Nothing here reads a disk or a model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from diptych.plural import counted
from diptych.report.drawing import Drawn

Table = Mapping[str, Mapping[str, float | None] | None]  # [row][metric]; None where there is none


@dataclass(frozen=True)
class Cost:
    """What a run took; None where it is not known."""

    seconds: float | None = None  # of training
    tokens: int | None = None  # seen in training
    documents: int | None = None
    parameters: int | None = None
    machine: str = ""  # "2 cores of an AMD EPYC 9B14, fp32"
    trained: int | None = None  # of the parameters
    samples: int | None = None  # seen in training, of pictures and graphs, which are not counted in tokens


THINGS = {"image": "pictures", "graph": "graphs"}  # by the column of a view; all else is documents


@dataclass(frozen=True)
class Card:
    """One run. Everything but the name may be missing.

    The row "model" of `scores` is the run's own; other rows are what it is compared with. `errors` are
    standard errors. `paired[metric][row]` is the model less that row on the same items, as a mapping with
    `difference`, `low` and `high` (a 95 % interval).
    """

    name: str
    recipe: str = ""  # "diptych.recipes.crop:crop"
    source: str = ""  # of the recipe: "SimCSE, arXiv:2104.08821"
    arguments: Mapping[str, Any] = field(default_factory=dict)
    views: Sequence[Mapping[str, str]] = ()  # role, column, transform, perturb, by
    objective: str = ""
    paper: str = ""  # of the objective: "arXiv:1807.03748"
    aim: str = ""  # of the objective: "pulls the views of one sample together"
    scores: Table = field(default_factory=dict)
    errors: Table = field(default_factory=dict)
    paired: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    judged: Mapping[str, int] = field(default_factory=dict)  # documents, labelled, classes, test, pairs
    history: Sequence[Mapping[str, float]] = ()  # the lines of metrics.jsonl
    cost: Cost = Cost()
    seed: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    commit: str = ""
    fingerprint: str = ""  # of what it learned from: of texts also their tokens
    model: str = "model"  # what to give to SentenceTransformer
    embedding: str = "last_hidden_state"  # of a picture, in what its network gives
    own_code: bool = False  # the model's folder holds code that `transformers` has to be allowed
    notes: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)  # what defaults came to, of all that is learned by
    documents: str = ""  # fingerprint of the documents themselves, whatever their tokens are

    @property
    def method(self) -> str:
        """The recipe's short name: what follows the colon of its import path."""
        return self.recipe.rpartition(":")[2]

    @property
    def things(self) -> str:
        """What the corpus is of: documents, pictures or graphs."""
        return next((THINGS[x] for view in self.views if (x := view.get("column")) in THINGS), "documents")


@dataclass(frozen=True)
class Evidence:
    """Some documents and where they lie: float32 [n, d] after training, and before it where known."""

    texts: Sequence[str]
    after: Float[np.ndarray, "n d"]
    before: Float[np.ndarray, "n e"] | None = None
    labels: Sequence[str | None] | None = None
    graphs: Sequence[Drawn | None] | None = None  # to be drawn, if that is what the texts tell of

    def __post_init__(self) -> None:
        for name in ("after", "before", "labels", "graphs"):
            given = getattr(self, name)
            if given is not None and len(given) != len(self.texts):
                raise ValueError(
                    f"Evidence.{name} has {counted(len(given), 'row')} for {counted(len(self.texts), 'text')}"
                )

    def select(self, rows: Sequence[int]) -> "Evidence":
        """These documents, in this order."""
        return Evidence(
            [self.texts[i] for i in rows],
            np.asarray(self.after)[rows],
            None if self.before is None else np.asarray(self.before)[rows],
            None if self.labels is None else [self.labels[i] for i in rows],
            None if self.graphs is None else [self.graphs[i] for i in rows],
        )


@dataclass(frozen=True)
class Gallery:
    """The same of pictures: squares of one size, and where they lie.

    `views[name]` are views of a few pictures, row by row; names are in the order of columns, and views of one name are
    of one size. Of a fourth channel 0 is hidden. `patches[name]` are the colours of their patches.
    """

    thumbnails: UInt8[np.ndarray, "n s s 3"]
    places: Evidence
    views: Mapping[str, UInt8[np.ndarray, "m h w c"]] = field(default_factory=dict)
    patches: Mapping[str, UInt8[np.ndarray, "k h w c"]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.thumbnails) != len(self.places.texts):
            rows, pictures = counted(len(self.places.texts), "row"), counted(len(self.thumbnails), "thumbnail")
            raise ValueError(f"Gallery.places has {rows} for {pictures}")
        for name in ("views", "patches"):
            if len({len(x) for x in getattr(self, name).values()}) > 1:
                raise ValueError(f"Gallery.{name} are of the same pictures in every column")

    def select(self, rows: Sequence[int]) -> "Gallery":
        """These pictures, in this order; views and patches are what they are."""
        return Gallery(self.thumbnails[rows], self.places.select(rows), self.views, self.patches)


@dataclass(frozen=True)
class Comparison:
    """Runs side by side. `baseline` names one of the groups that `groups.grouping` makes of them, or a part of it.

    `notes` are sentences for a person: what was left out, what cannot be compared.
    """

    name: str
    cards: Sequence[Card]
    baseline: str | None = None
    notes: Sequence[str] = ()
