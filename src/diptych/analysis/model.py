"""What there is to say of a model from what it and each of its layers make of a probe, and of its change.

Every layer is a way to turn things into vectors, and is judged as a model is. Legend: n things of the probe, d width,
d_l that of layer l.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from diptych.core import Encoder
from diptych.evaluate.suite import Judgement
from diptych.measure import rank, similarity, weights
from diptych.measure.geometry import mean_cosine
from diptych.measure.isotropy import isotropy
from diptych.measure.similarity import Kernel
from diptych.plural import counted
from diptych.report.anatomy import PARTS, Anatomy, Change, Layer, Numbers, Rank

ASKED = ("knn", "crop_retrieval", "alignment", "uniformity")
ENERGIES = [(threshold, power) for power in (2, 1) for threshold in (0.9, 0.95, 0.99)]
States = list[Float[np.ndarray, "n d_l"]]


def anatomy(
    name: str,
    path: str,
    encoder: Encoder,
    rows: Mapping[str, Float[np.ndarray, "n d"]],
    layers: States,
    judgement: Judgement,
    sts: Sequence[Mapping[str, float | None]],
    n: int,
    kernel: Kernel,
    noun: str = "document",
) -> tuple[Anatomy, list[str]]:
    """What there is to say of rows, those of the model and of each of its layers, of which the first n are shown."""
    shown = len(rows) > 1
    judged = [
        Layer(x.shape[1], {**_kept(judgement.scores[row]), **_shape(x[:n]), **more}, _kept(judgement.errors[row]))
        for (row, x), more in zip(rows.items(), sts, strict=True)
    ]
    states = [x[:n] for x in layers]
    alike, notes = _similar(f"{name}, layers beside layers", states, states, kernel) if shown else (None, [])
    spectra, ranks = _ranks(rows[name][:n])
    found = Anatomy(
        name=name,
        model=path,
        n=n,
        dim=encoder.dim,
        pooling=getattr(encoder, "pooling", None) or ("mean" if layers else ""),
        scores=judged[0].scores,
        errors=judged[0].errors,
        ranks=ranks,
        spectra=spectra,
        layers=judged[1:],
        alike=alike,
        off_diagonal=similarity.mean_off_diagonal(np.array(alike)) if alike else None,
    )
    return found, [*_about(found, len(layers), noun), *notes]


def _about(found: Anatomy, layers: int, noun: str) -> list[str]:
    """What a person should know of a model before its numbers."""
    notes = []
    if layers < 2:
        why = "has one layer" if layers else "shows no layers, for it is run by sentence-transformers"
        notes.append(f"{found.name} {why}: what is said layer by layer is left out of it.")
    elif found.pooling != "mean":
        notes.append(f"{found.name} pools by {found.pooling}; its layers are pooled by the mean over {PARTS[noun]}.")
    if found.n < found.dim:
        notes.append(
            f"{found.name}: {counted(found.n, noun)} in {counted(found.dim, 'dimension')}; no rank "
            f"can be above {found.bound:,}."
        )
    return notes


def _kept(scores: Mapping[str, float | None] | None) -> dict[str, float | None]:
    return {metric: (scores or {}).get(metric) for metric in ASKED}


def _shape(x: Float[np.ndarray, "n d"]) -> dict[str, float | None]:
    """What a cloud of vectors is like, whatever they mean."""
    found = {
        "effective_rank": rank.effective_rank(x),
        "mean_cosine": mean_cosine(x.astype(np.float64)),
        "isotropy": isotropy(x),
    }
    return {metric: float(value) for metric, value in found.items()}


def _ranks(x: Float[np.ndarray, "n d"]) -> tuple[dict[str, list[float]], list[Rank]]:
    """Singular values of unit rows, as they are and centred, and the ranks that they have."""
    plain, centred = (rank.spectrum(x, centred) for centred in (False, True))
    effective = Rank("effective rank", *(float(rank.effective_of(sigma)) for sigma in (plain, centred)))
    energies = [
        Rank(
            f"energy rank, {100 * threshold:g} % of {'σ²' if power == 2 else 'σ'}",
            *(rank.energy_of(sigma, threshold, power) for sigma in (plain, centred)),
        )
        for threshold, power in ENERGIES
    ]
    return {"plain": plain.tolist(), "centred": centred.tolist()}, [effective, *energies]


def compared(
    name: str, other: str, models: Mapping[str, Encoder], states: Mapping[str, States], kernel: Kernel
) -> tuple[Change, list[str]]:
    mine, theirs = states[name], states[other]
    if not mine or not theirs:
        return Change(other), []  # it was said that one of them shows no layers
    across, notes = _similar(f"{name} beside {other}", mine, theirs, kernel)
    if len(mine) != len(theirs):
        notes.append(
            f"{name} has {counted(len(mine), 'layer')} and {other} {len(theirs)}: no layer is the same as "
            "one of the other, so "
            "the change of each layer is left out."
        )
        return Change(other, across=across), notes
    moved, told = _moved(f"{name} beside {other}", models[name], models[other])
    return Change(other, moved, np.diag(np.array(across)).tolist() if across else None, across), [*notes, *told]


def _moved(what: str, mine: Encoder, theirs: Encoder) -> tuple[list[float | None] | None, list[str]]:
    """The relative change of each layer's weights; or why there is none. None is a layer that was all zeros."""
    try:
        moved = weights.changes(mine.layers, theirs.layers)
    except ValueError as error:
        return None, [f"{what}: how far weights moved is left out, for {error}."]
    return [x if np.isfinite(x) else None for x in moved], []


def _similar(what: str, mine: States, theirs: States, kernel: Kernel) -> tuple[Numbers | None, list[str]]:
    """CKA of layers with layers, debiased; or why there is none, as where the vectors of a layer are all the same."""
    try:
        return similarity.table(mine, None if mine is theirs else theirs, kernel).tolist(), []
    except ValueError as error:
        return None, [f"{what}: left out, for {error}."]
