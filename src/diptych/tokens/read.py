"""Texts as tokens, and where words start among them.

Shapes: c characters and t tokens of a text.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import accumulate, chain, islice, pairwise

import numpy as np
from jaxtyping import Int
from tokenizers import Encoding, Tokenizer

from diptych.tokens.pieces import pieces, together
from diptych.tokens.words import Words, by_words_or_not

CHARACTERS = 1 << 21  # of the texts that are tokenised at once
LONG, PIECE = 1 << 16, 1 << 12  # characters of a text that is tokenised in pieces, and of a piece
SHORT = 1 << 14  # characters of a text that is read by its words: where sentences end within words, tokens count


@dataclass(frozen=True)
class Read:
    """A text as tokens. The characters of token i are within `offsets[i]`; `words` is 1 where a word starts."""

    ids: Int[np.ndarray, " t"]
    words: Int[np.ndarray, " t"]
    offsets: Int[np.ndarray, "t 2"]


def reader(tokenizer: Tokenizer) -> Callable[[list[str]], list[Read]]:
    """What reads texts as a tokenizer does, that neither pads nor truncates."""
    words, slowly = Words.of(tokenizer), partial(_by_tokenizer, tokenizer=tokenizer)
    if words is None:
        return lambda texts: list(slowly(texts))
    easy = lambda text: len(text) <= SHORT and words.easy(text)  # noqa: E731
    return partial(by_words_or_not, easy=easy, soon=partial(_by_words, words=words), slowly=slowly)


def _by_words(texts: list[str], words: Words) -> Iterator[Read]:
    """The tokens of each text; those of a word have its characters."""
    found = words.find(texts)
    ids, counts = found.tokens(found.word)
    new = np.zeros(len(ids), np.uint8)
    new[np.cumsum(counts) - counts] = 1
    offsets = np.repeat(np.stack([found.start, found.end], 1), counts, axis=0)
    edges = np.searchsorted(np.repeat(found.text, counts), np.arange(len(texts) + 1))
    yield from (Read(ids[a:b], new[a:b], offsets[a:b]) for a, b in pairwise(edges.tolist()))


def _by_tokenizer(texts: list[str], tokenizer: Tokenizer) -> Iterator[Read]:
    """The tokens of each text; a long one is read in pieces, for time and memory that grow with its length."""
    parts = [_pieces(text, tokenizer) for text in texts]
    split = tokenizer.pre_tokenizer is not None
    read = (
        Read(np.array(encoding.ids, np.int32), _words(piece, encoding, split), _offsets(encoding))
        for some in together(chain.from_iterable(parts), CHARACTERS)
        for piece, encoding in zip(some, tokenizer.encode_batch(some, add_special_tokens=False), strict=True)
    )
    for part in parts:
        yield _joined(part, list(islice(read, len(part))))


def _pieces(text: str, tokenizer: Tokenizer) -> list[str]:
    """Pieces of a long text, if the tokenizer reads its beginning in small pieces as it does in one."""
    parts = pieces(text, PIECE) if len(text) > LONG else [text]
    if len(parts) == 1:
        return parts
    small = tokenizer.encode_batch(pieces(parts[0], PIECE >> 6), add_special_tokens=False)
    whole = tokenizer.encode(parts[0], add_special_tokens=False)
    return parts if [i for one in small for i in one.ids] == whole.ids else [text]


def _joined(texts: list[str], read: list[Read]) -> Read:
    if len(read) == 1:
        return read[0]
    starts = accumulate(map(len, texts), initial=0)
    return Read(
        np.concatenate([one.ids for one in read]),
        np.concatenate([one.words for one in read]),
        np.concatenate([start + one.offsets for start, one in zip(starts, read, strict=False)]),
    )


def _offsets(encoding: Encoding) -> Int[np.ndarray, "t 2"]:
    return np.array(encoding.offsets, np.int64).reshape(-1, 2)


def _words(text: str, encoding: Encoding, split: bool) -> Int[np.ndarray, " t"]:
    """1 where a token starts a word: by the tokenizer's own words, else by white space."""
    if split:
        words = np.array([-1 if word is None else word for word in encoding.word_ids], np.int64)
    else:
        words = _counted(text)[[min(a, len(text) - 1) for a, _ in encoding.offsets]]
    new = np.ones(len(words), np.uint8)
    new[1:] = (words[1:] != words[:-1]) | (words[1:] < 0)
    return new


def _counted(text: str) -> Int[np.ndarray, " c"]:
    """The number of each character's word; white space is of the word behind it."""
    blank = np.fromiter(map(str.isspace, text), bool, len(text))
    first = blank.copy()
    first[1:] &= ~blank[:-1]
    return np.cumsum(first) - (blank[0] if len(text) else 0)
