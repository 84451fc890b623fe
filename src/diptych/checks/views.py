"""How much do two views of the same thing differ, beside views of different things?

Shapes: n pairs of views, d width of an embedding.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from diptych.called import TEXT, Called, called
from diptych.checks.finding import Finding, Subject, percent
from diptych.core import Draw, Recipe, Sample, Text
from diptych.measure.geometry import cosines
from diptych.measure.neighbours import found_at_once
from diptych.plural import counted
from diptych.train.batches import samples, work

MOST = 128  # pairs that are looked at
ALIKE = 0.8  # of the tokens: two views that have more in common can be matched by their words alone
FEW = 0.05  # of the pairs
REPEATING = {"text": "texts that repeat themselves", "picture": "plain pictures", "graph": "graphs too small to change"}
TOO_MUCH = "it tells nothing apart yet, or too little is left in both"


@dataclass(frozen=True)
class Pairs:
    """The first two views of some samples of the first step: their tokens, and embeddings before training."""

    tokens: tuple[list[Int[np.ndarray, " t"]], list[Int[np.ndarray, " t"]]] | None
    embeddings: tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]


def views(subject: Subject) -> Finding:
    """Tokens in common (Jaccard), cosines before training, pairs that are identical, and pairs found at once."""
    recipe = replace(subject.recipe, batch=min(subject.recipe.batch, MOST))
    if len(_encoded(recipe)) < 2:
        return Finding("views", "ok", "one view of a sample is encoded: there is no pair to look at")
    pairs = _pairs(recipe, subject)
    a, b = pairs.embeddings
    identical, n = int((a == b).all(1).sum()), len(a)
    own, others = float(cosines(a, b).mean()), float(cosines(a, b.roll(1, 0)).mean())
    numbers = {
        "pairs": n,
        "identical": identical,
        "cosine": own,
        "cosine_of_others": others,
        "found_untrained": float(found_at_once(a, b).mean()),
    }
    words = called(recipe)
    others_are = f"other {words.sample}s"
    told = f"cosine {own:z.2f} untrained ({others_are} {others:z.2f})"
    if pairs.tokens:
        first, second = pairs.tokens
        shared, by_chance = _jaccard(first, second), _jaccard(first, [*second[1:], second[0]])
        numbers |= {
            "tokens_in_common": shared,
            "tokens_in_common_of_others": by_chance,
            "same_tokens": sum(map(np.array_equal, first, second)),
        }
        told = f"{percent(shared)} of tokens in common ({others_are} {percent(by_chance)}), {told}"
    told += f", {percent(numbers['found_untrained'])} found at once; {identical:,} of {counted(n, 'pair')} identical"
    return _judged(told, numbers, words)


def _judged(told: str, numbers: dict[str, float | int], words: Called) -> Finding:
    n, same = numbers["pairs"], numbers.get("same_tokens", 0)
    if numbers["identical"] == n:
        return Finding("views", "stop", told, f"there is nothing to learn from: {words.apart}", numbers)
    if numbers["identical"] > FEW * n:
        remedy = (
            f"identical pairs teach nothing: leave out {REPEATING.get(words.sample, 'such samples')}; or {words.apart}"
        )
        return Finding("views", "look", told, remedy, numbers)
    if same == n:
        return Finding("views", "ok", f"{told}; noise in the network alone tells views apart", "", numbers)
    if same > FEW * n or numbers.get("tokens_in_common", 0) > ALIKE:
        remedy = "views share most of their words, so matching words is enough: --sentences 1, or --rule halves"
        return Finding("views", "look", told, remedy, numbers)
    if numbers["cosine"] <= numbers["cosine_of_others"]:
        remedy = f"two views of a {words.sample} are no nearer than views of two {words.sample}s"
        remedy += ": are its parts about the same thing?" if words is TEXT else f" to the untrained network: {TOO_MUCH}"
        return Finding("views", "look", told, remedy, numbers)
    return Finding("views", "ok", told, "", numbers)


def _encoded(recipe: Recipe) -> list[int]:
    """The numbers of the views that a network encodes."""
    return [v for v, view in enumerate(recipe.views) if view.by in ("model", "teacher", "both")][:2]


def _pairs(recipe: Recipe, subject: Subject) -> Pairs:
    first, second = ([*_seen(recipe, v)] for v in _encoded(recipe))
    texts = all(isinstance(x, Text) for x in (*first, *second))
    tokens = ([x.ids for x in first], [x.ids for x in second]) if texts else None
    return Pairs(tokens, _embedded(recipe, subject))


def _seen(recipe: Recipe, v: int) -> list[Sample]:
    """A view of each sample of the first step."""
    view = recipe.views[v]
    return [
        view.transform(recipe.data[i][view.column], Draw(recipe.seed, 0, i, v)) for i in samples(recipe, 0).tolist()
    ]


def _embedded(recipe: Recipe, subject: Subject) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
    """Embeddings as the first step would have them, with the noise of training."""
    model, first = recipe.model, work(recipe, 0, subject.machine)
    device, training = next(model.parameters()).device, model.training
    out = torch.zeros(len(recipe.views) * first.b, model.encoder.dim)
    model.train()
    try:
        with torch.random.fork_rng(), torch.no_grad():
            for micro in (*first.teacher, *first.model):
                out[micro.place] = model(micro.to(device).batch, micro.perturb).embedding.float().cpu()
    finally:
        model.train(training)
    one, other = (out[v * first.b : (v + 1) * first.b] for v in _encoded(recipe))
    return one, other


def _jaccard(first: Sequence[Int[np.ndarray, " t"]], second: Sequence[Int[np.ndarray, " t"]]) -> float:
    """The mean share of distinct tokens that are in both, of those in either."""
    pairs = [({*a.tolist()}, {*b.tolist()}) for a, b in zip(first, second, strict=True)]
    return float(np.mean([len(a & b) / max(1, len(a | b)) for a, b in pairs]))
