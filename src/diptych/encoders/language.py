"""A head that guesses masked tokens. Its last layer is the encoder's own table of tokens.

    -log softmax( E norm(gelu(W h + c)) + b )[label]        E (n e) is the encoder's input embedding

Shapes: m masked tokens, d width, e width of the input embedding, n tokens of the vocabulary.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from diptych.encoders import blocks as family
from diptych.encoders import folder as layout

if TYPE_CHECKING:
    from diptych.core import Encoder
    from diptych.encoders.transformer import Transformer

FILE = "language_head/model.safetensors"  # in the folder of the encoder
AT_ONCE = 1 << 25  # logits; of more, none are kept for the gradient
PARTS = ("dense", "norm", "bias")
ELSEWHERE = (  # the same in checkpoints of `transformers`
    ("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.bias"),  # BERT, DeBERTa
    ("lm_head.dense", "lm_head.layer_norm", "lm_head.bias"),  # RoBERTa, MPNet
    ("vocab_transform", "vocab_layer_norm", "vocab_projector.bias"),  # DistilBERT
    ("head.dense", "head.norm", "decoder.bias"),  # ModernBERT
    ("generator_predictions.dense", "generator_predictions.LayerNorm", "generator_lm_head.bias"),  # ELECTRA
)
EPSILONS = ("layer_norm_eps", "norm_eps")  # by family
ENDS = (".weight", ".bias", "")
OLD = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}  # as the first BERTs have them


class LanguageHead(nn.Module):
    """-log p of masked tokens, given the hidden states above them (behind the network's last norm, if it has one).

    The network's weights are used as they are and belong to it alone: `parameters` and `state_dict` have only what the
    head adds, and a copy of a model has a head on the copied network. With `detached` hidden states are not the
    network's own: its last norm is left out, and through this head it learns nothing.

    It starts as the head in the folder that the encoder was read from, `FILE` or the checkpoint's own, and without one
    at random, by the seed. Logits (m n) are there for masked tokens alone; where they are more than AT_ONCE
    numbers, some rows at a time, computed again for the gradient.

    Raises ValueError for an encoder that is no transformer.
    """

    def __init__(self, encoder: "Encoder", seed: int = 0, detached: bool = False):
        from diptych.encoders.transformer import Transformer

        super().__init__()
        if not isinstance(encoder, Transformer):
            raise ValueError(
                "words are guessed from the hidden state above each of them, and this encoder has none: take a "
                "transformer (--encoder tiny, or a folder or hub id of one)"
            )
        self._network, self.detached = (encoder.network,), detached  # in a tuple, so that it is no part of the head
        tokens, width = self.table.shape
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.dense = nn.Linear(encoder.dim, width)
            nn.init.normal_(self.dense.weight, std=0.02)
        nn.init.zeros_(self.dense.bias)
        self.norm = nn.LayerNorm(width, eps=_epsilon(encoder.network.config))
        self.bias = nn.Parameter(torch.zeros(tokens))
        self.begun = self._begin(encoder)

    @property
    def table(self) -> Float[Tensor, "n e"]:
        """The input embedding of the encoder."""
        weight: Tensor = self._network[0].get_input_embeddings().weight
        return weight

    @property
    def attention_heads(self) -> int:
        """Of the network's blocks."""
        return int(self._network[0].config.num_attention_heads)

    def forward(self, hidden: Float[Tensor, "m d"], labels: Int[Tensor, " m"]) -> Float[Tensor, " m"]:
        rows = max(1, AT_ONCE // len(self.bias))
        if len(labels) <= rows:
            return self._losses(hidden, labels)
        parts = zip(hidden.split(rows), labels.split(rows), strict=True)
        again: dict[str, Any] = {"use_reentrant": False, "preserve_rng_state": False}
        return torch.cat([checkpoint(self._losses, h, y, **again) for h, y in parts])

    def _losses(self, hidden: Float[Tensor, "m d"], labels: Int[Tensor, " m"]) -> Float[Tensor, " m"]:
        return F.cross_entropy(self.logits(hidden).float(), labels, reduction="none")

    def logits(self, hidden: Float[Tensor, "m d"]) -> Float[Tensor, "m n"]:
        """Of each token of the vocabulary."""
        if not self.detached and (last := family.norm(self._network[0])):
            hidden = last(hidden.to(next(last.parameters()).dtype))
        guess = self.norm(F.gelu(self.dense(hidden.float())).float())
        table = self.table.detach() if self.detached else self.table
        return F.linear(guess, table.to(guess.dtype), self.bias)

    def save(self, folder: Path) -> None:
        """Writes `FILE` into the folder of the encoder; who loads the encoder does not see it."""
        place = folder / FILE
        place.parent.mkdir(exist_ok=True)
        state = {name: x.detach().cpu().contiguous() for name, x in self.state_dict().items()}
        save_file(state, place, metadata={"format": "pt"})
        place.chmod(folder.stat().st_mode & 0o666)  # safetensors writes for its owner alone

    def load(self, folder: Path) -> bool:
        """Takes the head in a folder, ours or that of a checkpoint of `transformers`; False if there is none.

        Raises ValueError for a head of another shape, or one that cannot be read.
        """
        found = _found(folder)
        if found is None:
            return False
        whole = {name: found.get(name, torch.zeros_like(x)) for name, x in self.state_dict().items()}
        for name, x in self.state_dict().items():  # biases that a family does not have are zero
            if whole[name].shape != x.shape:
                raise ValueError(
                    f"the language head in {folder} is not that of this encoder: its {name} has the shape "
                    f"{tuple(whole[name].shape)}, and {tuple(x.shape)} is due"
                )
        self.load_state_dict(whole)
        return True

    def _begin(self, encoder: "Transformer") -> bool:
        """Whether the folder that the encoder's network was read from has a head."""
        return self.load(layout.locate(encoder.base, offline=True)) if encoder.base else False


def _epsilon(config: Any) -> float:
    """What a network's norms add to a variance."""
    return float(next((x for name in EPSILONS if (x := getattr(config, name, None)) is not None), 1e-12))


def _found(folder: Path) -> dict[str, Tensor] | None:
    """The tensors of a head by our names."""
    own = folder / FILE
    for file in [own] if own.exists() else sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(file, "pt") as weights:
                if names := _names(weights.keys()):
                    return {ours: weights.get_tensor(theirs).float() for ours, theirs in names.items()}
        except (SafetensorError, OSError) as error:
            raise ValueError(f"cannot read {file}: {error}") from error
    return None


def _names(there: Iterable[str]) -> dict[str, str]:
    """From our names of a head's tensors to those in a file; empty if it has none."""
    held = {_spelled(name): name for name in there}
    for parts in (PARTS, *ELSEWHERE):
        dense, norm, bias = parts
        if {f"{dense}.weight", f"{norm}.weight", bias} <= held.keys():
            paired = [(f"{a}{end}", f"{b}{end}") for a, b in zip(PARTS, parts, strict=True) for end in ENDS]
            return {ours: held[theirs] for ours, theirs in paired if theirs in held}
    return {}


def _spelled(name: str) -> str:
    """A tensor's name, in the spelling of today."""
    for old, new in OLD.items():
        name = name.replace(old, new)
    return name
