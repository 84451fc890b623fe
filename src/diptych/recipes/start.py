"""The encoder that training starts from: made from scratch, or loaded, with what is asked of it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from diptych.recipes.usual import Defaults

if TYPE_CHECKING:
    from diptych.core import Encoder
    from diptych.data.documents import Documents
    from diptych.encoders.static import Static
    from diptych.encoders.transformer import Transformer

CHARACTERS = 300  # of the corpus for each token of the vocabulary
LEARNED = 1 << 28  # characters: of a larger corpus, a vocabulary is learned from every second, third ... document
LOADED = ("prompt", "bidirectional", "weights")  # options of what a pretrained transformer is loaded as
WIDEST = 65_536  # numbers of an embedding
LAYERS, DEEPEST = 4, 96  # blocks of `tiny`


def encoder_of(
    documents: "Documents", given: Mapping[str, Any], kinds: Mapping[str, Defaults], dropout: float
) -> "tuple[Defaults, Static | Transformer]":
    """The encoder that is asked for, before training, and what suits its kind.

    `dropout` is the rate of a `static` encoder. Raises ValueError for options that contradict one another or do not
    belong to the encoder, and for one that cannot be trained.
    """
    from diptych.encoders.static import Static
    from diptych.encoders.transformer import Transformer

    name = given.get("encoder", "static")
    if "init" in given and "encoder" in given:
        raise ValueError(f"--init {given['init']} brings its own encoder; leave --encoder {name} out")
    scratch = "init" not in given and name in ("static", "tiny")
    kind, encoder = _fresh(documents, given, kinds[name]) if scratch else _loaded(given, kinds)
    if isinstance(encoder, Static):
        _set_static(encoder, given, dropout)
    elif isinstance(encoder, Transformer):
        _set_transformer(encoder, given, kind)
    else:
        raise ValueError(f"{given.get('init', name)} can be evaluated, but not trained: its modules are not known")
    return kind, encoder


def _fresh(documents: "Documents", given: Mapping[str, Any], kind: Defaults) -> "tuple[Defaults, Encoder]":
    """`static` or `tiny`, with a vocabulary that is learned from the documents."""
    from diptych.data import vocabulary
    from diptych.encoders.static import fresh
    from diptych.encoders.tiny import tiny
    from diptych.tokens.damped import damped

    asked = {k for k in LOADED if given.get(k)} - ({"weights"} if given.get("weights") == "fp32" else set())
    _only(asked, given, "is for a pretrained transformer")
    name, seed, dim = given.get("encoder", "static"), given.get("seed", 0), given.get("dim", kind.dim)
    if not 1 <= dim <= WIDEST:
        raise ValueError(f"an embedding has from 1 to {WIDEST:,} numbers; got dim={dim}")
    if name == "static":
        _only({"layers"}, given, "is for tiny; static is one table")
    if not 1 <= (blocks := given.get("layers", LAYERS)) <= DEEPEST:
        raise ValueError(f"tiny has from 1 to {DEEPEST} blocks; got layers={blocks}")
    characters = sum(map(len, documents.texts))
    size = given["vocabulary"] if "vocabulary" in given else _vocabulary(characters)
    some = documents.texts[:: 1 + characters // LEARNED]
    tokenizer = vocabulary.train(some, size, punctuation=name == "tiny")
    if name == "static":
        return kind, fresh(damped(tokenizer), dim, seed, normalize=True)
    return kind, tiny(tokenizer, seed, layers=blocks, width=dim)


def _loaded(given: Mapping[str, Any], kinds: Mapping[str, Defaults]) -> "tuple[Defaults, Encoder]":
    """An encoder from a folder or the hub."""
    from diptych import encoders

    _only({"vocabulary", "dim", "layers"}, given, "belongs to an encoder from scratch (static, tiny)")
    asked = {k: x for k, x in given.items() if k in LOADED and x}
    encoder = encoders.load(given["init"] if "init" in given else given["encoder"], **asked)
    return kinds[_kind(encoder, kinds)], encoder


def _set_static(encoder: "Static", given: Mapping[str, Any], dropout: float) -> None:
    others = {"max_tokens", "train_last", "lora", *(["pooling"] if given.get("pooling") != "mean" else [])}
    _only(others, given, "is for transformers; static is one mean of one table")
    if given.get("embeddings") == "frozen":
        raise ValueError("a static encoder is its embeddings: with --embeddings frozen nothing would learn")
    rate = given.get("dropout", dropout)
    if not 0 <= rate < 1:
        raise ValueError(f"a dropout rate is in [0, 1); got {rate}")
    encoder.embedding.dropout = rate


def _set_transformer(encoder: "Transformer", given: Mapping[str, Any], kind: Defaults) -> None:
    from diptych.encoders import lora

    encoder.pooling = given.get("pooling", encoder.pooling)
    encoder.max_tokens = given.get("max_tokens", encoder.max_tokens)
    if "dropout" in given:
        encoder.drop(given["dropout"])
    _adapt(encoder, given if lora.held(encoder.network) else _with_adapter(given, kind))
    encoder.freeze(given.get("train_last"), given.get("embeddings", "trained") == "frozen")


def _kind(encoder: "Encoder", kinds: Mapping[str, Defaults]) -> str:
    """What an encoder that was loaded is; a causal language model is one where `kinds` tells them apart."""
    from diptych.encoders.static import Static
    from diptych.encoders.transformer import Transformer

    if isinstance(encoder, Static):
        return "static"
    if "causal" not in kinds or not isinstance(encoder, Transformer):
        return "pretrained"
    from diptych.encoders import direction

    return "causal" if direction.causal(encoder.network) else "pretrained"


def _with_adapter(given: Mapping[str, Any], kind: Defaults) -> Mapping[str, Any]:
    """The options with those of the adapter that suits the kind, unless --lora 0 does without."""
    if not kind.adapter:
        return given
    return {**kind.adapter, **given} if given.get("lora", 1) else {k: x for k, x in given.items() if k != "lora"}


def _adapt(encoder: "Transformer", given: Mapping[str, Any]) -> None:
    """Puts the adapter that is asked for into an encoder."""
    from diptych.encoders import lora

    encoder.merge = given.get("merge", False)
    if given.get("lora") == 0 and lora.held(encoder.network):
        raise ValueError(
            "--lora 0 trains without an adapter, and the model has one, which would be lost; save it merged first "
            "(--merge), and begin from that"
        )
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
