"""What the recipes for text share: a corpus, an encoder, and the settings that go with it."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from diptych.recipes.settings import Defaults, Settings, batch_of, check_name, optimiser_of, options, steps_of
from diptych.recipes.start import encoder_of

if TYPE_CHECKING:
    from diptych.core import Recipe, View
    from diptych.data.documents import Documents
    from diptych.data.store import TokenStore
    from diptych.views.input.text.crop import Crop, Halves, PaperCrop

Rule = Literal["sentences", "halves", "paper"]


def window(rule: Rule, sentences: int, same: bool = False) -> "Crop | Halves | PaperCrop":
    """The crop that a rule names; with `same` all views of a text are one window."""
    from diptych.views.input.text.crop import Crop, Halves, PaperCrop

    if rule == "halves":
        return Halves(same=same)
    return Crop(sentences, same=same) if rule == "sentences" else PaperCrop(sentences, same=same)


def build(
    corpus: "str | Documents",
    crop: "Crop | Halves | PaperCrop",
    views: "Sequence[View]",
    settings: Settings,
    kinds: Mapping[str, Defaults],
    dropout: float = 0.0,
) -> "Recipe":
    """A recipe of two views of a text and InfoNCE.

    `dropout` is the rate of a `static` encoder; others bring their own. Raises ValueError if the
    corpus has fewer than two different documents that can be cropped, or settings contradict.
    """
    from diptych.core import Model, Recipe
    from diptych.data import store
    from diptych.data.docstrings import corpus_of
    from diptych.data.documents import Documents
    from diptych.evaluate.split import train_only
    from diptych.objectives.infonce import InfoNCE
    from diptych.tokens.damped import undamped
    from diptych.views.input.text.crop import PaperCrop

    given = options(settings)
    if isinstance(corpus, Documents):
        documents = corpus
    else:
        check_name(Path(str(corpus)))
        documents = corpus_of(str(corpus), given.get("text_column"), given.get("label_column"))
    seen = documents.select(train_only(len(documents), documents.labels)) if given.get("train_only") else documents
    kind, encoder = encoder_of(seen, given, kinds, dropout)
    stored = store.build(
        seen, undamped(encoder.tokenizer), "full stops" if isinstance(crop, PaperCrop) else "sentences"
    )
    data, notes = _croppable(stored, crop)
    batch = batch_of(given, kind, len(data), "documents to crop", notes)
    steps = steps_of(given, kind, len(data), batch)
    return Recipe(
        model=Model(encoder),
        views=views,
        objective=InfoNCE(given.get("temperature", kind.temperature)),
        data=data,
        optimiser=optimiser_of(given, kind, steps),
        batch=batch,
        steps=steps,
        seed=given.get("seed", 0),
        documents=documents,
        notes=[*documents.notes, *notes],
    )


def _croppable(data: "TokenStore", crop: "Crop | Halves | PaperCrop") -> "tuple[TokenStore, list[str]]":
    """The documents that have two different windows, and what became of the others."""
    import numpy as np

    from diptych.core import DataError

    fits = np.zeros(len(data), bool)
    different: set[bytes] = set()
    by_words = 0
    for i in range(len(data)):
        text = data[i]["text"]
        if crop.fits(text):
            fits[i] = True
            by_words += crop.by_words(text)
            if len(different) < 2:
                different.add(text.ids.tobytes())
    if len(different) < 2:
        raise DataError(
            f"{fits.sum()} of {len(data)} documents can be cropped, and no two of them differ: contrastive "
            "learning needs at least two different documents, each with two different windows"
        )
    notes = []
    if by_words:
        notes.append(f"too short for two sentence crops, so cropped by words: {by_words:,} of {len(data):,} documents")
    if lost := len(data) - int(fits.sum()):
        notes.append(f"cannot be cropped at all, so left out of training: {lost:,} of {len(data):,} documents")
        data = data.select(np.flatnonzero(fits))
    return data, notes
