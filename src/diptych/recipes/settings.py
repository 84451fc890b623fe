"""What can be asked of a recipe, and of one for text in full."""

from typing import Literal, TypedDict

from diptych.recipes.also import Also, Guessing


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
