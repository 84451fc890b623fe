"""How long are the documents, which are too short to be cropped, and what is cut off?

Shapes: n documents or views.
"""

import numpy as np
from jaxtyping import Int

from diptych.checks.finding import Finding, Subject, percent
from diptych.core import Draw, Encoder, Recipe
from diptych.evaluate.split import train_only
from diptych.plural import counted
from diptych.train.batches import samples

MOST = 20_000  # documents that are looked at
FEW, MUCH = 0.05, 0.2  # of documents that are left out; that are cropped by words


def lengths(subject: Subject) -> Finding:
    """Tokens of documents, and how many of them are cut off, in views and in whole documents."""
    recipe, encoder = subject.recipe, subject.recipe.model.encoder
    column = recipe.views[0].column
    tokens = np.array([len(recipe.data[int(i)][column].ids) for i in _drawn(len(recipe.data))])
    low, middle, high = (round(x) for x in np.quantile(tokens, [0.05, 0.5, 0.95]))
    room = _room(encoder)
    of_views, of_documents = _cut(_of_views(recipe), room), _cut(tokens, room)
    numbers = {
        "median": middle,
        "five_percent": low,
        "ninety_five_percent": high,
        "room": room,
        "longer": float((tokens > room).mean()) if room else 0.0,
        "cut_from_documents": of_documents,
        "cut_from_views": of_views,
    }
    told = f"{counted(middle, 'token')} in the median, {low:,} to {high:,} in nine of ten documents"
    if room is None:
        return Finding("lengths", "ok", f"{told}; nothing is cut off", "", numbers)
    told += f"; {percent(numbers['longer'])} longer than the {room:,} there is room for: {percent(of_views)} of the "
    told += f"tokens of views and {percent(of_documents)} of whole documents are cut off"
    remedy = ""
    if of_views > FEW:
        remedy = "views lose their ends: a larger --max-tokens, or --sentences 1"
    elif of_documents > FEW:
        remedy = "training sees whole crops, but a document is embedded by its beginning: a larger --max-tokens"
    return Finding("lengths", "look" if remedy else "ok", told, remedy, numbers)


def short(subject: Subject) -> Finding | None:
    """How many documents cannot be cropped, and how many only by words; None for views that are no crops."""
    recipe, documents = subject.recipe, subject.recipe.documents
    crop = recipe.views[0].transform
    if documents is None or not hasattr(crop, "by_words"):
        return None
    given = recipe.call.arguments if recipe.call else {}
    there = len(train_only(len(documents), documents.labels)) if given.get("train_only") else len(documents)
    lost, drawn = there - len(recipe.data), _drawn(len(recipe.data))
    column = recipe.views[0].column
    by_words = float(np.mean([crop.by_words(recipe.data[int(i)][column]) for i in drawn]))
    numbers = {"documents": there, "left_out": lost, "by_words": by_words}
    told = (
        f"left out, for they cannot be cropped: {lost:,} of {counted(there, 'document')}; {percent(by_words)} are too "
    )
    told += "short for two crops of sentences and are cropped by words"
    if lost > FEW * there:
        return Finding("short", "look", told, "shorter crops: --sentences 1, or --rule halves", numbers)
    if by_words > MUCH:
        remedy = "halves of a sentence say different things: --sentences 1, or join what belongs together"
        return Finding("short", "look", told, remedy, numbers)
    return Finding("short", "ok", told, "", numbers)


def _drawn(n: int) -> Int[np.ndarray, " m"]:
    return np.arange(n) if n <= MOST else np.sort(np.random.default_rng(0).choice(n, MOST, replace=False))


def _room(encoder: Encoder) -> int | None:
    """Tokens of a text that the encoder reads; None is all."""
    from diptych.encoders.transformer import Transformer

    if not isinstance(encoder, Transformer):
        return None
    return encoder.max_tokens - len(encoder.before) - len(encoder.after)


def _of_views(recipe: Recipe) -> Int[np.ndarray, " n"]:
    """Tokens of the views of the first step."""
    seen = [(v, view) for v, view in enumerate(recipe.views) if view.by != "data"]
    return np.array(
        [
            len(view.transform(recipe.data[i][view.column], Draw(recipe.seed, 0, i, v)).ids)
            for i in samples(recipe, 0).tolist()
            for v, view in seen
        ]
    )


def _cut(tokens: Int[np.ndarray, " n"], room: int | None) -> float:
    """The part of all tokens that is behind the room."""
    return 0.0 if room is None else float((tokens - room).clip(0).sum() / max(1, tokens.sum()))
