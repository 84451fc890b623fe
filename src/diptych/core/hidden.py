"""What is made of hidden states: those of each sample, guesses of masked tokens, states of masked patches."""

from typing import Protocol

import torch
from jaxtyping import Float, Int
from torch import Tensor

from diptych.core.samples import Batch
from diptych.draws import places


class Language(Protocol):
    """A head that guesses masked tokens from the hidden states above them (m d): -log p of each."""

    def __call__(self, hidden: Float[Tensor, "m d"], labels: Int[Tensor, " m"], /) -> Float[Tensor, " m"]: ...


def labels_of(batch: Batch) -> Int[Tensor, "..."]:
    """The tokens to guess, in the shape of the batch: of a row (1 t), or of padded ones (b t)."""
    labels = batch.get("labels", torch.full_like(batch["ids"], -100))
    return labels[None] if "edges" in batch else labels


def guessed(language: Language, hidden: Tensor, batch: Batch) -> Float[Tensor, "b 2"]:
    """For each sample the sum of -log p of its masked tokens, and their number."""
    labels = labels_of(batch)
    asked = labels != -100
    packed = "edges" in batch
    sample = places(batch["edges"], labels.shape[1])[0][asked[0]] if packed else asked.nonzero()[:, 0]
    losses = language(hidden[asked], labels[asked]).float()
    told = losses.new_zeros(len(batch["key"]), 2)
    return told.index_add(0, sample, torch.stack([losses, torch.ones_like(losses)], 1))


def asked_states(states: Float[Tensor, "b t d"], batch: Batch) -> dict[str, Tensor]:
    """States of the patches that are masked or asked for, and their numbers; 0 and -100 behind a sample's last.

    Of graphs, all nodes.
    """
    if "edges" in batch:
        place = places(batch["edges"], states.shape[1])[1]
        return {"tokens": apart(states, batch), "labels": apart(place[None], batch, -100)}
    b = len(states)
    asked = batch.get("masked", batch.get("asked", torch.zeros(b, 0, dtype=torch.bool, device=states.device)))
    most = int(asked.sum(1).max()) if asked.numel() else 0
    which = asked.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :most]
    there = asked.gather(1, which)
    patches = states[:, states.shape[1] - asked.shape[1] :]
    found = patches.gather(1, which[..., None].expand(-1, -1, states.shape[2]))
    return {"tokens": found * there[..., None], "labels": torch.where(there, which, -100)}


def unmasked(batch: Batch) -> Batch:
    """A batch as a teacher reads it: nothing is masked, and what was is asked for."""
    return {"asked" if name == "masked" else name: x for name, x in batch.items()}


def apart(x: Tensor, batch: Batch, padding: float = 0.0) -> Tensor:
    """Samples that lie end to end in a row (1 t ...), or are padded already, as padded rows (b t ...)."""
    if "mask" in batch:
        mask = batch["mask"].bool()
        return torch.where(mask.view(*mask.shape, *[1] * (x.ndim - 2)), x, padding)
    if "edges" not in batch:
        return x
    edges = batch["edges"]
    b, end, longest = len(edges) - 1, int(edges[-1]), int(edges.diff().max())
    sample, place = places(edges, end)
    rows = x.new_full((b * longest, *x.shape[2:]), padding)  # one copy: a gradient of b copies is b times the rows
    return rows.index_copy(0, sample * longest + place, x[0, :end]).unflatten(0, (b, longest))
