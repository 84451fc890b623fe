"""Dropout or PCA at one deep layer, with a stop of the gradient, as the augmentation (arXiv:2303.14537)."""

from typing import TYPE_CHECKING, Any, Unpack

from diptych.core import Recipe, recipe
from diptych.recipes import sentences as of_sentences
from diptych.recipes.dropout import noisy
from diptych.recipes.sentences import LENGTH
from diptych.recipes.settings import Settings
from diptych.recipes.text import Method
from diptych.recipes.usual import options

if TYPE_CHECKING:
    from diptych.core import View
    from diptych.data.documents import Documents
    from diptych.encoders.static import Static
    from diptych.encoders.transformer import Transformer

DEPTH = 2 / 3  # of the blocks: 8 of BERT's 12
RATE = 0.125


@recipe
def deep_augmentation(
    corpus: "str | Documents",
    *,
    sentences: int = 1,
    length: int = LENGTH,
    **settings: Unpack[Settings],
) -> Recipe:
    """SimCSE in which half of the rows pass through noise at one deep layer, below which nothing learns from them.

    The layer is 8 of 12 (two thirds of any encoder's blocks), the dropout .125, the rest as in `simcse`: what the
    authors' code marks as best for text. --perturb-* change it. Layer l here is the output of block l; the authors
    count the input of block l from 0, which is the same tensor. To compare: --dropout for one rate in all layers;
    --dropout 0 with --perturb-fraction 1 --perturb-gradient pass for dropout in one layer alone; --train-last for
    freezing below a layer; --sweep perturb_layer=0..12 for all layers. Source: arXiv:2303.14537.

    Parameters
    ----------
    corpus
        A folder of .txt or .md files, one text file, .jsonl, .csv, .tsv, .parquet (each also .gz), a
        folder, pattern or URL of these, a Hugging Face dataset folder, or a hub id.
    sentences
        Sentences per view; 0 is the whole document.
    length
        Tokens of a view, special ones among them; longer ones are cut. The saved model reads on.
    """
    from diptych.core import View
    from diptych.objectives.infonce import InfoNCE
    from diptych.views.input.text.sentence import Sentence

    given = options({k: x for k, x in settings.items() if k.startswith("perturb_")})
    others: Any = {k: x for k, x in settings.items() if not k.startswith("perturb_")}

    def views(encoder: "Static | Transformer") -> "list[View]":
        return _with(given, encoder, [View(transform=of_sentences.sentence(encoder, sentences, length))] * 2)

    method = Method(
        Sentence(sentences),
        views,
        lambda encoder, temperature: InfoNCE(temperature),
        lambda encoder: of_sentences.with_head(encoder, settings),
    )
    return noisy(of_sentences.read(corpus, method, others), "deep_augmentation")


def _with(given: dict[str, Any], encoder: "Static | Transformer", views: "list[View]") -> "list[View]":
    from diptych.recipes.also import with_perturb

    layer = round(DEPTH * (len(encoder.layers) - 1))
    pca = given.get("perturb_noise") == "pca"
    return with_perturb(views, {"perturb_layer": layer} | ({} if pca else {"perturb_rate": RATE}) | given)
