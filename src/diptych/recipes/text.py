"""What the recipes for text share: a corpus, an encoder, and the settings that go with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    from diptych.core import Recipe, View
    from diptych.data.documents import Documents
    from diptych.data.store import TokenStore
    from diptych.encoders.static import Static
    from diptych.encoders.transformer import Transformer
    from diptych.views.input.text.crop import Crop, Halves, PaperCrop

Rule = Literal["sentences", "halves", "paper"]
CHARACTERS = 300  # of the corpus for each token of the vocabulary
WIDEST = 65_536  # numbers of an embedding
LEARNED = 1 << 28  # characters: of a larger corpus, a vocabulary is learned from every second, third ... document


class Settings(TypedDict, total=False):
    """Options of every recipe for text. What is left out gets the default of the encoder's kind."""

    encoder: str
    """What to train: static (a table of token vectors, the default), tiny (a small BERT from
    scratch), a folder, or a hub id."""
    init: str | None
    """Start from the weights of this model, ours or any sentence-transformers folder, in place of
    --encoder."""
    pooling: Literal["mean", "cls", "last"] | None
    """How token vectors become one (mean; what a sentence-transformers folder says)."""
    vocabulary: int | None
    """Tokens of the vocabulary that static and tiny learn from the corpus; of a large one, from documents
    evenly spaced in it, of 268 million characters."""
    dim: int | None
    """Width of the embeddings of static and tiny."""
    batch: int | None
    """Documents per step, each the negative of all others."""
    epochs: float | None
    """Passes over the corpus."""
    steps: int | None
    """Steps, in place of --epochs."""
    lr: float | None
    """Peak learning rate."""
    temperature: float | None
    """Temperature of InfoNCE."""
    warmup: float
    """Part of the first epoch in which the learning rate rises."""
    clip: float | None
    """Longest gradient; longer ones are shortened (no limit, as in the paper)."""
    max_tokens: int | None
    """Longest text in tokens; longer ones are cut off."""
    train_last: int | None
    """Train only the last K blocks."""
    embeddings: Literal["trained", "frozen"]
    """Whether the token embeddings learn."""
    text_column: str | None
    """Column that holds the text (found, if not given)."""
    label_column: str | None
    """Column that holds a label, for evaluation only (found, if not given)."""
    train_only: bool
    """Learn nothing from the tenth that k-NN tests on, not even without its labels."""
    seed: int
    """Decides the initial weights, the order and the views."""


@dataclass(frozen=True)
class Defaults:
    """What suits a kind of encoder."""

    lr: float
    batch: int
    epochs: float
    least: int  # steps, on a small corpus
    temperature: float = 0.05
    dim: int = 256


KINDS = {
    "static": Defaults(lr=0.1, batch=512, epochs=6, least=150, temperature=0.1, dim=512),
    "tiny": Defaults(lr=5e-4, batch=64, epochs=3, least=200),
    "pretrained": Defaults(lr=2e-5, batch=64, epochs=1, least=100),
}


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
    from diptych.core import Model, Optimiser, Recipe
    from diptych.data import store
    from diptych.data.docstrings import corpus_of
    from diptych.data.documents import Documents
    from diptych.evaluate.split import train_only
    from diptych.objectives.infonce import InfoNCE
    from diptych.tokens.damped import undamped
    from diptych.views.input.text.crop import PaperCrop

    unknown = settings.keys() - Settings.__annotations__
    if unknown:
        raise ValueError(f"no option is called {min(unknown)!r}; there are {', '.join(Settings.__annotations__)}")
    given: dict[str, Any] = {k: x for k, x in settings.items() if x is not None}
    if isinstance(corpus, Documents):
        documents = corpus
    else:
        _check_name(Path(str(corpus)))
        documents = corpus_of(str(corpus), given.get("text_column"), given.get("label_column"))
    seen = documents.select(train_only(len(documents), documents.labels)) if given.get("train_only") else documents
    kind, encoder = _encoder(seen, given, kinds, dropout)
    stored = store.build(
        seen, undamped(encoder.tokenizer), "full stops" if isinstance(crop, PaperCrop) else "sentences"
    )
    data, notes = _croppable(stored, crop)
    wanted = given.get("batch", kind.batch)
    batch = min(wanted, len(data))
    if batch < wanted:
        notes.append(f"batch {wanted:,} -> {batch:,}: there are {batch:,} documents to crop")
    if batch < 2:
        raise ValueError(f"a batch has at least two documents, each the negative of the others; got batch={batch}")
    return Recipe(
        model=Model(encoder),
        views=views,
        objective=InfoNCE(given.get("temperature", kind.temperature)),
        data=data,
        optimiser=Optimiser(given.get("lr", kind.lr), warmup=given.get("warmup", 0.1), clip=given.get("clip")),
        batch=batch,
        steps=_steps(given, kind, len(data), batch),
        seed=given.get("seed", 0),
        documents=documents,
        notes=[*documents.notes, *notes],
    )


