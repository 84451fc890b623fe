"""Documents that say the same: each is a false negative of the others, where a batch has both.

Copies are equal but for case and white space. Near ones share most stretches of five words: MinHash (Broder, 1997)
finds candidates, and the Jaccard index of their stretches decides.

Shapes: n documents, w words of all, s distinct stretches of all, h hashes.
"""

import re
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
from jaxtyping import Int, UInt

from diptych.checks.finding import Finding, Subject, percent
from diptych.data.triplets import false_negatives
from diptych.draws import mixed
from diptych.plural import counted

WORDS = 5  # of a stretch
NEAR = 0.8  # Jaccard index of near duplicates
BANDS, OF_A_BAND = 16, 4  # hashes; documents of index 0.8 agree in all of a band with a chance of 0.9998
WORD = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]|[^\W_\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
MANY, COSTLY = 0.05, 0.01  # of the documents; false negatives of an anchor

Stretches = UInt[np.ndarray, " s"]


def duplicates(subject: Subject) -> Finding:
    """How many documents repeat another, and how many false negatives an anchor has of it in a batch."""
    folded = [_folded(text) for text in subject.texts]
    exact, near = _copies(folded), alike([stretches(text) for text in folded])
    near = _joined(near, exact)
    n, batch = len(folded), subject.recipe.batch
    copies, alikes = (n - len(np.unique(group)) for group in (exact, near))
    expected = false_negatives(map(str, near.tolist()), batch)
    numbers = {
        "documents": n,
        "copies": copies,
        "copies_and_near": alikes,
        "duplicate_pairs_per_batch": expected / 2,
        "false_negatives_per_anchor": expected / batch,
    }
    told = f"{counted(copies, 'copy')} and {counted(alikes - copies, 'near copy')} of other documents, "
    told += f"{percent(alikes / n)} of {subject.looked_at}: "
    told += f"{counted(expected / batch, 'false negative', digits='.2g')} for an anchor in a batch of {batch:,}"
    if alikes <= MANY * n and expected / batch < COSTLY:
        return Finding("duplicates", "ok", told, "", numbers)
    remedy = "train on the first of each (`Documents.unique()` drops copies), or on smaller batches"
    return Finding("duplicates", "look", told, remedy, numbers)


def unlike(texts: Sequence[str], why: str) -> Finding:
    """How many of the texts are copies, where nothing can be learned of them; `why` says so."""
    n, different = len(texts), len({_folded(text) for text in texts})
    numbers = {"documents": n, "copies": n - different}
    if different == 1 < n:
        remedy = "all are copies of one document: see that this column is the text (--text-column), or add others"
        return Finding("duplicates", "stop", why, remedy, numbers)
    remedy = "a document is to have two parts, and to differ from others: join short ones, or add longer ones"
    return Finding("views", "stop", why, remedy, numbers)


def _folded(text: str) -> str:
    return " ".join(text.casefold().split())


def _copies(texts: Sequence[str]) -> Int[np.ndarray, " n"]:
    """A number for each document, the same for equal ones."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(text, len(numbers)) for text in texts])


def stretches(text: str) -> Stretches:
    """Hashes of the distinct stretches of five words; of all words, where there are fewer."""
    words = [_hash(word) for word in WORD.findall(text)]
    if len(words) < WORDS:
        return np.array([hash(tuple(words)) & MASK] if words else [], np.uint64)
    x = np.array(words, np.uint64)
    out = np.zeros(len(x) - WORDS + 1, np.uint64)
    for i in range(WORDS):
        out = mixed(out + x[i : len(x) - WORDS + 1 + i])
    return np.unique(out)


MASK = (1 << 64) - 1
_known: dict[str, int] = {}


def _hash(word: str) -> int:
    if word not in _known:
        if len(_known) > 1 << 20:
            _known.clear()
        _known[word] = int.from_bytes(blake2b(word.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
    return _known[word]


def alike(documents: Sequence[Stretches]) -> Int[np.ndarray, " n"]:
    """A number for each document, the same for those that are linked by near duplicates."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = len(documents)
    edges = [(a, b) for a, b in _candidates(documents) if _index(documents[a], documents[b]) >= NEAR]
    rows, columns = np.array(edges, np.int64).reshape(-1, 2).T
    links = coo_array((np.ones(len(edges), bool), (rows, columns)), shape=(n, n))
    groups: Int[np.ndarray, " n"] = connected_components(links, directed=False)[1]
    return groups


def _candidates(documents: Sequence[Stretches]) -> set[tuple[int, int]]:
    """Pairs that agree in a band of hashes: each document and the first that has the same."""
    some = np.flatnonzero([len(x) > 0 for x in documents])
    if not len(some):
        return set()
    signatures = _signatures([documents[i] for i in some.tolist()])
    pairs: set[tuple[int, int]] = set()
    for band in signatures.reshape(len(some), BANDS, OF_A_BAND).transpose(1, 0, 2):
        _, first, which = np.unique(band, axis=0, return_index=True, return_inverse=True)
        theirs = first[which.reshape(-1)]
        later = np.flatnonzero(theirs != np.arange(len(some)))
        pairs |= {*zip(some[theirs[later]].tolist(), some[later].tolist(), strict=True)}
    return pairs


def _signatures(documents: Sequence[Stretches]) -> UInt[np.ndarray, "n h"]:
    """For each of the hashes, the least that a stretch of the document has."""
    every, edges = np.concatenate(documents), np.cumsum([0, *map(len, documents[:-1])])
    seeds = np.random.default_rng(0).integers(MASK, size=BANDS * OF_A_BAND, dtype=np.uint64)
    return np.stack([np.minimum.reduceat(mixed(every ^ seed), edges) for seed in seeds], 1)


def _index(a: Stretches, b: Stretches) -> float:
    """Jaccard's."""
    both = len(np.intersect1d(a, b, assume_unique=True))
    return both / max(1, len(a) + len(b) - both)


def _joined(near: Int[np.ndarray, " n"], exact: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Near groups in which copies without words are together too."""
    _, first = np.unique(exact, return_index=True)
    return near[first[exact]]
