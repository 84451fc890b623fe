"""What the recipes for text share: a corpus, an encoder, and the settings that go with it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

if TYPE_CHECKING:
    from diptych.core import Encoder, Optimiser, Recipe, View
    from diptych.data.documents import Documents
    from diptych.data.store import TokenStore
    from diptych.encoders.static import Static
    from diptych.encoders.transformer import Transformer
    from diptych.views.input.text.crop import Crop, Halves, PaperCrop

Rule = Literal["sentences", "halves", "paper"]
CHARACTERS = 300  # of the corpus for each token of the vocabulary
LOADED = ("prompt", "bidirectional", "weights")  # options of what a pretrained transformer is loaded as
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
    pooling: Literal["mean", "cls", "last", "weighted"] | None
    """How token vectors become one (mean; last for a causal language model; what a sentence-transformers folder
    says). weighted is a mean in which later tokens count more."""
    prompt: str | None
    """A text before every text, for a transformer; it is saved with the model."""
    bidirectional: bool
    """Let the tokens of a causal language model see the whole text."""
    weights: Literal["fp32", "bf16", "nf4"]
    """Numbers that the weights of a pretrained transformer are held in; other than fp32 only with --lora (nf4, which
    is QLoRA, on a GPU with bitsandbytes)."""
    lora: int | None
    """Train an adapter of this rank (8 is usual), and leave the weights as they are; 0 is none."""
    lora_alpha: int
    """What the adapter adds is scaled by this over its rank (32)."""
    lora_dropout: float
    """Dropout before the adapter (0.1)."""
    lora_targets: str | None
    """Linear layers that are adapted, as q_proj,v_proj (queries and values)."""
    lora_init: Literal["kaiming", "gaussian"]
    """How the adapter begins."""
    merge: bool
    """Save the adapter as part of the weights; else it lies alone in model/, and needs what it was trained on."""
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
    warmup_steps: int | None
    """Steps in which the learning rate rises, in place of --warmup."""
    schedule: Literal["linear", "cosine"] | None
    """How the learning rate falls after that (linear)."""
    weight_decay: float | None
    """Decay of the weights (0), as of AdamW."""
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
    optimiser: Mapping[str, Any] = field(default_factory=dict)  # settings of AdamW but for the rate
    adapter: Mapping[str, Any] = field(default_factory=dict)  # options of LoRA; --lora 0 does without


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
    return Recipe(
        model=Model(encoder),
        views=views,
        objective=InfoNCE(given.get("temperature", kind.temperature)),
        data=data,
        optimiser=optimiser_of(given, kind),
        batch=batch,
        steps=steps_of(given, kind, len(data), batch),
        seed=given.get("seed", 0),
        documents=documents,
        notes=[*documents.notes, *notes],
    )


def options(settings: Settings) -> dict[str, Any]:
    """Those that were given. Raises ValueError for one that is not known."""
    unknown = settings.keys() - Settings.__annotations__
    if unknown:
        raise ValueError(f"no option is called {min(unknown)!r}; there are {', '.join(Settings.__annotations__)}")
    return {k: x for k, x in settings.items() if x is not None}


def batch_of(given: Mapping[str, Any], kind: Defaults, rows: int, what: str, notes: list[str]) -> int:
    """The batch that is asked for, or as many as there are, which is told. Raises ValueError for fewer than two."""
    wanted = given.get("batch", kind.batch)
    batch = min(wanted, rows)
    if batch < wanted:
        notes.append(f"batch {wanted:,} -> {batch:,}: there are {batch:,} {what}")
    if batch < 2:
        raise ValueError(f"a batch has at least two {what.split()[0]}, each the negative of the others; got {batch=}")
    return batch


def optimiser_of(given: Mapping[str, Any], kind: Defaults) -> "Optimiser":
    """AdamW as it is asked for, or as it suits the kind."""
    from diptych.core import Optimiser

    if "warmup" in given and "warmup_steps" in given:
        raise ValueError("--warmup and --warmup-steps say the same thing; give one of them")
    named = ("warmup", "warmup_steps", "schedule", "weight_decay", "clip")
    usual = {k: x for k, x in kind.optimiser.items() if not (k == "warmup_steps" and "warmup" in given)}
    return Optimiser(given.get("lr", kind.lr), **usual | {k: given[k] for k in named if k in given})


def check_name(corpus: Path) -> None:
    """Raises ValueError for a path that run.toml cannot hold."""
    from diptych.data.files import shown

    where = str(corpus.resolve() if corpus.exists() else corpus)
    if where != shown(where):
        raise ValueError(f"{shown(where)} has a name that is not UTF-8, so run.toml cannot hold it; rename it")


def encoder_of(
    documents: "Documents", given: Mapping[str, Any], kinds: Mapping[str, Defaults], dropout: float
) -> "tuple[Defaults, Static | Transformer]":
    """The encoder that is asked for, before training, and what suits its kind."""
    from diptych import encoders
    from diptych.core import Encoder
    from diptych.data import vocabulary
    from diptych.encoders import lora
    from diptych.encoders.static import Static, fresh
    from diptych.encoders.tiny import tiny
    from diptych.encoders.transformer import Transformer
    from diptych.tokens.damped import damped

    name, seed = given.get("encoder", "static"), given.get("seed", 0)
    encoder: Encoder
    if "init" in given and "encoder" in given:
        raise ValueError(f"--init {given['init']} brings its own encoder; leave --encoder {name} out")
    if "init" not in given and name in ("static", "tiny"):
        _only(
            {k for k in LOADED if given.get(k)} - ({"weights"} if given.get("weights") == "fp32" else set()),
            given,
            "is for a pretrained transformer",
        )
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
        encoder = encoders.load(given.get("init", name), **{k: x for k, x in given.items() if k in LOADED and x})
        kind = kinds[_kind(encoder, kinds)]
    if isinstance(encoder, Static):
        _only(
            {"max_tokens", "train_last", "lora", *(["pooling"] if given.get("pooling") != "mean" else [])},
            given,
            "is for transformers; static is one mean of one table",
        )
        if given.get("embeddings") == "frozen":
            raise ValueError("a static encoder is its embeddings: with --embeddings frozen nothing would learn")
        encoder.embedding.dropout = dropout
    elif isinstance(encoder, Transformer):
        encoder.pooling = given.get("pooling", encoder.pooling)
        encoder.max_tokens = given.get("max_tokens", encoder.max_tokens)
        _adapt(encoder, given if lora.held(encoder.network) else _with_adapter(given, kind))
        encoder.freeze(given.get("train_last"), given.get("embeddings", "trained") == "frozen")
    else:
        raise ValueError(f"{given.get('init', name)} can be evaluated, but not trained: its modules are not known")
    return kind, encoder


def _kind(encoder: "Encoder", kinds: Mapping[str, Defaults]) -> str:
    """What an encoder that was loaded is; a causal language model is one where `kinds` tells them apart."""
    from diptych.encoders.static import Static
    from diptych.encoders.transformer import Transformer

    if isinstance(encoder, Static):
        return "static"
    if "causal" not in kinds or not isinstance(encoder, Transformer):
        return "pretrained"
    from transformers.models.auto import modeling_auto as auto

    family = encoder.network.config.model_type
    generates = (
        family in auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and family not in auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    )
    return "causal" if generates else "pretrained"


def _with_adapter(given: Mapping[str, Any], kind: Defaults) -> Mapping[str, Any]:
    """The options with those of the adapter that suits the kind, unless --lora 0 does without."""
    if not kind.adapter:
        return given
    return {**kind.adapter, **given} if given.get("lora", 1) else {k: x for k, x in given.items() if k != "lora"}


def _adapt(encoder: "Transformer", given: Mapping[str, Any]) -> None:
    """Puts the adapter that is asked for into an encoder."""
    from diptych.encoders import lora

    encoder.merge = given.get("merge", False)
    if given.get("lora"):
        numbers = {name: given[f"lora_{name}"] for name in ("alpha", "dropout", "init") if f"lora_{name}" in given}
        targets = [name.strip() for name in given["lora_targets"].split(",")] if "lora_targets" in given else None
        lora.lora(encoder, given["lora"], targets=targets, seed=given.get("seed", 0), **numbers)
    else:
        _only({"lora_alpha", "lora_dropout", "lora_targets", "lora_init"}, given, "belongs to --lora R")
    adapted = bool(lora.held(encoder.network))
    if not adapted and given.get("weights", "fp32") != "fp32":
        raise ValueError(f"--weights {given['weights']} is too coarse to learn in; train an adapter on them: --lora 8")
    if adapted and not encoder.merge and (encoder.base is None or given.get("bidirectional")):
        raise ValueError("an adapter alone needs a folder of the network as it is; save both as one: --merge")


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


def steps_of(given: Mapping[str, Any], kind: Defaults, documents: int, batch: int) -> int:
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