def _check_name(corpus: Path) -> None:
    """Raises ValueError for a path that run.toml cannot hold."""
    from diptych.data.files import shown

    where = str(corpus.resolve() if corpus.exists() else corpus)
    if where != shown(where):
        raise ValueError(f"{shown(where)} has a name that is not UTF-8, so run.toml cannot hold it; rename it")


def _encoder(
    documents: "Documents", given: Mapping[str, Any], kinds: Mapping[str, Defaults], dropout: float
) -> "tuple[Defaults, Static | Transformer]":
    """The encoder that is asked for, before training, and what suits its kind."""
    from diptych import encoders
    from diptych.core import Encoder
    from diptych.data import vocabulary
    from diptych.encoders.static import Static, fresh
    from diptych.encoders.tiny import tiny
    from diptych.encoders.transformer import Transformer
    from diptych.tokens.damped import damped

    name, seed = given.get("encoder", "static"), given.get("seed", 0)
    encoder: Encoder
    if "init" in given and "encoder" in given:
        raise ValueError(f"--init {given['init']} brings its own encoder; leave --encoder {name} out")
    if "init" not in given and name in ("static", "tiny"):
        kind = kinds[name]
        characters = sum(map(len, documents.texts))
        size = given["vocabulary"] if "vocabulary" in given else _vocabulary(characters)
        some = documents.texts[:: 1 + characters // LEARNED]
        tokenizer = vocabulary.train(some, size, punctuation=name == "tiny")
        dim = given.get("dim", kind.dim)
        if not 1 <= dim <= WIDEST:
            raise ValueError(f"an embedding has from 1 to {WIDEST:,} numbers; got dim={dim}")
        encoder = (
            fresh(damped(tokenizer), dim, seed, normalize=True)
            if name == "static"
            else tiny(tokenizer, seed, width=dim)
        )
    else:
        _only({"vocabulary", "dim"}, given, "belongs to an encoder from scratch (static, tiny)")
        encoder = encoders.load(given.get("init", name))
        kind = kinds["static" if isinstance(encoder, Static) else "pretrained"]
    if isinstance(encoder, Static):
        _only(
            {"max_tokens", "train_last", *(["pooling"] if given.get("pooling") != "mean" else [])},
            given,
            "is for transformers; static is one mean of one table",
        )
        if given.get("embeddings") == "frozen":
            raise ValueError("a static encoder is its embeddings: with --embeddings frozen nothing would learn")
        encoder.embedding.dropout = dropout
    elif isinstance(encoder, Transformer):
        encoder.pooling = given.get("pooling", encoder.pooling)
        encoder.max_tokens = given.get("max_tokens", encoder.max_tokens)
        encoder.freeze(given.get("train_last"), given.get("embeddings", "trained") == "frozen")
    else:
        raise ValueError(f"{given.get('init', name)} can be evaluated, but not trained: its modules are not known")
    return kind, encoder


def _vocabulary(characters: int) -> int:
    """Tokens of a vocabulary that a corpus of this size can teach: one per CHARACTERS, within bounds.

    Rarer tokens would be told apart by the documents they happen to be in, and nothing else.
    """
    return min(30_000, max(2_000, characters // CHARACTERS))


def _only(options: set[str], given: Mapping[str, Any], why: str) -> None:
    for option in sorted(options & given.keys()):
        raise ValueError(f"--{option.replace('_', '-')} {why}")


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


def _steps(given: Mapping[str, Any], kind: Defaults, documents: int, batch: int) -> int:
    epoch = max(1, documents // batch)
    if "steps" in given and "epochs" in given:
        raise ValueError("--steps and --epochs say the same thing; give one of them")
    if "steps" in given:
        return int(given["steps"])
    if "epochs" in given and not 0 < given["epochs"] < float("inf"):
        raise ValueError(f"--epochs is a number of passes above 0; got {given['epochs']}")
    if "epochs" in given:
        return max(1, round(given["epochs"] * epoch))
    return max(kind.least, round(kind.epochs * epoch))
