"""A map of the corpus: documents as points, near where their neighbours are.

Coloured by label, or by cluster where there are no labels worth the name.
Source: t-SNE, openTSNE (Poličar et al., JSS 2024). Legend: n documents, d width of an embedding.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from diptych.report.card import Evidence

COLOURS = 12
POINTS = 3000
FEWEST = 10  # documents that make a map
SIZE = 1000.0  # of the square the points lie in


@dataclass(frozen=True)
class Group:
    """Documents of one colour; `colour` is 1..COLOURS, or 0 for grey."""

    name: str
    colour: int
    count: int


@dataclass(frozen=True)
class Atlas:
    """`panels[title]` are places in a square of SIZE; `colours[i]` is the colour of document i."""

    panels: dict[str, Float[np.ndarray, "n 2"]]
    colours: Int[np.ndarray, " n"]
    groups: Sequence[Group]
    by: str  # "label" or "cluster"


def sample(evidence: Evidence, most: int = POINTS, seed: int = 0) -> Evidence:
    """At most `most` documents, in their order, those with embeddings that are numbers."""
    finite = np.isfinite(evidence.after).all(1)
    if evidence.before is not None:
        finite &= np.isfinite(evidence.before).all(1)
    rows = np.flatnonzero(finite)
    if len(rows) > most:
        rows = np.sort(np.random.default_rng(seed).choice(rows, most, replace=False))
    chosen = rows.tolist()
    return Evidence(
        [evidence.texts[i] for i in chosen],
        np.asarray(evidence.after)[rows],
        None if evidence.before is None else np.asarray(evidence.before)[rows],
        None if evidence.labels is None else [evidence.labels[i] for i in chosen],
        None if evidence.graphs is None else [evidence.graphs[i] for i in chosen],
    )


def atlas(evidence: Evidence, seed: int = 0) -> Atlas | None:
    """The map of a sample, after training and before it; None below FEWEST documents."""
    if len(evidence.texts) < FEWEST:
        return None
    panels = {} if evidence.before is None else {"Before": places(evidence.before, seed)}
    panels["After"] = places(evidence.after, seed)
    names, by = evidence.labels, "label"
    if names is None or not telling(names):
        names, by = clusters(evidence, seed), "cluster"
    colours, groups = coloured(names)
    return Atlas(panels, colours, groups, by)


def places(x: Float[np.ndarray, "n d"], seed: int = 0) -> Float[np.ndarray, "n 2"]:
    """t-SNE of directions, by their first 50 principal components, in a square of SIZE.

    One thread: a few seconds for 3,000 points, and the same places every time.
    """
    from openTSNE import TSNE

    x = principal(unit(x), 50)
    start = x[:, :2] / max(float(x[:, 0].std()), 1e-12) * 1e-4
    start = start + np.random.default_rng(seed).normal(scale=1e-6, size=start.shape)
    tsne = TSNE(
        perplexity=min(30.0, (len(x) - 1) / 3),
        early_exaggeration_iter=125,
        n_iter=275,
        theta=0.8,
        initialization=start,
        neighbors="exact",
        negative_gradient_method="bh",
        random_state=seed,
        n_jobs=1,
    )
    found = np.asarray(tsne.fit(x))
    low, high = found.min(0), found.max(0)
    found = (found - (low + high) / 2) / max(float((high - low).max()), 1e-12)
    return (found + 0.5) * SIZE


def unit(x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, "n d"]:
    x = np.asarray(x, np.float64)
    norm = np.linalg.norm(x, axis=1, keepdims=True)
    return x / np.where(norm > 0, norm, 1)


def principal(x: Float[np.ndarray, "n d"], many: int) -> Float[np.ndarray, "n p"]:
    """The first principal components, at least two columns; signs so that the largest loading is positive."""
    x = x - x.mean(0)
    axes = np.linalg.eigh(x.T @ x)[1][:, ::-1][:, :many]
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])
    found = x @ axes
    return np.pad(found, ((0, 0), (0, max(0, 2 - found.shape[1]))))


def telling(labels: Sequence[str | None]) -> bool:
    """Whether labels put documents together: two or more of them, each on three documents on average."""
    found = {label for label in labels if label is not None}
    return 2 <= len(found) <= len(labels) / 3


def clusters(evidence: Evidence, seed: int = 0) -> list[str]:
    """The name of each document's k-means cluster: the words that tell it from the rest."""
    from sklearn.cluster import KMeans

    x = principal(unit(evidence.after), 50)
    k = min(COLOURS - 2, max(2, len(x) // 60), len(np.unique(x, axis=0)))
    number = KMeans(k, n_init=3, random_state=seed).fit_predict(x)
    names = _distinctive(evidence.texts, number)
    return [names[c] for c in number]


def _distinctive(texts: Sequence[str], number: Int[np.ndarray, " n"], words: int = 3) -> dict[int, str]:
    """For each cluster, the words whose mean TF-IDF weight exceeds that of all documents the most."""
    from sklearn.feature_extraction.text import TfidfVectorizer

    plain = {int(c): f"cluster {c + 1}" for c in np.unique(number)}
    vectorizer = TfidfVectorizer(stop_words="english", sublinear_tf=True, max_features=20_000)
    try:
        weights = vectorizer.fit_transform([text[:5000] for text in texts])
    except ValueError:  # no words at all
        return plain
    vocabulary, everywhere = vectorizer.get_feature_names_out(), np.asarray(weights.mean(0)).ravel()
    names: dict[int, str] = {}
    for c in plain:
        excess = np.asarray(weights[number == c].mean(0)).ravel() - everywhere
        told = ", ".join(str(vocabulary[i]) for i in np.argsort(-excess, kind="stable")[:words])
        names[c] = told if told not in names.values() else f"{told} ({c + 1})"
    return names


def coloured(names: Sequence[str | None]) -> tuple[Int[np.ndarray, " n"], list[Group]]:
    """A colour for each of the most frequent names; the others, and no name, are grey."""
    counts = Counter(name for name in names if name is not None)
    ranked = sorted(counts, key=lambda name: (-counts[name], name))
    colour = {name: i + 1 for i, name in enumerate(ranked[:COLOURS])}
    colours = np.array([0 if name is None else colour.get(name, 0) for name in names])
    groups = [Group(name, colour[name], counts[name]) for name in colour]
    rest, without = ranked[COLOURS:], sum(name is None for name in names)
    if rest:
        groups.append(Group(f"{len(rest)} others", 0, sum(counts[name] for name in rest)))
    if without:
        groups.append(Group("no label", 0, without))
    return colours, groups
