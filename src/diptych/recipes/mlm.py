"""A small network learns a corpus by guessing masked words (BERT, arXiv:1810.04805)."""

from typing import TYPE_CHECKING, Unpack

from diptych.core import Recipe, recipe
from diptych.recipes.sentences import read
from diptych.recipes.settings import Settings
from diptych.recipes.text import Method
from diptych.recipes.usual import KINDS, Defaults

if TYPE_CHECKING:
    from diptych.core import Model, View
    from diptych.data.documents import Documents
    from diptych.encoders.static import Static
    from diptych.encoders.transformer import Transformer

OWN = {
    **KINDS,
    "tiny": Defaults(lr=1e-3, batch=16, epochs=2, least=2000, optimiser={"clip": 1.0, "weight_decay": 0.01}),
    "pretrained": Defaults(lr=5e-5, batch=32, epochs=1, least=100, optimiser={"clip": 1.0, "weight_decay": 0.01}),
}
USELESS = ("temperature", "mlm_weight", "mlm_rate", "rank_reduction")  # options of objectives that compare views


@recipe
def mlm(
    corpus: "str | Documents",
    *,
    rate: float = 0.3,
    **settings: Unpack[Settings],
) -> Recipe:
    """Guess masked words: pre-training, for a network from scratch (--encoder tiny, the default) or any other.

    A document is a text, or where it is longer than --max-tokens a stretch of it, drawn anew at every step. The head
    that guesses is saved beside the encoder: a later `mlm`, or a recipe with --mlm-weight, goes on with it. From
    scratch small steps count: a batch is 16 texts, and there are 2,000 steps or two passes.
    Source: BERT, arXiv:1810.04805.

    Parameters
    ----------
    corpus
        A folder of .txt or .md files, one text file, .jsonl, .csv, .tsv, .parquet (each also .gz), a
        folder, pattern or URL of these, a Hugging Face dataset folder, or a hub id.
    rate
        Part of the tokens that is masked.
    """
    for option in USELESS:
        if settings.get(option) is not None:
            raise ValueError(f"--{option.replace('_', '-')} is for recipes that compare views; `mlm` guesses words")
    return read(corpus, guessing(rate, settings.get("seed", 0)), settings, OWN)


def guessing(rate: float, seed: int = 0) -> Method:
    """One view, masked, and a head that guesses."""
    from diptych.objectives.mlm import MLM
    from diptych.views.input.text.stretch import Stretch

    return Method(Stretch(), lambda encoder: _views(encoder, rate), lambda encoder, t: MLM(), lambda e: _model(e, seed))


def _views(encoder: "Static | Transformer", rate: float) -> "list[View]":
    from diptych.core import View
    from diptych.encoders.transformer import Transformer
    from diptych.recipes.masking import masked
    from diptych.views.input.text.stretch import Stretch

    room = encoder.max_tokens - len(encoder.before) - len(encoder.after) if isinstance(encoder, Transformer) else 1
    return [masked(View(transform=Stretch(room)), encoder, rate)]


def _model(encoder: "Static | Transformer", seed: int) -> "Model":
    from diptych.core import Model
    from diptych.encoders.language import LanguageHead

    return Model(encoder, language=LanguageHead(encoder, seed))
