"""A vocabulary of one's own: the tokens that suit a corpus."""

from collections.abc import Iterable, Iterator

from tokenizers import Tokenizer
from tokenizers.decoders import WordPiece as Decoder
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer
from tokenizers.trainers import WordPieceTrainer

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]  # ids 0 to 4
TOGETHER = 1 << 20  # characters handed to the trainer at once


def train(texts: Iterable[str], size: int) -> Tokenizer:
    """A lower-casing WordPiece tokenizer of at most `size` tokens, learned from texts.

    It adds no special tokens by itself. The same texts give the same tokenizer.
    Raises ValueError if `size` leaves no room beside the five special tokens, or there is no text.
    """
    if size <= len(SPECIAL):
        raise ValueError(f"a vocabulary holds {len(SPECIAL)} special tokens and more; got size {size}")
    tokenizer = Tokenizer(WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    tokenizer.decoder = Decoder()
    trainer = WordPieceTrainer(vocab_size=size, special_tokens=SPECIAL, show_progress=False)
    tokenizer.train_from_iterator(_parts(texts), trainer)
    if tokenizer.get_vocab_size() <= len(SPECIAL):
        raise ValueError("there is no text to learn a vocabulary from")
    return tokenizer


def _parts(texts: Iterable[str]) -> Iterator[list[str]]:
    """Lists of texts: the trainer takes the interpreter's lock once for each."""
    part: list[str] = []
    characters = 0
    for text in texts:
        part.append(text)
        characters += len(text)
        if characters > TOGETHER:
            yield part
            part, characters = [], 0
    if part:
        yield part
