"""What there is to say of a model's inside: plain data, as a page and JSON have it. Nothing here computes.

Legend: n documents of the probe, d width, L + 1 layers: 0 is the input embedding, 1..L the blocks.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Numbers = Sequence[Sequence[float]]  # a table
Scores = Mapping[str, float | None]  # by metric; None where it could not be asked

PARTS = {"document": "tokens", "graph": "nodes", "picture": "tokens, or over a map"}  # what a layer is the mean over


@dataclass(frozen=True)
class Rank:
    """One definition of rank, of unit rows as they are and with the mean row taken away."""

    name: str  # "effective rank", "energy rank, 90 % of σ²"
    plain: float
    centred: float


@dataclass(frozen=True)
class Layer:
    """A layer's vectors, one for each text: the mean over its tokens. `scores` are those of `Anatomy`."""

    width: int
    scores: Scores
    errors: Scores = field(default_factory=dict)


@dataclass(frozen=True)
class Change:
    """How far a model is from another one, layer by layer; None for what cannot be compared.

    `weights` is |W - W'| / |W'| of a layer's parameters. `same` is the CKA of a layer with the same layer of the other
    model; `across` that of every layer (rows) with every layer of the other.
    """

    against: str
    weights: Sequence[float | None] | None = None
    same: Sequence[float] | None = None
    across: Numbers | None = None


@dataclass(frozen=True)
class Anatomy:
    """One model. `scores` are of its embeddings, as it pools them: knn, crop_retrieval, alignment, uniformity,
    mean_cosine, isotropy, effective_rank, sts, and sts/SET of each set.

    `spectra` are singular values of n unit rows, largest first. `alike` is the CKA of its layers with each other,
    `off_diagonal` the mean of it less the diagonal.
    """

    name: str
    model: str
    n: int
    dim: int
    pooling: str
    scores: Scores
    errors: Scores
    ranks: Sequence[Rank]
    spectra: Mapping[str, Sequence[float]]  # "plain" and "centred"
    layers: Sequence[Layer] = ()
    alike: Numbers | None = None
    off_diagonal: float | None = None
    change: Change | None = None

    @property
    def bound(self) -> int:
        """What no rank of n rows in d columns exceeds."""
        return min(self.n, self.dim)


@dataclass(frozen=True)
class Analysis:
    """Models side by side, on the same documents, graphs or pictures."""

    corpus: str
    documents: int  # or graphs, pictures, in the probe
    of: int  # in the corpus
    labelled: int
    pairs: int  # of crops, or of augmentations
    kernel: str
    models: Sequence[Anatomy]
    notes: Sequence[str] = ()
    noun: str = "document"  # what the corpus is of
