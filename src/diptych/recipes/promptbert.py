"""A sentence within two templates, read at their mask (PromptBERT, arXiv:2201.04337)."""

import re
from dataclasses import dataclass, replace
from functools import partial
from itertools import takewhile
from typing import TYPE_CHECKING, Unpack

from diptych.core import Recipe, recipe
from diptych.plural import counted
from diptych.recipes import sentences as of_sentences
from diptych.recipes.sentences import OWN
from diptych.recipes.settings import Settings
from diptych.recipes.text import Method
from diptych.recipes.usual import Defaults, options

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import nn

    from diptych.core import View
    from diptych.data.documents import Documents
    from diptych.encoders.static import Static
    from diptych.encoders.transformer import Transformer
    from diptych.views.input.text.sentence import Sentence
    from diptych.views.input.text.template import Template

A, B = 'This sentence of "{text}" means [MASK]', 'This sentence : "{text}" means [MASK]'
SLOTS = re.compile(r"(?P<before>.*)\{text\}(?P<after>.*)\[MASK\]\s*", re.DOTALL)
PAPER = {**OWN, "pretrained": Defaults(lr=1e-5, batch=256, epochs=1, least=100, optimiser=of_sentences.PAPER)}


@recipe
def promptbert(
    corpus: "str | Documents",
    *,
    template_a: str = A,
    template_b: str = B,
    full_stop: bool = False,
    denoise: bool = True,
    sentences: int = 1,
    length: int = 32,
    **settings: Unpack[Settings],
) -> Recipe:
    """One sentence in two templates is a positive pair; the embedding is that of the template's mask.

    A template without its text says something of its own, its bias: it is taken away from the embedding in training,
    before a linear layer with tanh. Neither ships: a saved model puts the first template around every text and reads
    the mask (layer L). For a pretrained encoder the defaults are the paper's: rate 1e-5, batch 256, one epoch, no
    warm-up, gradients cut to 1, 32 tokens of a text, temperature 0.05. The authors' templates end in a full stop and
    [SEP]; here the mask is the last token, which is where sentence-transformers reads it. They encode a bias once for
    each length, here each sample has its own.
    Source: PromptBERT, arXiv:2201.04337.

    Parameters
    ----------
    corpus
        A folder of .txt or .md files, one text file, .jsonl, .csv, .tsv, .parquet (each also .gz), a
        folder, pattern or URL of these, a Hugging Face dataset folder, or a hub id.
    template_a
        Words around a text, with {text} and, at the end, [MASK]. It ships.
    template_b
        The same for the second view.
    full_stop
        Read every text with one full stop at its end, whether it has one or not; the saved model does so too.
    denoise
        Take the bias of the templates away.
    sentences
        Sentences per view; 0 is the whole document.
    length
        Tokens of a text within its template; longer ones are cut. The saved model reads on.
    """
    from diptych.core import Model
    from diptych.objectives.denoised import Denoised
    from diptych.objectives.infonce import InfoNCE
    from diptych.views.input.text.sentence import Sentence

    for option in ("prompt", "pooling"):
        if options(settings).get(option):
            raise ValueError(
                f"--{option}: the templates of `promptbert` say what is around a text, and where it is read"
            )
    given = [_Words.of("--template-a", template_a), _Words.of("--template-b", template_b)]
    window, head = Sentence(sentences), partial(_head, seed=settings.get("seed", 0))
    method = Method(
        window,
        lambda encoder: _views(_templates(encoder, given, window, length, full_stop), encoder, denoise),
        lambda encoder, t: Denoised(InfoNCE(t), head(encoder)) if denoise else InfoNCE(t),
        lambda encoder: Model(encoder, None if denoise else head(encoder)),
    )
    return of_sentences.read(corpus, method, settings, PAPER)


@dataclass(frozen=True)
class _Words:
    """A template, and its words before and behind a text."""

    template: str
    before: str
    after: str

    @staticmethod
    def of(flag: str, template: str) -> "_Words":
        """Raises ValueError for a template without its two slots."""
        found = SLOTS.fullmatch(template)
        if found is None or template.count("{text}") != 1 or template.count("[MASK]") != 1:
            raise ValueError(
                f"{flag} is words around {{text}}, once, that end in [MASK], once (nothing is behind it, for that is "
                f"where the embedding is read), as {A!r}; got {template!r}"
            )
        return _Words(template, found["before"].strip(), found["after"].rstrip())


def _head(encoder: "Static | Transformer", seed: int) -> "nn.Module":
    from diptych.encoders import heads

    return heads.tanh(encoder.dim, seed)


def _templates(
    encoder: "Static | Transformer", given: "Sequence[_Words]", window: "Sentence", length: int, full_stop: bool
) -> "list[Template]":
    """Templates in the tokens of an encoder. Raises ValueError if it has no mask token, or no room for them."""
    from diptych.encoders.transformer import Transformer
    from diptych.views.input.text.template import Template

    if not isinstance(encoder, Transformer) or encoder.pretrained.mask_token_id is None:
        raise ValueError(
            "`promptbert` reads a text at a mask: it needs a transformer with a mask token, such as BERT or RoBERTa "
            "(--encoder tiny, or a folder or hub id)"
        )
    first, stop = _first(encoder), _stop(encoder) if full_stop else ()
    made = []
    for words in given:
        before, after = (encoder.prepare([part])[0].ids.tolist() for part in (words.before, words.after))
        before, after = [*first, *before], [*stop, *after, encoder.pretrained.mask_token_id]
        made.append(Template(words.template, window, length, before=tuple(before), after=tuple(after), stop=stop))
        if length + len(before) + len(after) > encoder.max_tokens:
            raise ValueError(
                f"a template of {counted(len(before) + len(after), 'token')} and --length {length} are more "
                f"than this encoder reads, {encoder.max_tokens}"
            )
    return made


def _first(encoder: "Transformer") -> list[int]:
    """The special tokens that a text begins with, as [CLS], without the words of a template behind them."""
    added = encoder.tokenizer.get_added_tokens_decoder().items()
    special = {i for i, token in added if token.special} - {encoder.pretrained.unk_token_id}
    return [*takewhile(special.__contains__, encoder.before)]


def _stop(encoder: "Transformer") -> tuple[int, ...]:
    """The token of a full stop. Two are read, for a model that was trained so may leave the last one out."""
    return tuple(encoder.prepare([". ."])[0].ids[:1].tolist())


def _views(templates: "Sequence[Template]", encoder: "Static | Transformer", denoise: bool) -> "list[View]":
    """A view for each template, and one for what it says without a text. The encoder gets the first for good."""
    from diptych.core import View
    from diptych.encoders.transformer import Transformer
    from diptych.tokens.surround import without_stop

    assert isinstance(encoder, Transformer)  # or there were no templates
    encoder.enclose(templates[0].before, templates[0].after)
    encoder.pooling = "last"
    if templates[0].stop:
        encoder.tokenizer = without_stop(encoder.tokenizer)
    biases = [View("bias", transform=replace(template, empty=True)) for template in templates] if denoise else []
    return [*(View(transform=template) for template in templates), *biases]
