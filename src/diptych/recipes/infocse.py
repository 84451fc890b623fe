"""A sentence twice; and masked words, guessed through its embedding (InfoCSE, arXiv:2210.06432)."""

from dataclasses import replace
from typing import TYPE_CHECKING, Unpack

from diptych.core import Recipe, recipe
from diptych.recipes import sentences as of_sentences
from diptych.recipes.dropout import noisy
from diptych.recipes.sentences import LENGTH, PAPER
from diptych.recipes.settings import Settings
from diptych.recipes.text import Method
from diptych.recipes.usual import Defaults, options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from diptych.core import Model, Objective, View
    from diptych.data.documents import Documents
    from diptych.encoders.static import Static
    from diptych.encoders.transformer import Transformer

OWN = {**of_sentences.OWN, "pretrained": Defaults(lr=7e-6, batch=64, epochs=2, least=100, optimiser=PAPER)}


@recipe
def infocse(
    corpus: "str | Documents",
    *,
    rate: float = 0.4,
    auxiliary: float = 1e-5,
    sentences: int = 1,
    length: int = LENGTH,
    **settings: Unpack[Settings],
) -> Recipe:
    """As simcse, and masked words of the sentence are guessed from its embedding and a frozen network's states.

    The frozen network is the encoder as it began, up to half of its blocks; two layers, which are thrown away, and a
    language head, which is saved beside the encoder, guess. The embedding is that of [CLS]; a head of two layers with
    batch normalisation stands on it for the contrast. For a pretrained encoder the defaults are the paper's: rate 7e-6,
    batch 64, two epochs, no warm-up, gradients cut to 1, 32 tokens, temperature 0.05; it is to be one that has learned
    to guess words, and the language head starts as its own. The two layers start at random, the authors' from a
    checkpoint of theirs.
    Source: InfoCSE, arXiv:2210.06432.

    Parameters
    ----------
    corpus
        A folder of .txt or .md files, one text file, .jsonl, .csv, .tsv, .parquet (each also .gz), a
        folder, pattern or URL of these, a Hugging Face dataset folder, or a hub id.
    rate
        Part of the tokens that is masked.
    auxiliary
        Weight of guessing in the loss.
    sentences
        Sentences per view; 0 is the whole document.
    length
        Tokens of a view, special ones among them; longer ones are cut. The saved model reads on.
    """
    from diptych.core import Teacher
    from diptych.views.input.text.sentence import Sentence

    if not 0 < auxiliary < float("inf"):
        raise ValueError(f"guessing has a weight above 0 in the loss (without it: `simcse`); got auxiliary={auxiliary}")
    seed = settings.get("seed", 0)
    method = Method(
        Sentence(sentences),
        lambda encoder: _views(encoder, sentences, length, rate),
        lambda encoder, temperature: _objective(encoder, temperature, auxiliary, seed),
        lambda encoder: _model(encoder, settings),
    )
    made = noisy(of_sentences.read(corpus, method, settings, OWN), "infocse")
    half = (len(made.model.encoder.layers) - 1) // 2
    return replace(made, teacher=Teacher(momentum=1.0, dropout=False, layer=half))


def _views(encoder: "Static | Transformer", sentences: int, length: int, rate: float) -> "Sequence[View]":
    from diptych.core import View
    from diptych.recipes.masking import masked

    view = View(transform=of_sentences.sentence(encoder, sentences, length))
    return [view, view, replace(masked(view, encoder, rate), by="teacher")]


def _model(encoder: "Static | Transformer", settings: Settings) -> "Model":
    from diptych.core import Model
    from diptych.encoders.transformer import Transformer

    if isinstance(encoder, Transformer) and not encoder.before:
        raise ValueError("an embedding takes the place of the token before a text ([CLS]), and this encoder has none")
    of_sentences.pool_first(encoder, options(settings))
    return Model(encoder)


def _objective(encoder: "Static | Transformer", temperature: float, auxiliary: float, seed: int) -> "Objective":
    from diptych.encoders import heads
    from diptych.encoders.language import LanguageHead
    from diptych.objectives.headed import Headed
    from diptych.objectives.infonce import InfoNCE
    from diptych.objectives.mlm import AuxiliaryMLM
    from diptych.objectives.sum import Sum

    language = LanguageHead(encoder, seed, detached=True)
    guessing = AuxiliaryMLM(language, encoder.dim, language.attention_heads, seed=seed)
    contrast = Headed(InfoNCE(temperature), heads.mlp(encoder.dim, 2 * encoder.dim, encoder.dim, seed))
    return Sum(contrast, (auxiliary, guessing))
