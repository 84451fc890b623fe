"""Masked words to guess, beside what a recipe learns."""

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diptych.core import Encoder, Recipe, View
    from diptych.views.input.text.mask import MaskTokens


def with_masked(recipe: "Recipe", weight: float, rate: float) -> "Recipe":
    """The recipe with masked language modelling, times `weight`: on a further view, masked anew at every step.

    It is made, and perturbed, as the first view that the model encodes, and then masked. Raises ValueError for a weight
    that is not above 0, a recipe that guesses words already, and an encoder that cannot: one that is no transformer, or
    whose tokenizer has no mask token.
    """
    from diptych.core import Model
    from diptych.encoders.language import LanguageHead
    from diptych.objectives.mlm import MLM
    from diptych.objectives.sum import Sum

    if not 0 < weight < float("inf"):
        raise ValueError(f"masked words have a weight above 0 in the loss; got {weight}")
    if recipe.model.language is not None:
        raise ValueError("this recipe guesses masked words already; leave --mlm-weight and --mlm-rate out")
    model = recipe.model
    language = LanguageHead(model.encoder, recipe.seed)
    first = next(view for view in recipe.views if view.by in ("model", "both"))
    return replace(
        recipe,
        model=Model(model.encoder, model.head, language),
        views=[*recipe.views, masked(first, model.encoder, rate)],
        objective=Sum(recipe.objective, (weight, MLM())),
    )


def masked(view: "View", encoder: "Encoder", rate: float) -> "View":
    """A view of role "masked": another view's, with tokens masked. Raises ValueError as `mask_tokens` does."""
    from diptych.core import View
    from diptych.views.input.then import Then

    return View("masked", view.column, Then(view.transform, mask_tokens(encoder, rate)), view.perturb)


def mask_tokens(encoder: "Encoder", rate: float) -> "MaskTokens":
    """Masking with the tokens of an encoder. Raises ValueError if it is no transformer, or has no mask token."""
    from diptych.encoders.transformer import Transformer
    from diptych.views.input.text.mask import MaskTokens

    if not isinstance(encoder, Transformer):
        raise ValueError("words are masked for a transformer (--encoder tiny, or a folder or hub id of one)")
    if (mask := encoder.pretrained.mask_token_id) is None:
        raise ValueError(
            "a masked word is replaced by the tokenizer's mask token, and this one has none: begin from a network that "
            'was trained to guess words (BERT, RoBERTa, ...), or name it as "mask_token" in tokenizer_config.json'
        )
    added = encoder.tokenizer.get_added_tokens_decoder()
    special = {*encoder.pretrained.all_special_ids, *(i for i, token in added.items() if token.special)}
    vocabulary = 1 + max(encoder.tokenizer.get_vocab().values())
    return MaskTokens(rate, mask=mask, vocabulary=vocabulary, special=tuple(special))
