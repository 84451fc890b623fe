"""Does the tokenizer know the words of this corpus?"""

import json
from typing import Any

import numpy as np

from diptych.checks.finding import Finding, Subject, percent

MOST = 2_000  # documents that are looked at
UNKNOWN, PIECES = 0.01, 2.5  # part of the tokens; tokens of a word


def tokens(subject: Subject) -> Finding:
    """Tokens that stand for what is not in the vocabulary, and tokens that a word is cut into."""
    recipe, column = subject.recipe, subject.recipe.views[0].column
    chosen = np.unique(np.linspace(0, len(recipe.data) - 1, min(MOST, len(recipe.data))).astype(int))
    texts = [recipe.data[int(i)][column] for i in chosen]
    ids = np.concatenate([text.ids for text in texts])
    words = sum(int(np.count_nonzero(text.words)) for text in texts)
    tokenizer: Any = getattr(recipe.model.encoder, "tokenizer", None)
    unknown = _unknown(tokenizer)
    share = float((ids == unknown).mean()) if unknown is not None and len(ids) else 0.0
    pieces, size = len(ids) / max(1, words), tokenizer.get_vocab_size() if tokenizer else 0
    numbers = {"unknown": share, "tokens_per_word": pieces, "vocabulary": size}
    told = f"{percent(share)} of tokens unknown, {pieces:.2f} tokens a word, with a vocabulary of {size:,}"
    if share <= UNKNOWN and pieces <= PIECES:
        return Finding("tokenizer", "ok", told, "", numbers)
    remedy = "it was made for other texts: take an encoder of this language, or learn a vocabulary (--encoder static)"
    return Finding("tokenizer", "look", told, remedy, numbers)


def _unknown(tokenizer: Any) -> int | None:
    """The number of the token for what is not known; None if there is none, as where bytes are tokens."""
    if tokenizer is None:
        return None
    model = json.loads(tokenizer.to_str())["model"]
    name = model.get("unk_token")
    if name is None and isinstance(model.get("unk_id"), int):  # Unigram has its number
        return int(model["unk_id"])
    number: int | None = tokenizer.token_to_id(name) if name else None
    return number
