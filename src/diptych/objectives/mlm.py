"""Masked language modelling, on its own or through a text's embedding.

Shapes: b samples, t tokens of the longest, d width, m masked tokens.
"""

from typing import cast

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from diptych.core import Language, Objective, Terms, Views


class MLM(Objective):
    """The mean of -log p over all masked tokens of the views of role "masked": term "mlm", 0 where none is masked.

    The model has a head for language. Raises ValueError if it has none, or no view has that role.
    Source: BERT, arXiv:1810.04805.
    """

    paper = "arXiv:1810.04805"
    aim = "guesses hidden words"

    def forward(self, views: Views, teacher: Views) -> Terms:
        told = [encoded.guessed for encoded in views.get("masked", [])]
        if not told or any(x is None for x in told):
            raise ValueError('masked words are guessed in a view of role "masked", by a model with a language head')
        guessed = torch.cat(cast(list[Tensor], told))
        return {"mlm": guessed[:, 0].sum() / guessed[:, 1].detach().sum().clamp(min=1)}


class AuxiliaryMLM(Objective):
    """Masked tokens are guessed from a text's embedding and from hidden states that are not its own.

    The embedding of the first view of role "view", of the text as it is, stands in front of a teacher's hidden states
    of the masked text, whose first token (that of [CLS]) is left out. `depth` transformer layers, which learn here, and
    a head for language guess the masked tokens: the term "auxiliary_mlm" is the mean of -log p over them. The encoder
    learns through its embedding alone. Nothing is dropped in the layers.

    The teacher is asked for a layer (`Teacher.layer`) and encodes the view of role "masked". Raises ValueError if it
    does not.
    Source: InfoCSE, arXiv:2210.06432.
    """

    paper = "arXiv:2210.06432"
    aim = "guesses hidden words from the embedding"

    def __init__(self, language: nn.Module, dim: int, heads: int, depth: int = 2, seed: int = 0):
        super().__init__()
        self.language = language
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.layers = nn.ModuleList(
                nn.TransformerEncoderLayer(dim, heads, 4 * dim, 0.0, "gelu", 1e-12, batch_first=True)
                for _ in range(depth)
            )

    def forward(self, views: Views, teacher: Views) -> Terms:
        (masked,), seen = teacher.get("masked", [None])[:1], views["view"][0]
        if masked is None or masked.tokens is None or masked.labels is None:
            raise ValueError('a teacher encodes the view of role "masked", and is asked for the states of a layer')
        tokens, labels = masked.tokens.detach().float(), masked.labels[:, 1:]
        hidden = torch.cat([seen.embedding[:, None].float(), tokens[:, 1:]], 1)
        beyond = ~real(tokens)
        for layer in self.layers:
            hidden = layer(hidden, src_key_padding_mask=beyond)
        asked = labels != -100
        language = cast(Language, self.language)
        losses = language(hidden[:, 1:][asked], labels[asked])
        return {"auxiliary_mlm": losses.sum() / max(1, len(losses))}


def real(tokens: Float[Tensor, "b t d"]) -> Bool[Tensor, "b t"]:
    """Where a text has tokens: behind its end hidden states are zero. The first place is always one."""
    found = (tokens != 0).any(-1)
    found[:, 0] = True
    return found
