"""A sentence twice, told apart by dropout alone (SimCSE, arXiv:2104.08821)."""

from typing import TYPE_CHECKING, Unpack

from diptych.core import Recipe, recipe
from diptych.recipes import sentences as of_sentences
from diptych.recipes.dropout import noisy
from diptych.recipes.sentences import LENGTH
from diptych.recipes.settings import Settings
from diptych.recipes.text import Method

if TYPE_CHECKING:
    from diptych.data.documents import Documents


@recipe
def simcse(
    corpus: "str | Documents",
    *,
    sentences: int = 1,
    length: int = LENGTH,
    **settings: Unpack[Settings],
) -> Recipe:
    """One sentence of a document, encoded twice, is a positive pair: dropout alone tells the views apart.

    The embedding is that of [CLS] (layer L of BERT's L blocks; the mean, for a network from scratch), and a linear
    layer with tanh stands on it in training only (layer L + 1). For a pretrained encoder the defaults are the
    paper's: rate 3e-5, batch 64, one epoch, no warm-up, gradients cut to 1, 32 tokens, temperature 0.05. Without
    --encoder a tiny BERT is trained from scratch. A static encoder drops numbers of its token vectors (rate 0.1), which
    the paper has not.
    Source: SimCSE, arXiv:2104.08821.

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

    method = Method(
        Sentence(sentences),
        lambda encoder: [View(transform=of_sentences.sentence(encoder, sentences, length))] * 2,
        lambda encoder, temperature: InfoNCE(temperature),
        lambda encoder: of_sentences.with_head(encoder, settings),
    )
    return noisy(of_sentences.read(corpus, method, settings), "simcse")
