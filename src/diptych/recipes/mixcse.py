"""A sentence twice, among negatives that hold a part of the positive (MixCSE, AAAI 2022)."""

from typing import TYPE_CHECKING, Literal, Unpack

from diptych.core import Recipe, recipe
from diptych.recipes import sentences as of_sentences
from diptych.recipes.dropout import noisy
from diptych.recipes.sentences import LENGTH
from diptych.recipes.settings import Settings
from diptych.recipes.text import Method

if TYPE_CHECKING:
    from diptych.data.documents import Documents


@recipe
def mixcse(
    corpus: "str | Documents",
    *,
    mix: float = 0.2,
    blocks: Literal["both", "first"] = "both",
    mask: Literal["-inf", "zero"] = "-inf",
    sentences: int = 1,
    length: int = LENGTH,
    **settings: Unpack[Settings],
) -> Recipe:
    """As simcse, with mixed negatives: a part of a row, and the rest of the next row.

    Views, head and defaults are those of `simcse` (so layer L is the embedding, L + 1 what the head makes of it). The
    authors' code is followed, which adds a second block of mixed anchors to what the paper tells; where it multiplies
    the logits of two wrong candidates by 0, they are left out here (--mask zero for the authors' own).
    Source: MixCSE, Zhang et al., AAAI 2022.

    Parameters
    ----------
    corpus
        A folder of .txt or .md files, one text file, .jsonl, .csv, .tsv, .parquet (each also .gz), a
        folder, pattern or URL of these, a Hugging Face dataset folder, or a hub id.
    mix
        Part of a row in a mixed negative; the rest is of the row behind it.
    blocks
        Mixed positives alone ("first"), or mixed anchors too ("both").
    mask
        What becomes of candidates that are no negatives: left out ("-inf"), or of cosine 0 ("zero").
    sentences
        Sentences per view; 0 is the whole document.
    length
        Tokens of a view, special ones among them; longer ones are cut. The saved model reads on.
    """
    from diptych.core import View
    from diptych.objectives.mixcse import MixCSE
    from diptych.views.input.text.sentence import Sentence

    MixCSE(mix=mix, blocks=blocks, mask=mask)  # what cannot be is said before a corpus is read
    method = Method(
        Sentence(sentences),
        lambda encoder: [View(transform=of_sentences.sentence(encoder, sentences, length))] * 2,
        lambda encoder, temperature: MixCSE(temperature, mix, blocks, mask),
        lambda encoder: of_sentences.with_head(encoder, settings),
    )
    return noisy(of_sentences.read(corpus, method, settings), "mixcse")
