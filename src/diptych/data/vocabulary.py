"""A vocabulary of one's own: the tokens that suit a corpus."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path

import tokenizers
from tokenizers import Regex, Tokenizer
from tokenizers.decoders import WordPiece as Decoder
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer, Split
from tokenizers.trainers import WordPieceTrainer

from diptych.core import DataError
from diptych.data import cache
from diptych.tokens.pieces import pieces, together

FORMAT = "1"  # of what is cached; another number makes old entries unused
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]  # ids 0 to 4
MOST = 10_000_000  # tokens; the trainer takes the memory for all of them at once, and ends the process without it
ALPHABET = 1000  # the most characters; rarer ones are unknown
TOGETHER = 1 << 20  # characters handed to the trainer at once: it takes the interpreter's lock once for each list
PIECE = 1 << 12  # characters; the trainer's time and memory for a longer text grow faster than its length
LONG = re.compile(r"[^\W_]{101,}")  # no word: the model reads it as unknown, and the trainer takes its square in time


def train(texts: Iterable[str], size: int, punctuation: bool = True) -> Tokenizer:
    """A lower-casing WordPiece tokenizer of at most `size` tokens, learned from texts.

    Without `punctuation` only letters and digits become tokens. It adds no special tokens by itself.
    The same texts give the same tokenizer: the trainer of `tokenizers` numbers characters within words
    in the order of a hash table, and breaks ties by these numbers, so the characters are counted here
    and given to it. Kept in the cache by the texts.

    Raises ValueError if `size` leaves no room beside the five special tokens or is above MOST, or there is no text.
    """
    if not len(SPECIAL) + 2 <= size <= MOST:
        raise ValueError(
            f"a vocabulary has from {len(SPECIAL) + 2} tokens, five of them special, to {MOST:,}; got {size}"
        )
    texts = list(texts) if isinstance(texts, Iterator) else texts
    key = cache.key(FORMAT, tokenizers.__version__, str(size), str(punctuation), _digest(texts))

    def write(folder: Path) -> None:
        made = _trained(texts, size, punctuation).to_str(pretty=True)
        (folder / "tokenizer.json").write_text(made, encoding="utf-8")

    return Tokenizer.from_file(str(cache.entry("vocabularies", key, write) / "tokenizer.json"))


def _digest(texts: Iterable[str]) -> str:
    digest = blake2b(digest_size=16)
    for text in texts:
        raw = text.encode("utf-8", "surrogatepass")
        digest.update(len(raw).to_bytes(8, "little") + raw)
    return digest.hexdigest()


def _trained(texts: Iterable[str], size: int, punctuation: bool) -> Tokenizer:
    tokenizer = _empty({}, punctuation)
    alphabet = _alphabet(texts, tokenizer, min(ALPHABET, (size - len(SPECIAL)) // 2))
    trainer = WordPieceTrainer(
        vocab_size=size,
        special_tokens=SPECIAL + [f"##{x}" for x in alphabet if _within_words(x, tokenizer)],
        initial_alphabet=alphabet,
        limit_alphabet=len(alphabet),
        show_progress=False,
    )
    short = (piece for text in texts for piece in pieces(LONG.sub(" ", text), PIECE))  # cut between words
    tokenizer.train_from_iterator(together(short, TOGETHER), trainer)
    return _empty(tokenizer.get_vocab(with_added_tokens=True), punctuation)


def _empty(vocabulary: dict[str, int], punctuation: bool) -> Tokenizer:
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    words = Split(Regex(r"[^\W_]+"), "removed", invert=True)
    tokenizer.pre_tokenizer = BertPreTokenizer() if punctuation else words
    tokenizer.decoder = Decoder()
    if vocabulary:
        tokenizer.add_special_tokens(SPECIAL)
    return tokenizer


def _alphabet(texts: Iterable[str], tokenizer: Tokenizer, most: int) -> list[str]:
    """The most frequent characters, as they are after normalisation; of equals, the smaller ones."""
    raw: Counter[str] = Counter()
    for text in texts:
        raw.update(text)
    counts: Counter[str] = Counter()
    for character, count in raw.items():
        for normal in tokenizer.normalizer.normalize_str(character):
            if not normal.isspace():
                counts[normal] += count
    if not counts:
        raise DataError("there is no text to learn a vocabulary from")
    return sorted(sorted(counts, key=lambda x: (-counts[x], x))[:most])


def _within_words(character: str, tokenizer: Tokenizer) -> bool:
    """Whether it can stand inside a word; punctuation and Chinese characters are words of their own."""
    normal = tokenizer.normalizer.normalize_str(f"a{character}a")
    return len(tokenizer.pre_tokenizer.pre_tokenize_str(normal)) == 1
