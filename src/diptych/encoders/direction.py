"""Which way the tokens of a network look, and decoders that look at all of a text, not at what is before alone."""

from typing import TYPE_CHECKING

import torch
from torch import nn

from diptych.encoders.tried import tried

if TYPE_CHECKING:
    from transformers import PreTrainedModel

ASKED = "is_causal"  # in a network's config.json; `transformers` 5 builds its masks by it


def causal(network: "PreTrainedModel") -> bool:
    """Whether a network's family is of causal language models, whatever its config.json says that it was saved as.

    Families that fill in masks too (BERT, XLM) are encoders.
    """
    from transformers.models.auto import modeling_auto as auto

    family = network.config.model_type
    return family in auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES and family not in auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES


def both_ways(network: nn.Module) -> bool:
    """Whether the first token of a text sees the last one, in a text alone and in one that is padded; it is tried."""
    rows = network.get_input_embeddings().num_embeddings  # type: ignore[operator]
    ids = torch.tensor([[3, 4, 5, 6], [3, 4, 5, 7]], device=network.device) % rows  # type: ignore[arg-type]
    seen = []
    with tried(network), torch.inference_mode():
        for pad in (0, 1):
            padded = nn.functional.pad(ids, (0, pad))
            mask = nn.functional.pad(torch.ones_like(ids), (0, pad))
            first = network(input_ids=padded, attention_mask=mask).last_hidden_state[:, 0].float()
            seen.append(not torch.equal(first[0], first[1]))
    return all(seen)


def look_both_ways(network: nn.Module) -> None:
    """Lets every token see the whole text, where the architecture can. What looks both ways already stays as it is.

    Raises ValueError where tokens still see only what is before them.
    """
    if both_ways(network):
        return
    setattr(network.config, ASKED, False)
    if not both_ways(network):
        delattr(network.config, ASKED)
        raise ValueError(f"{type(network).__name__} cannot look both ways here: its attention stays causal")


def asked(network: nn.Module) -> bool:
    """Whether a decoder's configuration says that it looks both ways."""
    return getattr(network.config, ASKED, None) is False
