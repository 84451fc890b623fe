"""What the recipes for single sentences share: a sentence, a head, and the settings of SimCSE (arXiv:2104.08821)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from diptych.plural import counted
from diptych.recipes.dropout import STATIC_DROPOUT
from diptych.recipes.settings import Settings
from diptych.recipes.text import Method, build
from diptych.recipes.usual import KINDS, Defaults, options

if TYPE_CHECKING:
    from diptych.core import Model, Recipe
    from diptych.data.documents import Documents
    from diptych.encoders.static import Static
    from diptych.encoders.transformer import Transformer
    from diptych.views.input.text.sentence import Sentence

LENGTH = 32  # tokens, special ones among them
PAPER = {"warmup": 0.0, "clip": 1.0}
OWN = {
    **KINDS,
    "tiny": replace(KINDS["tiny"], optimiser={"clip": 1.0}),
    "pretrained": Defaults(lr=3e-5, batch=64, epochs=1, least=100, optimiser=PAPER),
}


def read(
    corpus: "str | Documents", method: Method, settings: Settings, kinds: Mapping[str, Defaults] = OWN
) -> "Recipe":
    """A recipe for sentences of a corpus. Without a word on it the encoder is `tiny`: a static one has no dropout."""
    begun: Settings = {} if settings.get("init") or settings.get("encoder") else {"encoder": "tiny"}
    return build(corpus, method, {**settings, **begun}, kinds, STATIC_DROPOUT)


def sentence(encoder: "Static | Transformer", count: int, length: int) -> "Sentence":
    """One window for all views, cut to `length` tokens with special ones. Raises ValueError if these leave no room."""
    from diptych.views.input.text.sentence import Sentence

    around = special(encoder)
    if length <= around:
        raise ValueError(
            f"--length {length}: {counted(around, 'special token is', 'special tokens are')} among them, so "
            f"give {around + 1} or more"
        )
    return Sentence(count, most=length - around)


def special(encoder: "Static | Transformer") -> int:
    """Tokens that an encoder puts around every text."""
    from diptych.encoders.transformer import Transformer

    return len(encoder.before) + len(encoder.after) if isinstance(encoder, Transformer) else 0


def with_head(encoder: "Static | Transformer", settings: Settings) -> "Model":
    """A linear layer and tanh on an encoder, which is pooled by [CLS] unless something else is said of it."""
    from diptych.core import Model
    from diptych.encoders import heads

    given = options(settings)
    pool_first(encoder, given)
    return Model(encoder, heads.tanh(encoder.dim, given.get("seed", 0)))


def pool_first(encoder: "Static | Transformer", given: Mapping[str, Any]) -> None:
    """Has a pretrained transformer pooled by [CLS], unless options or its folder say how, or it is causal.

    Of a network from scratch [CLS] is one vector for all texts: nothing has taught it to look at them.
    """
    from diptych.encoders import direction, folder
    from diptych.encoders.transformer import Transformer

    if not isinstance(encoder, Transformer) or {"pooling", "init"} & given.keys() or direction.causal(encoder.network):
        return
    name = given.get("encoder", "tiny")
    if name != "tiny" and not folder.chain(folder.locate(name)):
        encoder.pooling = "cls"
