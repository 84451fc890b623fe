"""Before training: what a recipe and its data are like, and what may go wrong. Nothing is trained."""

from collections.abc import Iterator, Sequence

import numpy as np

from diptych.checks.batch import batch, steps
from diptych.checks.cost import padding, room
from diptych.checks.duplicates import duplicates
from diptych.checks.finding import Finding, Subject
from diptych.checks.languages import languages
from diptych.checks.lengths import lengths, short
from diptych.checks.tokens import tokens
from diptych.checks.views import views
from diptych.core import Machine, Recipe, Text

MOST = 20_000  # documents that are looked at
CHARACTERS = 1 << 26  # of them together, about
ALWAYS = (views, batch, steps, padding, room)
OF_TEXT = (duplicates, short, lengths, tokens, languages)


def examine(recipe: Recipe, machine: Machine = Machine()) -> list[Finding]:  # noqa: B008
    """What each check finds; "stop" where training would fail. The recipe stays as it is.

    Checks of text are left out for data that are no text.
    """
    about = Subject(recipe, machine, *_texts(recipe))
    checks = [*ALWAYS, *(OF_TEXT if about.texts else ())]
    return [found for check in checks if (found := check(about))]


def _texts(recipe: Recipe) -> tuple[Sequence[str], int]:
    """Some texts of a recipe, drawn at random, and how many there are; of data without documents, those of a view."""
    if (texts := getattr(recipe.documents, "texts", None)) is not None:  # pictures and graphs have none
        n = len(recipe.documents)
        return [*_few(texts[int(i)] for i in _drawn(n))], n
    column, encoder, n = recipe.views[0].column, recipe.model.encoder, len(recipe.data)
    tokenizer = getattr(encoder, "tokenizer", None)
    if tokenizer is None or not isinstance(recipe.data[0][column], Text):
        return [], n
    return [*_few(tokenizer.decode(recipe.data[int(i)][column].ids.tolist()) for i in _drawn(n))], n


def _drawn(n: int) -> np.ndarray:
    return np.arange(n) if n <= MOST else np.random.default_rng(0).choice(n, MOST, replace=False)


def _few(texts: Iterator[str]) -> Iterator[str]:
    left = CHARACTERS
    for text in texts:
        yield text
        left -= len(text)
        if left < 0:
            return
