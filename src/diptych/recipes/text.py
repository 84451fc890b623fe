"""What the recipes for text share: a corpus, an encoder, and the settings that go with it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from diptych.plural import counted
from diptych.recipes.also import also
from diptych.recipes.settings import Settings
from diptych.recipes.start import encoder_of
from diptych.recipes.usual import Defaults, batch_of, check_name, optimiser_of, options, steps_of

if TYPE_CHECKING:
    from diptych.core import Draw, Model, Objective, Recipe, Teacher, Text, View
    from diptych.data.documents import Documents
    from diptych.data.sentences import Segmentation
    from diptych.data.store import TokenStore
    from diptych.encoders.static import Static
    from diptych.encoders.transformer import Transformer
    from diptych.views.input.text.crop import Crop, Halves, PaperCrop

Rule = Literal["sentences", "halves", "paper"]


def window(rule: Rule, sentences: int, same: bool = False) -> "Crop | Halves | PaperCrop":
    """The crop that a rule names; with `same` all views of a text are one window."""
    from diptych.views.input.text.crop import Crop, Halves, PaperCrop

    if rule == "halves":
        return Halves(same=same)
    return Crop(sentences, same=same) if rule == "sentences" else PaperCrop(sentences, same=same)


class Window(Protocol):
    """A part of a text, and which texts have one."""

    def __call__(self, text: "Text", draw: "Draw", /) -> "Text": ...
    def fits(self, text: "Text") -> bool: ...
    def by_words(self, text: "Text") -> bool: ...


@dataclass(frozen=True)
class Method:
    """What a recipe makes of a corpus and an encoder: its views, and what they are trained for.

    `objective` is given the temperature; `model` puts heads on an encoder.
    """

    window: Window
    views: "Callable[[Static | Transformer], Sequence[View]]"
    objective: "Callable[[Static | Transformer, float], Objective]"
    model: "Callable[[Static | Transformer], Model]"
    teacher: "Teacher | None" = None


def contrastive(window: Window) -> Method:
    """Two windows of a text and InfoNCE."""
    from diptych.core import Model, View
    from diptych.objectives.infonce import InfoNCE

    return Method(window, lambda encoder: [View(transform=window)] * 2, lambda encoder, t: InfoNCE(t), Model)


def build(
    corpus: "str | Documents",
    method: Method,
    settings: Settings,
    kinds: Mapping[str, Defaults],
    dropout: float = 0.0,
) -> "Recipe":
    """A recipe for texts of a corpus.

    `dropout` is the rate of a `static` encoder; others bring their own. Raises ValueError if the
    corpus has fewer than two different documents that have a window, or settings contradict.
    """
    from diptych.core import Recipe
    from diptych.data import store
    from diptych.evaluate.split import train_only
    from diptych.tokens.damped import undamped
    from diptych.views.input.text.crop import PaperCrop

    given = options(settings)
    documents = _read(corpus, given)
    seen = documents.select(train_only(len(documents), documents.labels)) if given.get("train_only") else documents
    kind, encoder = encoder_of(seen, given, kinds, dropout)
    cut: Segmentation = "full stops" if isinstance(method.window, PaperCrop) else "sentences"
    data, notes = _croppable(store.build(seen, undamped(encoder.tokenizer), cut), method.window)
    batch = batch_of(given, kind, len(data), "documents to crop", notes)
    steps = steps_of(given, kind, len(data), batch)
    made = Recipe(
        model=method.model(encoder),
        views=method.views(encoder),
        objective=method.objective(encoder, given.get("temperature", kind.temperature)),
        data=data,
        optimiser=optimiser_of(given, kind, steps),
        batch=batch,
        steps=steps,
        seed=given.get("seed", 0),
        teacher=method.teacher,
        documents=documents,
        notes=[*documents.notes, *notes],
    )
    return also(made, given)


def _read(corpus: "str | Documents", given: Mapping[str, Any]) -> "Documents":
    from diptych.data.docstrings import corpus_of
    from diptych.data.documents import Documents

    if isinstance(corpus, Documents):
        return corpus
    check_name(Path(str(corpus)))
    return corpus_of(str(corpus), given.get("text_column"), given.get("label_column"))


def _croppable(data: "TokenStore", crop: Window) -> "tuple[TokenStore, list[str]]":
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
            f"{fits.sum():,} of {counted(len(data), 'document')} can be cropped, and no two of them differ: "
            "contrastive learning needs at least two different documents, each with two different windows"
        )
    notes = []
    if by_words:
        notes.append(
            f"too short for two sentence crops, so cropped by words: {by_words:,} of {counted(len(data), 'document')}"
        )
    if lost := len(data) - int(fits.sum()):
        notes.append(f"cannot be cropped at all, so left out of training: {lost:,} of {counted(len(data), 'document')}")
        data = data.select(np.flatnonzero(fits))
    return data, notes
