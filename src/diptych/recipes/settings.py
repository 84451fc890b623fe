"""What is asked of a recipe, of one for text in full, and what suits its encoder where nothing is asked."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from diptych.plural import counted
from diptych.recipes.also import Also, Guessing

if TYPE_CHECKING:
    from diptych.core import Optimiser


class Training(TypedDict, total=False):
    """How long a recipe learns, and how fast; of texts, pictures and graphs alike."""

    batch: int | None
    """Samples per step; where views are contrasted, each is the negative of all others."""
    epochs: float | None
    """Passes over the corpus."""
    steps: int | None
    """Steps, in place of --epochs."""
    lr: float | None
    """Peak learning rate."""
    warmup: float
    """Part of the first epoch in which the learning rate rises (0 with graphs)."""
    schedule: Literal["linear", "cosine"] | None
    """How the learning rate falls after that (linear, unless the recipe says otherwise; with graphs it stays)."""
    weight_decay: float | None
    """Decay of the weights (0, unless the recipe says otherwise), as of AdamW."""
    clip: float | None
    """Longest gradient; longer ones are shortened (no limit, unless the recipe says otherwise)."""
    train_last: int | None
    """Train only the last K blocks, or stages of a ResNet."""
    seed: int
    """Decides the initial weights, the order and the views."""


class Warmup(TypedDict, total=False):
    """A warm-up in steps; of texts and pictures."""

    warmup_steps: int | None
    """Steps in which the learning rate rises, in place of --warmup."""


class Labelled(TypedDict, total=False):
    """Labels in a table; of texts and pictures."""

    label_column: str | None
    """Column that holds a label, for evaluation only (found, if not given)."""


# `TypedDict` is named beside its heirs: Python 3.11 forgets them otherwise, and the help of their options with them
class Settings(Labelled, Training, Warmup, Also, Guessing, TypedDict, total=False):
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
    layers: int | None
    """Blocks of tiny (4)."""
    temperature: float | None
    """Temperature of InfoNCE."""
    max_tokens: int | None
    """Longest text in tokens; longer ones are cut off."""
    embeddings: Literal["trained", "frozen"]
    """Whether the token embeddings learn."""
    text_column: str | None
    """Column that holds the text (found, if not given)."""
    train_only: bool
    """Learn nothing from the tenth that k-NN tests on, not even without its labels."""
    dropout: float
    """Rate of every dropout of the encoder, in place of its own."""


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


def options(settings: Mapping[str, Any], known: Mapping[str, Any] = Settings.__annotations__) -> dict[str, Any]:
    """Those that were given. Raises ValueError for one that is not known."""
    unknown = settings.keys() - known
    if unknown:
        raise ValueError(f"no option is called {min(unknown)!r}; there are {', '.join(known)}")
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


def optimiser_of(given: Mapping[str, Any], kind: Defaults, steps: int) -> "Optimiser":
    """AdamW as it is asked for, or as it suits the kind. Raises ValueError for a warm-up as long as the run."""
    from diptych.core import Optimiser

    if "warmup" in given and "warmup_steps" in given:
        raise ValueError("--warmup and --warmup-steps say the same thing; give one of them")
    if 0 < steps <= given.get("warmup_steps", 0):
        raise ValueError(
            f"--warmup-steps {given['warmup_steps']:,} in a run of {counted(steps, 'step')}: the peak rate "
            "would never be reached; give fewer of them, or more --steps"
        )
    named = ("warmup", "warmup_steps", "schedule", "weight_decay", "clip")
    usual = {k: x for k, x in kind.optimiser.items() if not (k == "warmup_steps" and "warmup" in given)}
    return Optimiser(given.get("lr", kind.lr), **usual | {k: given[k] for k in named if k in given})


def check_name(corpus: Path) -> None:
    """Raises ValueError for a path that run.toml cannot hold."""
    from diptych.data.files import shown

    where = str(corpus.resolve() if corpus.exists() else corpus)
    if where != shown(where):
        raise ValueError(f"{shown(where)} has a name that is not UTF-8, so run.toml cannot hold it; rename it")


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
