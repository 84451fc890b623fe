"""What any recipe can have besides: views made in the network, fewer ranks, masked words to guess."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from diptych.plural import counted

if TYPE_CHECKING:
    from diptych.core import Fitted, Noise, Perturb, Recipe, View


class Also(TypedDict, total=False):
    """Options of every recipe, of texts, pictures and graphs alike."""

    perturb_layer: int | None
    """Perturb the output of this layer (0 the input embedding, stem or features of nodes, 1... after a block or
    stage), as Deep Augmentation does."""
    perturb_noise: Literal["dropout", "pca"]
    """How: dropout of single numbers, or removal of a principal direction of the batch (of graphs, of its nodes)."""
    perturb_rate: float
    """Rate of that dropout (0.5)."""
    perturb_component: int
    """Principal directions to remove: the first 1, 2, ..., or with -1 the last of six, as the authors do (1)."""
    perturb_gradient: Literal["stop", "pass", "reverse"]
    """What layers at and below learn from what was perturbed: nothing (stop), as always, or the opposite."""
    perturb_fraction: float
    """Part of the rows that is perturbed (0.5)."""
    perturb_unit: Literal["row", "pair", "batch"]
    """What is perturbed or not as one: a view of a sample, all views of it, a whole batch."""
    perturb_views: Literal["all", "first"]
    """Whether every view is perturbed, or the first alone."""
    rank_reduction: float | None
    """Add the entropy of the batch's spectrum, times this, to the loss (above 0 lowers the rank, below raises it;
    0.001 is usual)."""
    rank_reduction_phase: Literal["all", "1", "2"]
    """Do so while the rank rises (1), after its peak (2), or always (all)."""
    rank_reduction_matrix: Literal["embedding", "projection"]
    """What the rank is of: what ships, or what the objective compares (embedding)."""


class Guessing(TypedDict, total=False):
    """Options of every recipe for text."""

    mlm_weight: float | None
    """Add masked language modelling, times this, to the loss (0.1 is usual)."""
    mlm_rate: float
    """Part of the tokens that is masked for it (0.15)."""


PERTURB = "perturb_"
RANK = "rank_reduction"


def also(recipe: "Recipe", given: Mapping[str, Any]) -> "Recipe":
    """The recipe with what the options --perturb-*, --rank-reduction* and --mlm-weight add to it.

    Raises ValueError for options that lack the one they belong to, and for what the encoder cannot do.
    """
    return _checked(_guessing(_reduced(_perturbed(recipe, given), given), given))


def _perturbed(recipe: "Recipe", given: Mapping[str, Any]) -> "Recipe":
    """Every view that the model encodes, or the first alone, with its perturbation."""
    _belong(given, PERTURB, "perturb_layer", "at which layer is not said")
    if "perturb_layer" not in given:
        return recipe
    return replace(recipe, views=with_perturb(recipe.views, given))


def with_perturb(views: "Sequence[View]", given: Mapping[str, Any]) -> "list[View]":
    """Views with the perturbation that the options ask for: all that the model encodes, or the first of them."""
    found, touched = perturb_of(given), [i for i, view in enumerate(views) if view.by in ("model", "both")]
    some = set(touched[:1] if given.get("perturb_views", "all") == "first" else touched)
    return [replace(view, perturb=found) if i in some else view for i, view in enumerate(views)]


def perturb_of(given: Mapping[str, Any]) -> "Perturb":
    """The perturbation that the options ask for."""
    from diptych.core import Perturb

    return Perturb(
        given["perturb_layer"],
        _noise(given),
        given.get("perturb_fraction", 0.5),
        given.get("perturb_gradient", "stop"),
        given.get("perturb_unit", "row"),
    )


def _noise(given: Mapping[str, Any]) -> "Noise | Fitted":
    from diptych.views.network.dropout import Dropout
    from diptych.views.network.pca import RemovePrincipal

    if given.get("perturb_noise", "dropout") == "dropout":
        if "perturb_component" in given:
            raise ValueError("--perturb-component is a principal direction; it goes with --perturb-noise pca")
        return Dropout(given.get("perturb_rate", 0.5))
    if "perturb_rate" in given:
        raise ValueError("--perturb-rate is a rate of dropout; with --perturb-noise pca give --perturb-component")
    return RemovePrincipal(given.get("perturb_component", 1))


def _checked(recipe: "Recipe") -> "Recipe":
    """The recipe, with what is to be known of its perturbation. Raises ValueError for a layer that there is not."""
    found = next((view.perturb for view in recipe.views if view.perturb), None)
    if found is None:
        return recipe
    last = len(recipe.model.layers) - 1
    if all(view.role == "masked" for view in recipe.views):
        last -= 1  # words are guessed from the last block
    if not 0 <= found.layer <= last:
        told = [f"0 (the input embedding) to {last}"]
        if len(recipe.model.encoder.layers) == 1:
            told = ["0, the embedding", *([f"and {last}, after the head"] if recipe.model.has_head else [])]
        elif last == len(recipe.model.layers) - 1:
            head = "after the head" if recipe.model.has_head else "the embedding"
            told = [*told, f"({last - 1} after the last block, {last} {head})"]
        raise ValueError(f"--perturb-layer {found.layer}: layers of this model are {' '.join(told)}")
    if getattr(found.noise, "component", 0) >= recipe.model.encoder.dim:
        raise ValueError(
            f"--perturb-component {getattr(found.noise, 'component', 0)} removes every one of "
            f"{counted(recipe.model.encoder.dim, 'direction')}"
        )
    return replace(recipe, notes=[*recipe.notes, *_of_perturb(found, bool(recipe.model.language))])


def _of_perturb(found: "Perturb", guesses: bool) -> list[str]:
    from diptych.core import Fitted

    notes = []
    if isinstance(found.noise, Fitted):
        notes.append(
            "principal directions are those of a process's whole part of a step, which is encoded in one pass: what is "
            "learned then depends on the number of processes"
        )
    if found.fraction == 1 and found.gradient == "stop":
        but = ", but for the table of tokens, which is the last layer of the head that guesses words" if guesses else ""
        notes.append(f"all rows are perturbed and stopped, so nothing at or below layer {found.layer} learns{but}")
    return notes


def _reduced(recipe: "Recipe", given: Mapping[str, Any]) -> "Recipe":
    """The objective with the entropy of its views' spectrum added."""
    _belong(given, RANK, RANK, "how strongly is not said")
    if not (weight := given.get(RANK)):
        _belong({name: x for name, x in given.items() if name != RANK}, RANK, RANK, "a weight of 0 does nothing")
        return recipe
    from diptych.core import Twin
    from diptych.objectives.denoised import Denoised
    from diptych.objectives.headed import Headed
    from diptych.objectives.rank import RankReduction
    from diptych.objectives.sum import Sum

    inside = any(isinstance(part, Denoised | Headed | Twin) for part in recipe.objective.modules())
    if inside and given.get(f"{RANK}_matrix") == "projection":
        raise ValueError(
            "--rank-reduction-matrix projection: the head of this recipe is a part of its objective, so that there is "
            "no projection to see; take embedding"
        )
    options = {name.removeprefix(f"{RANK}_"): x for name, x in given.items() if name.startswith(f"{RANK}_")}
    return replace(recipe, objective=Sum(recipe.objective, (weight, RankReduction(**options))))


def _guessing(recipe: "Recipe", given: Mapping[str, Any]) -> "Recipe":
    """The objective with masked language modelling added, on a view of its own."""
    _belong(given, "mlm_", "mlm_weight", "how much it weighs is not said")
    if not (weight := given.get("mlm_weight")):
        return recipe
    from diptych.recipes.masking import with_masked

    return with_masked(recipe, weight, given.get("mlm_rate", 0.15))


def _belong(given: Mapping[str, Any], start: str, to: str, why: str) -> None:
    """Raises ValueError for options that mean nothing without another."""
    for option in given:
        if option.startswith(start) and to not in given:
            raise ValueError(f"--{option.replace('_', '-')} belongs to --{to.replace('_', '-')}: {why}")
